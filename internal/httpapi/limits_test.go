package httpapi_test

import (
	"bufio"
	"bytes"
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
		`{"type":"call","type":"echo"}`:                                       202, // the last counts, as everywhere in Go
		`{"type":"echo","type":"nope"}`:                                       422,
		`{"type":"echo","payload":{"a":1,"a":{"b":2}}}`:                       202,
		`{"type":"echo","metadata":{"a":"1"},"metadata":{"a":2}}`:             422,
		`{"type":"echo","metadata":{"a":1},"metadata":{"a":"2"}}`:             422,
		`{"type":"echo","payload":{"text":"\u0000"}}`:                         202,
		`{"type":"echo","metadata":{"a":"\u0000"}}`:                           202,
		`{"type":"echo","payload":{"text":"\ud800"}}`:                         202,
		"{\"type\":\"echo\",\"payload\":{\"text\":\"\xff\"}}":                 400,
		"{\"type\":\"echo\",\"payload\":{\"\xc0\x80\":1}}":                    400,
		"\xef\xbb\xbf{\"type\":\"echo\"}":                                     400,
		`{"type":"echo","payload":{"n":123456789012345678901234567890}}`:      202,
		`{"type":"echo","payload":{"n":-1e308}}`:                              202,
		`{"type":"echo","payload":{"n":1e309}}`:                               422,
		`{"type":"echo","payload":{"n":0.` + strings.Repeat("1", 3000) + `}}`: 202,
		`{"type":"echo","max_retries":1e1}`:                                   422,
		`{"type":"echo","timeout":"` + strings.Repeat("9", 5000) + `h"}`:      422,
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
