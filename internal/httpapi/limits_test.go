package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/httpapi"
)

// nested returns JSON of so many levels.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
}

func TestDepthOfBodies(t *testing.T) {
	base, _ := serveBroker(t)
	for body, want := range map[string]int{
		`{"type":"echo","payload":` + nested(99) + `}`:                               202,
		`{"type":"echo","payload":` + nested(100) + `}`:                              400,
		`{"type":"echo","payload":{"text":"\"` + strings.Repeat(`[\\{`, 500) + `"}}`: 202,
		`{"type":"echo","payload":{"list":[` + strings.Repeat(`[],`, 500) + `[]]}}`:  202,
	} {
		if got := ask(t, "POST", base+"/v1/tasks", body); got.status != want {
			t.Errorf("%.60s…: %d, want %d: %s", body, got.status, want, got.body)
		}
	}
	for call, body := range map[string]string{
		"POST /v1/tasks/batch":       `{"tasks":[{"type":"echo","payload":` + nested(98) + `}]}`,
		"POST /v1/tasks/bulk":        `{"action":"cancel","filter":` + nested(100) + `}`,
		"PUT /v1/schedules/x":        `{"every":"1m","task":{"type":"echo","payload":` + nested(99) + `}}`,
		"PATCH /v1/schedules/x":      `{"task":{"payload":` + nested(99) + `}}`,
		"POST /v1/schedules/preview": nested(101),
	} {
		method, path, _ := strings.Cut(call, " ")
		got := ask(t, method, base+path, body)
		if p := got.problem(t); got.status != 400 || len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, "100 levels") {
			t.Errorf("%s: %d %s", call, got.status, got.body)
		}
	}
}

// What is odd is taken or refused, and never a fault of ours.
func TestOddBodies(t *testing.T) {
	base, _ := serveBroker(t)
	for body, want := range map[string]int{
		`{"type":"call","type":"echo"}`:                                        400, // nobody can tell which of them counts
		`{"type":"echo","type":"echo"}`:                                        400,
		`{"type":"echo","payload":{"a":1,"a":{"b":2}}}`:                        400,
		`{"type":"echo","payload":{"a":1,"\u0061":2}}`:                         400,
		`{"type":"echo","payload":[[{"b":{"a":1,"a":2}}]]}`:                    400,
		`{"type":"echo","payload":{"a":{"a":[{"a":1},{"a":2}]},"b":{"a":1}}}`:  202,
		`{"type":"echo","payload":{"\"":1,"\\":2,"a,":3,"a":4,"b":["a","a"]}}`: 202,
		`{"type":"echo","metadata":{"a":"1"},"metadata":{"a":"2"}}`:            400,
		`{"type":"echo","payload":{"text":"\u0000"}}`:                          202,
		`{"type":"echo","metadata":{"a":"\u0000"}}`:                            202,
		`{"type":"echo","payload":{"text":"\ud800"}}`:                          202,
		"{\"type\":\"echo\",\"payload\":{\"text\":\"\xff\"}}":                  400,
		"{\"type\":\"echo\",\"payload\":{\"\xc0\x80\":1}}":                     400,
		"\xef\xbb\xbf{\"type\":\"echo\"}":                                      400,
		`{"type":"echo","payload":{"n":123456789012345678901234567890}}`:       202,
		`{"type":"echo","payload":{"n":-1e308}}`:                               202,
		`{"type":"echo","payload":{"n":1e309}}`:                                422,
		`{"type":"echo","payload":{"n":0.` + strings.Repeat("1", 3000) + `}}`:  202,
		`{"type":"echo","max_retries":1e1}`:                                    422,
		`{"type":"echo","timeout":"` + strings.Repeat("9", 5000) + `h"}`:       422,
	} {
		if got := ask(t, "POST", base+"/v1/tasks", body); got.status != want {
			t.Errorf("%.80s: %d, want %d: %.300s", body, got.status, want, got.body)
		}
		if got := ask(t, "POST", base+"/v1/tasks/batch", `{"tasks":[`+body+`]}`); got.status >= 500 || strings.Contains(got.body, `"status":50`) {
			t.Errorf("batch of %.80s: %d %.300s", body, got.status, got.body)
		}
		for _, call := range []string{"PUT /v1/schedules/x", "PATCH /v1/schedules/x", "POST /v1/schedules/preview", "POST /v1/tasks/bulk"} {
			method, path, _ := strings.Cut(call, " ")
			if got := ask(t, method, base+path, `{"task":`+body+`,"filter":`+body+`}`); got.status < 400 || got.status >= 500 {
				t.Errorf("%s with %.80s: %d %.300s", call, body, got.status, got.body)
			}
		}
	}
}

// zeros is a body of so many bytes, which knows how many of them have been read.
type zeros struct{ size, read int }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(len(p), z.size-z.read)
	if n == 0 {
		return 0, io.EOF
	}
	z.read += n
	return copy(p, bytes.Repeat([]byte("0"), n)), nil
}

// A body that is too large is not read if it says so, and else up to the limit.
func TestLargeBodiesAreRefusedEarly(t *testing.T) {
	handler := newHandler(t)
	for length, most := range map[int64]int{10 << 20: 0, -1: maxBodyBytes + 1} {
		body := &zeros{size: 10 << 20}
		req := httptest.NewRequest(http.MethodPost, "/v1/tasks", body)
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = length
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, req)
		if answer.Code != http.StatusRequestEntityTooLarge || body.read > most {
			t.Errorf("Content-Length %d: status %d, %d bytes were read", length, answer.Code, body.read)
		}
	}
}

// bothKinds returns a body that says how large it is and one that does not.
func bothKinds(body string) map[string]io.Reader {
	return map[string]io.Reader{"with its length": strings.NewReader(body), "in chunks": io.MultiReader(strings.NewReader(body))}
}

// A client that sends all of a body before it reads the answer gets the answer, whatever kept the body from being read.
func TestAnswersAreSeenByThoseWhoSendFirst(t *testing.T) {
	base := serveLimited(t, func(*http.Server) {}, func(c *httpapi.Config) { c.Monitor = http.NotFoundHandler() })
	large := strings.Repeat(" ", 20<<20) // more than fits into the buffers of a connection
	for _, tt := range []struct {
		method, path, header string
		want                 int
	}{
		{"POST", "/v1/tasks", "", 413},
		{"POST", "/v1/tasks/batch", "", 413},
		{"PUT", "/v1/schedules/x", "", 413},
		{"POST", "/v1/tasks", "Origin: http://evil.example\r\n", 403},
		{"POST", "/nowhere", "", 404},
		{"GET", "/healthz", "", 200},
	} {
		for kind, head := range map[string]string{"length": fmt.Sprintf("Content-Length: %d\r\n\r\n", len(large)),
			"chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(large))} {
			conn := dial(t, base, tt.method+" "+tt.path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+tt.header+head)
			if _, err := io.WriteString(conn, large+"\r\n0\r\n\r\n"); err != nil && kind == "length" {
				t.Errorf("%s %s, %s: %v", tt.method, tt.path, kind, err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s %s, %s: %v", tt.method, tt.path, kind, err)
				continue
			}
			if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != tt.want {
				t.Errorf("%s %s, %s: %d, want %d; %v", tt.method, tt.path, kind, resp.StatusCode, tt.want, err)
			}
			resp.Body.Close()
		}
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncodedBodies(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	const body = `{"type":"echo","payload":{"text":"grüße"}}`
	zip := gzipped(t, body)
	for name, tt := range map[string]struct {
		encoding, body string
		want           int
	}{
		"as it is":              {"identity", body, 202},
		"gzip":                  {"gzip", zip, 202},
		"x-gzip":                {"X-GZIP", zip, 202},
		"two members":           {"gzip", gzipped(t, body[:10]) + gzipped(t, body[10:]), 202},
		"no gzip":               {"gzip", body, 400},
		"cut off":               {"gzip", zip[:len(zip)-9], 400},
		"a wrong sum":           {"gzip", zip[:len(zip)-8] + "12345678", 400},
		"a key twice":           {"gzip", gzipped(t, `{"type":"echo","type":"call"}`), 400},
		"as large as may be":    {"gzip", gzipped(t, body+strings.Repeat(" ", maxBodyBytes-len(body))), 202},
		"too large inflated":    {"gzip", gzipped(t, body+strings.Repeat(" ", maxBodyBytes+1-len(body))), 413},
		"far too large":         {"gzip", gzipped(t, strings.Repeat(" ", 100*maxBodyBytes)), 413},
		"too large as sent":     {"gzip", gzipped(t, body) + strings.Repeat(gzipped(t, ""), maxBodyBytes/20), 413},
		"an unknown encoding":   {"br", body, 415},
		"gzip twice":            {"gzip, gzip", gzipped(t, zip), 415},
		"gzip without saying":   {"", zip, 400},
		"an empty, zipped body": {"gzip", gzipped(t, ""), 400},
	} {
		for kind, reader := range bothKinds(tt.body) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/tasks", reader)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Content-Encoding", tt.encoding)
			got := send(t, req)
			if got.status != tt.want || strings.Contains(got.body, "UTF-8") != (tt.encoding == "") {
				t.Errorf("%s, %s: %d, want %d: %s", name, kind, got.status, tt.want, got.body)
			}
			if accepted := got.header.Get("Accept-Encoding"); (accepted != "") != (tt.want == 415) {
				t.Errorf("%s, %s: Accept-Encoding %q", name, kind, accepted)
			}
		}
	}
	if last := store.created[len(store.created)-1]; string(last.Payload) != `{"text":"grüße"}` {
		t.Errorf("payload %s", last.Payload)
	}
}

// dial sends text over a connection of its own.
func dial(t *testing.T, base, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// serveLimited serves an API with the limits of a program, of which the change makes some short.
func serveLimited(t *testing.T, change func(*http.Server), config ...func(*httpapi.Config)) string {
	t.Helper()
	limited := httpapi.Server(newHandler(t, config...))
	if limited.ReadHeaderTimeout <= 0 || limited.ReadTimeout <= 0 || limited.WriteTimeout <= 0 || limited.IdleTimeout <= 0 || limited.MaxHeaderBytes <= 0 {
		t.Errorf("something has no limit: %+v", limited)
	}
	change(limited)
	server := httptest.NewUnstartedServer(nil)
	server.Config = limited
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func TestLargeHeaders(t *testing.T) {
	base := serveLimited(t, func(*http.Server) {})
	for size, want := range map[int]int{60 << 10: 200, 80 << 10: 431} {
		conn := dial(t, base, "GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Large: ")
		go io.WriteString(conn, strings.Repeat("a", size)+"\r\n\r\n") // it may be cut off
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a header of %d bytes: %d, want %d", size, resp.StatusCode, want)
		}
	}
}

// What comes behind the announced length is another request, and no good one.
func TestBodyLongerThanAnnounced(t *testing.T) {
	base := serveLimited(t, func(*http.Server) {})
	const body = `{"type":"echo"}`
	conn := dial(t, base, fmt.Sprintf("POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s{\"more\":1}\r\n\r\n",
		len(body), body))
	answers := bufio.NewReader(conn)
	for _, want := range []int{202, 400} {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d, want %d", resp.StatusCode, want)
		}
	}
}

// drip sends a byte now and then until the server closes the connection, and tells the last it said.
func drip(conn net.Conn, stop <-chan struct{}) (answer []byte, cut bool) {
	closed := make(chan []byte, 1)
	go func() {
		answer, _ := io.ReadAll(conn)
		closed <- answer
	}()
	for {
		select {
		case answer := <-closed:
			return answer, true
		case <-stop:
			conn.Close()
			return <-closed, false
		case <-time.After(50 * time.Millisecond):
			if _, err := conn.Write([]byte("a")); err != nil {
				return <-closed, true
			}
		}
	}
}

// A thousand clients that never come to the end of their headers keep nobody from being served, and are cut off.
func TestSlowHeaders(t *testing.T) {
	const clients = 1000
	base := serveLimited(t, func(s *http.Server) { s.ReadHeaderTimeout = 2 * time.Second })
	giveUp := make(chan struct{})
	timer := time.AfterFunc(60*time.Second, func() { close(giveUp) })
	defer timer.Stop()
	var dripping sync.WaitGroup
	var mu sync.Mutex
	uncut := 0
	for range clients {
		conn := dial(t, base, "GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		dripping.Go(func() {
			if _, cut := drip(conn, giveUp); !cut {
				mu.Lock()
				uncut++
				mu.Unlock()
			}
		})
	}
	for range 50 {
		if got := ask(t, "POST", base+"/v1/tasks", `{"type":"echo"}`); got.status != 202 {
			t.Errorf("somebody else is answered with %d", got.status)
		}
	}
	dripping.Wait()
	if uncut > 0 {
		t.Errorf("%d of %d were never cut off", uncut, clients)
	}
}

func TestSlowBodies(t *testing.T) {
	base := serveLimited(t, func(*http.Server) {}, func(c *httpapi.Config) { c.BodyTimeout = 500 * time.Millisecond })
	giveUp := make(chan struct{})
	timer := time.AfterFunc(20*time.Second, func() { close(giveUp) })
	defer timer.Stop()
	for _, path := range []string{"/v1/tasks", "/v1/tasks/bulk"} {
		conn := dial(t, base, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n")
		answer, cut := drip(conn, giveUp)
		if !cut || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408")) || !bytes.Contains(answer, []byte("problem+json")) {
			t.Errorf("%s: cut off %v, %.200s", path, cut, answer)
		}
	}
}
