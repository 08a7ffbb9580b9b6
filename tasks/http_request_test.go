package tasks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

var loopback = tasks.Options{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// call runs http.request with the payload, in which URL stands for the server's.
func call(t *testing.T, s *httptest.Server, payload string) (tasks.HTTPRequestOut, error) {
	t.Helper()
	payload = strings.ReplaceAll(payload, "URL", s.URL)
	return run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, loopback), "http.request", payload)
}

// received is what a server saw of a request.
type received struct {
	Method, Path, Host, Body string
	Header                   http.Header
}

func record(into *received) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*into = received{r.Method, r.URL.RequestURI(), r.Host, string(body), r.Header}
	}
}

func TestRequestIsSentAsAsked(t *testing.T) {
	tests := []struct {
		name, payload             string
		method, body, contentType string
	}{
		{"the least", `{"url": "URL/a?b=c"}`, "POST", "", ""},
		{"object", `{"url": "URL/a?b=c", "method": "PUT", "body": {"n": 12345678901234567890}}`, "PUT", `{"n": 12345678901234567890}`, "application/json"},
		{"string", `{"url": "URL/a?b=c", "body": "text"}`, "POST", `"text"`, "application/json"},
		{"null", `{"url": "URL/a?b=c", "body": null}`, "POST", "", ""},
		{"false", `{"url": "URL/a?b=c", "body": false}`, "POST", "false", "application/json"},
		{"text", `{"url": "URL/a?b=c", "body": "a\nb", "headers": {"content-type": "text/plain"}}`, "POST", "a\nb", "text/plain"},
		{"string of another JSON", `{"url": "URL/a?b=c", "body": "a", "headers": {"Content-Type": "application/cloudevents+json"}}`, "POST", `"a"`, "application/cloudevents+json"},
		{"object as another type", `{"url": "URL/a?b=c", "body": {}, "headers": {"Content-Type": "text/x-json"}}`, "POST", `{}`, "text/x-json"},
		{"GET", `{"url": "URL/a?b=c", "method": "GET"}`, "GET", "", ""},
		{"a method of its own", `{"url": "URL/a?b=c", "method": "PURGE"}`, "PURGE", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got received
			s := serve(t, record(&got))
			if out, err := call(t, s, tt.payload); err != nil || out.Status != 200 {
				t.Fatalf("%+v, %v", out, err)
			}
			want := received{tt.method, "/a?b=c", strings.TrimPrefix(s.URL, "http://"), tt.body, got.Header}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if contentType := got.Header.Get("Content-Type"); contentType != tt.contentType {
				t.Errorf("Content-Type %q, want %q", contentType, tt.contentType)
			}
		})
	}
}

func TestRequestSaysWhoseItIs(t *testing.T) {
	var got received
	s := serve(t, record(&got))
	tick := &task.Tick{ScheduleID: "nightly", At: time.Date(2026, 11, 21, 10, 0, 0, 5_000_000, time.FixedZone("CST", 8*3600))}
	tests := []struct {
		tick *task.Tick
		want map[string]string
	}{
		{nil, map[string]string{"X-Backbeat-Task-Id": "order-17", "X-Backbeat-Attempt": "2"}},
		{tick, map[string]string{
			"X-Backbeat-Task-Id": "order-17", "X-Backbeat-Attempt": "2",
			"X-Backbeat-Schedule-Id": "nightly", "X-Backbeat-Tick": "2026-11-21T02:00:00.005Z",
		}},
	}
	for _, tt := range tests {
		ctx := task.NewContext(t.Context(), task.RunInfo{ID: "order-17", Attempt: 2, Schedule: tt.tick}, func(task.Report) {})
		payload := `{"url": ` + quote(s.URL) + `, "headers": {"x-own": "a"}}`
		if _, err := run[tasks.HTTPRequestOut](ctx, t, newSet(t, loopback), "http.request", payload); err != nil {
			t.Fatal(err)
		}
		ours := make(map[string]string)
		for name := range got.Header {
			if strings.HasPrefix(name, "X-Backbeat-") {
				ours[name] = got.Header.Get(name)
			}
		}
		if diff := cmp.Diff(tt.want, ours); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got.Header.Get("X-Own") != "a" || got.Header.Get("User-Agent") != "backbeat" {
			t.Errorf("headers %v", got.Header)
		}
	}
}

func TestResultIsTheAnswer(t *testing.T) {
	const text, asJSON = "text/plain", "application/json; charset=utf-8"
	tests := []struct {
		name, contentType, body string
		most                    int
		want                    string // as JSON
		truncated               bool
	}{
		{"JSON", asJSON, `{"n": 12345678901234567890, "price": 1.10}`, 100, `{"n":12345678901234567890,"price":1.10}`, false},
		{"JSON of a vendor", "application/problem+json", `[null]`, 100, `[null]`, false},
		{"JSON that is none", asJSON, `{"n": `, 100, `"{\"n\": "`, false},
		{"JSON cut short", asJSON, `[1, 2]`, 5, `"[1, 2"`, true},
		{"JSON cut to other JSON", asJSON, `1234`, 2, `"12"`, true},
		{"JSON that just fits", asJSON, `[1, 2]`, 6, `[1,2]`, false},
		{"JSON with bytes that are no UTF-8", asJSON, "[\"a\xffb\"]", 100, "[\"a\uFFFDb\"]", false},
		{"text", text, "[1]\n", 100, `"[1]\n"`, false},
		{"text with bytes that are no UTF-8", text, "a\xff\x00b", 100, `"a` + "\uFFFD" + `\u0000b"`, false},
		{"text cut within a letter", text, "aü", 2, `"a` + "\uFFFD" + `"`, true},
		{"nothing", asJSON, "", 100, `""`, false},
		{"nothing kept", text, "text", 0, `""`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.Header()["X-Many"] = []string{"a", "b\xff"}
				w.WriteHeader(http.StatusCreated)
				io.WriteString(w, tt.body)
			})
			payload := fmt.Sprintf(`{"url": %q, "max_response_bytes": %d}`, s.URL, tt.most)
			result, err := run[json.RawMessage](start(t.Context()), t, newSet(t, loopback), "http.request", payload)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Status     int               `json:"status"`
				Headers    map[string]string `json:"headers"`
				Body       json.RawMessage   `json:"body"`
				Truncated  bool              `json:"truncated"`
				DurationMS *int64            `json:"duration_ms"`
			}
			if err := json.Unmarshal(result, &got); err != nil {
				t.Fatal(err)
			}
			if string(got.Body) != tt.want || got.Truncated != tt.truncated || got.Status != http.StatusCreated {
				t.Errorf("got %s, want body %s", result, tt.want)
			}
			if got.Headers["Content-Type"] != tt.contentType || got.Headers["X-Many"] != "a, b\uFFFD" {
				t.Errorf("headers %q", got.Headers)
			}
			if got.DurationMS == nil || *got.DurationMS < 0 {
				t.Errorf("%s has no duration", result)
			}
		})
	}
}

func TestAnswersAreCutAt64KiBByDefault(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("a", 64<<10+1)) })
	out, err := call(t, s, `{"url": "URL"}`)
	if body, _ := out.Body.(string); err != nil || len(body) != 64<<10 || !out.Truncated {
		t.Errorf("kept %d bytes, truncated %t, %v", len(body), out.Truncated, err)
	}
}

// What counts is the size of what is kept, not of what comes over the wire.
func TestAnswersThatUnpackWithoutEndAreCut(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(bytes.Repeat([]byte("a"), 8<<20))
	z.Close()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed.Bytes())
	})
	out, err := call(t, s, `{"url": "URL", "max_response_bytes": 10}`)
	if err != nil || out.Body != "aaaaaaaaaa" || !out.Truncated {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestStatusDecides(t *testing.T) {
	tests := []struct {
		status int
		expect string
		want   task.ErrorKind // none: it succeeds
	}{
		{200, "[]", ""}, {204, "[]", ""}, {299, "[]", ""},
		{304, "[]", task.KindError}, {302, "[]", task.KindError}, // which names no place to go to
		{400, "[]", task.KindPermanent}, {401, "[]", task.KindPermanent}, {404, "[]", task.KindPermanent},
		{410, "[]", task.KindPermanent}, {451, "[]", task.KindPermanent}, {499, "[]", task.KindPermanent},
		{408, "[]", task.KindError}, {425, "[]", task.KindError}, {429, "[]", task.KindError},
		{500, "[]", task.KindError}, {502, "[]", task.KindError}, {503, "[]", task.KindError}, {599, "[]", task.KindError},
		{404, "[200, 404]", ""}, {503, "[503]", ""}, {304, "[304]", ""},
		{200, "[404]", task.KindError}, {410, "[404]", task.KindPermanent},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d expecting %s", tt.status, tt.expect), func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, "because of the moon")
			})
			out, err := call(t, s, `{"url": "URL", "expect_status": `+tt.expect+`}`)
			switch {
			case tt.want == "" && (err != nil || out.Status != tt.status):
				t.Errorf("got %+v, %v", out, err)
			case tt.want != "" && tt.status != 304: // which has no body
				checkFailure(t, err, tt.want, "answered "+fmt.Sprint(tt.status), "because of the moon")
			case tt.want != "":
				checkFailure(t, err, tt.want, "answered 304")
			}
		})
	}
}

func TestErrorsQuoteTheBeginningOfTheBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, strings.Repeat("a", 200)+"TOO FAR")
	})
	_, err := call(t, s, `{"url": "URL", "max_response_bytes": 0}`)
	checkFailure(t, err, task.KindError, strings.Repeat("a", 200))
	if strings.Contains(err.Error(), "TOO") {
		t.Error(err)
	}
}

func TestAStatusCountsEvenIfItsBodyBreaksOff(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "half")
	})
	_, err := call(t, s, `{"url": "URL"}`)
	checkFailure(t, err, task.KindPermanent, "answered 404", "half")
}

func TestASuccessWhoseBodyBreaksOffIsTriedAgain(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
	})
	_, err := call(t, s, `{"url": "URL"}`)
	checkFailure(t, err, task.KindError, "read the response")
}

func TestRetryAfterIsHonoured(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	none := time.Duration(-1)
	tests := []struct {
		name, header string
		status       int
		least, most  time.Duration
	}{
		{"seconds", "120", 503, 2 * time.Minute, 2 * time.Minute},
		{"seconds with 429", "1", 429, time.Second, time.Second},
		{"a date", date(time.Hour), 503, 59 * time.Minute, time.Hour},
		{"days", "864000", 503, 24 * time.Hour, 24 * time.Hour},
		{"ages", "18446744073709551615", 503, 24 * time.Hour, 24 * time.Hour},
		{"more than 64 bits", "18446744073709551616", 503, 24 * time.Hour, 24 * time.Hour},
		{"a far year", "Fri, 31 Dec 9999 23:59:59 GMT", 503, 24 * time.Hour, 24 * time.Hour},
		{"a date in ages", date(30 * 24 * time.Hour), 503, 24 * time.Hour, 24 * time.Hour},
		{"a date gone by", date(-time.Hour), 503, none, none},
		{"no time", "0", 503, none, none},
		{"less than none", "-5", 503, none, none},
		{"neither", "soon", 503, none, none},
		{"nothing", "", 503, none, none},
		{"no retry at all", "120", 404, none, none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(tt.status)
			})
			_, err := call(t, s, `{"url": "URL"}`)
			if err == nil {
				t.Fatal("it succeeded")
			}
			got, ok := task.DelayOf(err)
			if !ok {
				got = none
			}
			if got < tt.least || got > tt.most {
				t.Errorf("waits %s, want %s to %s", got, tt.least, tt.most)
			}
		})
	}
}

func TestRedirectsAreFollowed(t *testing.T) {
	var got received
	final := serve(t, record(&got))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusSeeOther
		if r.URL.Path == "/keep" {
			status = http.StatusTemporaryRedirect
		}
		http.Redirect(w, r, final.URL+"/there", status)
	})
	for path, want := range map[string]received{
		"/keep":   {Method: "POST", Path: "/there", Body: `{"a": 1}`},
		"/change": {Method: "GET", Path: "/there"},
	} {
		out, err := call(t, s, `{"url": "URL`+path+`", "body": {"a": 1}}`)
		if err != nil || out.Status != 200 {
			t.Fatalf("%+v, %v", out, err)
		}
		got.Host, got.Header = "", nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestARedirectThatIsExpectedIsTheAnswer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	out, err := call(t, s, `{"url": "URL", "expect_status": [302]}`)
	if err != nil || out.Status != 302 || out.Headers["Location"] != "/again" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestTenRedirectsAreFollowedAndNotEleven(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		http.Redirect(w, r, strings.TrimSuffix(r.URL.Path, "a"), http.StatusFound)
	})
	if out, err := call(t, s, `{"url": "URL/aaaaaaaaaa"}`); err != nil || out.Status != 200 {
		t.Errorf("10: %+v, %v", out, err)
	}
	_, err := call(t, s, `{"url": "URL/aaaaaaaaaaa"}`)
	checkFailure(t, err, task.KindError, "more than 10 redirects")
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	resolveWith(t, map[string][][]string{"other.test.": {{"127.0.0.1"}}})
	var got received
	final := serve(t, record(&got))
	_, port, _ := net.SplitHostPort(final.Listener.Addr().String())
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://other.test:"+port+"/", http.StatusTemporaryRedirect)
	})
	_, err := call(t, s, `{"url": "URL", "headers": {"Authorization": "Bearer hunter2", "Cookie": "hunter2", "X-Own": "a"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Authorization") != "" || got.Header.Get("Cookie") != "" || got.Header.Get("X-Own") != "" {
		t.Errorf("the other host got %v", got.Header)
	}
}

func TestCredentialsInAURLAreSentButNotTold(t *testing.T) {
	var got received
	s := serve(t, record(&got))
	target := strings.Replace(s.URL, "http://", "http://ada:hunter2@", 1) + "/hunter2?token=hunter2"
	payload := `{"url": ` + quote(target) + `}`
	if _, err := run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, loopback), "http.request", payload); err != nil {
		t.Fatal(err)
	}
	if want := "Basic YWRhOmh1bnRlcjI="; got.Header.Get("Authorization") != want {
		t.Errorf("Authorization %q, want %q", got.Header.Get("Authorization"), want)
	}
	s.Close()
	for name, set := range map[string]tasks.Set{"nobody there": newSet(t, loopback), "refused": newSet(t, tasks.Options{})} {
		_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", payload)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), s.Listener.Addr().String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// watched is a listener that tells whether anybody connected to it but the test.
func watched(t *testing.T) (port string, untouched func()) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, func() {
		t.Helper()
		own, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		first, err := l.Accept() // connections come in the order in which they were made
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		if first.RemoteAddr().String() != own.LocalAddr().String() {
			t.Errorf("%s connected", first.RemoteAddr())
		}
	}
}

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	resolveWith(t, map[string][][]string{"inside.test.": {{"127.0.0.1"}}, "both.test.": {{"127.0.0.1", "10.0.0.1"}}})
	port, untouched := watched(t)
	set := newSet(t, tasks.Options{})
	for host, address := range map[string]string{
		"127.0.0.1":          "127.0.0.1",
		"127.1.2.3":          "127.1.2.3",
		"0.0.0.0":            "0.0.0.0",
		"10.0.0.1":           "10.0.0.1",
		"100.64.0.1":         "100.64.0.1",
		"169.254.169.254":    "169.254.169.254", // where clouds keep credentials
		"172.16.0.1":         "172.16.0.1",
		"192.168.1.1":        "192.168.1.1",
		"224.0.0.1":          "224.0.0.1",
		"255.255.255.255":    "255.255.255.255",
		"[::]":               "[::]",
		"[::1]":              "[::1]",
		"[::ffff:127.0.0.1]": "127.0.0.1",
		"[::ffff:a9fe:a9fe]": "169.254.169.254",
		"[64:ff9b::7f00:1]":  "[64:ff9b::7f00:1]", // 127.0.0.1 behind NAT64
		"[2002:7f00:1::]":    "[2002:7f00:1::]",   // 127.0.0.1 behind 6to4
		"[fd00::1]":          "[fd00::1]",
		"[fe80::1]":          "[fe80::1]",
		"[ff02::1]":          "[ff02::1]",
		"inside.test":        "127.0.0.1",
		"both.test":          "",
		"localhost":          "",
	} {
		t.Run(host, func(t *testing.T) {
			payload := `{"url": "http://` + host + `:` + port + `/"}`
			_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", payload)
			checkFailure(t, err, task.KindPermanent, "http_task.allow_cidrs")
			if address != "" && !strings.Contains(err.Error(), address+":"+port) {
				t.Errorf("%v does not name %s", err, address)
			}
		})
	}
	untouched()
}

func TestRedirectsReachOnlyPublicAddresses(t *testing.T) {
	port, untouched := watched(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	})
	set := newSet(t, tasks.Options{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for _, host := range []string{"127.0.0.2", "0.0.0.0", "[::1]", "169.254.169.254"} {
		target := s.URL + "/?to=" + url.QueryEscape("http://"+host+":"+port)
		_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", `{"url": `+quote(target)+`}`)
		checkFailure(t, err, task.KindPermanent, host+":"+port, "http_task.allow_cidrs")
	}
	untouched()
}

// closing answers so that the next call dials again.
func closing(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }

// A name may be one address when somebody looks at it and another one when it is dialled.
func TestNamesAreJudgedByTheAddressThatIsDialled(t *testing.T) {
	s := serve(t, closing)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	resolveWith(t, map[string][][]string{"rebind.test.": {{"127.0.0.1"}, {"127.0.0.2"}}})
	set := newSet(t, tasks.Options{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	payload := `{"url": "http://rebind.test:` + port + `/"}`
	if out, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", payload); err != nil || out.Status != 200 {
		t.Fatalf("%+v, %v", out, err)
	}
	_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", payload)
	checkFailure(t, err, task.KindPermanent, "127.0.0.2:"+port)
}

func TestAnAllowedAddressBesideForbiddenOnes(t *testing.T) {
	s := serve(t, closing)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	resolveWith(t, map[string][][]string{"both.test.": {{"127.0.0.2", "127.0.0.1"}}})
	set := newSet(t, tasks.Options{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	payload := `{"url": "http://both.test:` + port + `/"}`
	if out, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", payload); err != nil || out.Status != 200 {
		t.Fatalf("%+v, %v", out, err)
	}
	s.Close()
	_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, set, "http.request", payload)
	checkFailure(t, err, task.KindError, "cannot connect to the other addresses of the host")
}

// A proxy would be asked to dial for us, and know nothing of what may be called. TestMain has named one.
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, loopback), "http.request", `{"url": "http://10.0.0.1/"}`)
	checkFailure(t, err, task.KindPermanent, "10.0.0.1:80")
}

// Nobody listens there, and not every machine has the address; but it is tried.
func TestIPv6CanBeAllowed(t *testing.T) {
	_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, loopback), "http.request", `{"url": "http://[::1]:1/"}`)
	checkFailure(t, err, task.KindError, "[::1]:1")
	if strings.Contains(err.Error(), "allow_cidrs") {
		t.Error(err)
	}
}

func TestWhatCannotBeReachedIsTriedAgain(t *testing.T) {
	resolveWith(t, nil)
	gone := httptest.NewServer(nil)
	gone.Close()
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	rude := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, target := range map[string]string{
		"nobody there":           gone.URL,
		"an unknown certificate": secure.URL,
		"a name nobody knows":    "http://nowhere.test/",
		"hung up":                rude.URL,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, loopback), "http.request", `{"url": `+quote(target)+`}`)
			host, _ := url.Parse(target)
			checkFailure(t, err, task.KindError, "POST "+host.Host)
		})
	}
}

func TestTLSWithAnAuthorityOfOnesOwn(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	opts := loopback
	opts.RootCAs = x509.NewCertPool()
	opts.RootCAs.AddCert(s.Certificate())
	out, err := run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, opts), "http.request", `{"url": `+quote(s.URL)+`}`)
	if err != nil || out.Status != 200 {
		t.Errorf("got %+v, %v", out, err)
	}
}

// silent is a server that answers, where it answers at all, half of what it should, and hangs until the client goes.
// reached gets a word when it hangs.
func silent(t *testing.T, half string) (s *httptest.Server, reached chan struct{}) {
	t.Helper()
	reached = make(chan struct{}, 1)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if half != "" {
			io.WriteString(w, half)
			w.(http.Flusher).Flush()
		}
		reached <- struct{}{}
		<-r.Context().Done()
	}), reached
}

func TestTimeoutBoundsTheWholeCall(t *testing.T) {
	for name, half := range map[string]string{"no answer": "", "half an answer": "half"} {
		t.Run(name, func(t *testing.T) {
			s, _ := silent(t, half)
			_, err := call(t, s, `{"url": "URL", "timeout": "50ms"}`)
			checkFailure(t, err, task.KindError, "no complete response within 50ms")
		})
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	for name, half := range map[string]string{"no answer": "", "half an answer": "half"} {
		t.Run(name+", canceled", func(t *testing.T) {
			s, reached := silent(t, half)
			ctx, cancel := context.WithCancel(start(t.Context()))
			go func() {
				<-reached
				cancel()
			}()
			_, err := run[tasks.HTTPRequestOut](ctx, t, newSet(t, loopback), "http.request", `{"url": `+quote(s.URL)+`, "timeout": "1h"}`)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		t.Run(name+", out of time", func(t *testing.T) {
			s, _ := silent(t, half)
			ctx, cancel := context.WithTimeout(start(t.Context()), 50*time.Millisecond)
			defer cancel()
			_, err := run[tasks.HTTPRequestOut](ctx, t, newSet(t, loopback), "http.request", `{"url": `+quote(s.URL)+`, "timeout": "1h"}`)
			if err == nil || task.FailureOf(ctx, err).Kind != task.KindTimeout {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRequestPayloads(t *testing.T) {
	const cannot = "cannot be set"
	const isNone = "is not a valid HTTP header"
	const noURL = "payload.url: must be an http or https URL with a host"
	tests := map[string][]string{
		`{}`:                                         {"payload.url: is required"},
		`{"url": "ftp://example.com"}`:               {noURL},
		`{"url": "file:///etc/passwd"}`:              {noURL},
		`{"url": "/hook"}`:                           {"payload.url: expected string to be a URI with a scheme, such as https://example.com"},
		`{"url": "https://"}`:                        {noURL},
		`{"url": "https://:80/"}`:                    {noURL},
		`{"url": "https://a b/"}`:                    {"payload.url: expected string to be a URI with a scheme, such as https://example.com"},
		`{"url": "https://a/", "x": 1}`:              {"payload.x: unexpected property"},
		`{"url": "https://a/", "method": "get"}`:     {"payload.method: expected string to be an HTTP method in capitals"},
		`{"url": "https://a/", "method": "A B"}`:     {"payload.method: expected string to be an HTTP method in capitals"},
		`{"url": "https://a/", "method": "CONNECT"}`: {"payload.method: CONNECT is for proxies only"},
		`{"url": "https://a/", "timeout": "0s"}`:     {"payload.timeout: must be more than 0"},
		`{"url": "https://a/", "timeout": 30}`:       {"payload.timeout: expected string"},
		`{"url": "https://a/", "expect_status": [200, 99, 600]}`: {
			"payload.expect_status[1]: expected number >= 200", "payload.expect_status[2]: expected number <= 599",
		},
		`{"url": "https://a/", "max_response_bytes": -1}`:           {"payload.max_response_bytes: expected number >= 0"},
		`{"url": "https://a/", "max_response_bytes": 10485761}`:     {"payload.max_response_bytes: expected number <= 10485760"},
		`{"url": "https://a/", "headers": {"A": 1}}`:                {"payload.headers.A: expected string"},
		`{"url": "https://a/", "headers": {"A": "b\r\nC: d"}}`:      {"payload.headers.A: " + isNone},
		`{"url": "https://a/", "headers": {"A\r\nC": "d"}}`:         {"payload.headers.A\r\nC: " + isNone},
		`{"url": "https://a/", "headers": {"": "d"}}`:               {"payload.headers: " + isNone},
		`{"url": "https://a/", "headers": {"host": "b"}}`:           {"payload.headers.host: " + cannot},
		`{"url": "https://a/", "headers": {"Content-Length": "5"}}`: {"payload.headers.Content-Length: " + cannot},
		`{"url": "https://a/", "headers": {"Connection": "close", "TE": "trailers", "Transfer-Encoding": "chunked", "upgrade": "h2c"}}`: {
			"payload.headers.Connection: " + cannot, "payload.headers.TE: " + cannot,
			"payload.headers.Transfer-Encoding: " + cannot, "payload.headers.upgrade: " + cannot,
		},
		`{"url": "https://a/", "headers": {"x-backbeat-attempt": "9"}}`: {"payload.headers.x-backbeat-attempt: " + cannot},
		`{"url": "https://a/", "headers": {"A": "1", "a": "2"}}`:        {"payload.headers.a: is given twice, in different case"},
	}
	for payload, want := range tests {
		if diff := cmp.Diff(want, validationErrorsOf(t, "http.request", payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
	whole := `{"url": "HTTPS://ada:pw@[2001:db8::1]:8443/a?b#c", "method": "PATCH", "headers": {"Authorization": "Bearer a"}, "body": [1],
		"timeout": "1m30s", "expect_status": [200, 404], "max_response_bytes": 10485760}`
	if faults := validationErrorsOf(t, "http.request", whole); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
}
