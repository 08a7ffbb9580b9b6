package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/client"
)

func TestNewChecksTheAddress(t *testing.T) {
	key := client.WithKey("top-secret")
	tests := []struct {
		url  string
		opts []client.Option
		want string // "" if it is fine
	}{
		{"https://backbeat.example.com", []client.Option{key}, ""},
		{"https://example.com/backbeat/", []client.Option{key}, ""},
		{"http://127.0.0.1:8080", []client.Option{key}, ""},
		{"http://[::1]:8080", []client.Option{key}, ""},
		{"http://localhost:8080", []client.Option{key}, ""},
		{"http://api.internal:8080", nil, ""},
		{"http://api.internal:8080", []client.Option{key, client.WithPlainHTTP()}, ""},
		{"http://api.internal:8080", []client.Option{key}, "unencrypted"},
		{"http://localhost.example.com", []client.Option{key}, "unencrypted"},
		{"http://127.0.0.1.example.com", []client.Option{key}, "unencrypted"},
		{"backbeat.example.com:8080", nil, "not a URL"},
		{"127.0.0.1:8080", nil, "not a URL"},
		{"ftp://example.com", nil, "not a URL"},
		{"https://", nil, "not a URL"},
		{"https://example.com?key=top-secret", nil, "not a URL"},
		{"", nil, "not a URL"},
		{"https://user:top-secret@example.com", nil, "WithKey"},
		{"https://user:top-secret@exa mple.com", nil, "not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			_, err := client.New(tt.url, tt.opts...)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "top-secret") && !strings.Contains(tt.url, "?"):
				t.Errorf("tells the secret: %v", err)
			}
		})
	}
}

func TestTheKeyIsSentAndNeverPrinted(t *testing.T) {
	var got, agent string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, agent = r.Header.Get("Authorization"), r.UserAgent()
		http.Error(w, "", http.StatusUnauthorized)
	}))
	defer api.Close()
	c := connect(t, api.URL, client.WithKey("top-secret"), client.WithUserAgent("shop/1.2"))
	_, err := c.Queues(within(t))
	if got != "Bearer top-secret" || agent != "shop/1.2" {
		t.Errorf("the API saw %q of %q", got, agent)
	}
	if text := fmt.Sprintf("%v %+v %#v %v", c, c, c, err); strings.Contains(text, "top-secret") {
		t.Errorf("printed: %s", text)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer elsewhere.Close()
	api := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer api.Close()
	_, err := connect(t, api.URL, client.WithKey("top-secret")).Queues(within(t))
	if err == nil || !strings.Contains(err.Error(), elsewhere.URL) || asked {
		t.Errorf("error %v; asked elsewhere: %t", err, asked)
	}
}

func TestAnAPIBelowAPath(t *testing.T) {
	var path string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		fmt.Fprint(w, `{"id": "x"}`)
	}))
	defer api.Close()
	if _, err := connect(t, api.URL+"/backbeat/").Task(within(t), "order/17"); err != nil || path != "/backbeat/v1/tasks/order%2F17" {
		t.Errorf("asked for %s: %v", path, err)
	}
}
