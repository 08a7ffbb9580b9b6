package apptest

import (
	"net/http"
	"strings"
	"testing"
)

// The dashboard takes a key as the password of Basic, and changes nothing for a page of another origin.
func TestMonitorBehindAKey(t *testing.T) {
	const admin, reader = "key-of-the-admin", "key-of-the-reader"
	p := start(t, "standalone", "BACKBEAT_API_KEYS=boss:"+admin+":admin+queues.read,reader:"+reader+":queues.read")
	pause := func(key, origin string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/monitor/api/queues/low:pause", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("anybody", key)
		req.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	paused := func() any {
		return p.callAs(admin, "GET", "/v1/queues/low", "").document(t)["paused"]
	}
	for _, tt := range []struct {
		key, origin string
		status      int
	}{
		{"", p.URL, http.StatusUnauthorized},
		{"key-of-nobody", p.URL, http.StatusUnauthorized},
		{reader, p.URL, http.StatusForbidden},
		{admin, "https://evil.example", http.StatusForbidden},
		{admin, "null", http.StatusForbidden},
	} {
		if got := pause(tt.key, tt.origin); got != tt.status || paused() != false {
			t.Errorf("key %q from %s: %d, want %d; paused: %v", tt.key, tt.origin, got, tt.status, paused())
		}
	}
	if got := pause(admin, p.URL); got >= 300 || paused() != true {
		t.Errorf("its own page: %d, paused: %v", got, paused())
	}
}
