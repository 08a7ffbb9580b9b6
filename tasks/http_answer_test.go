package tasks_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

// A connection that changes protocols heeds no context. It is closed by the client: the server waits for that.
func TestAnswerThatSwitchesProtocolsEndsTheCall(t *testing.T) {
	closed := make(chan struct{}, 2)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		closed <- struct{}{}
	})
	_, err := call(t, s, `{"url": "URL", "timeout": "1h"}`)
	checkFailure(t, err, task.KindError, "answered 101")
	<-closed
	_, err = deliver(t, newSet(t, signing(newSecret)), s.URL)
	checkFailure(t, err, task.KindError, "answered 101")
	<-closed
}

// stalling answers with the status, and never ends the body.
func stalling(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(status)
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func TestAStatusCountsEvenIfItsBodyStalls(t *testing.T) {
	for status, want := range map[int]task.ErrorKind{404: task.KindPermanent, 503: task.KindError} {
		s := serve(t, stalling(status))
		_, err := call(t, s, `{"url": "URL", "timeout": "400ms"}`)
		checkFailure(t, err, want, fmt.Sprintf("answered %d", status), "half")
		if d, _ := task.DelayOf(err); status == 503 && d != 90*time.Second {
			t.Errorf("waits %s", d)
		}
	}
	s := serve(t, stalling(200))
	if _, err := deliver(t, newSet(t, signing(newSecret)), s.URL); err != nil {
		t.Errorf("a callback that was taken: %v", err)
	}
	gone := serve(t, stalling(410))
	_, err := deliver(t, newSet(t, signing(newSecret)), gone.URL)
	checkFailure(t, err, task.KindPermanent, "answered 410")
}

func TestHeadersReturnToNoHostAfterAnother(t *testing.T) {
	var got received
	var first, other string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			record(&got)(w, r)
			return
		}
		http.Redirect(w, r, other, http.StatusTemporaryRedirect)
	})
	first = s.URL
	other = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "" || r.Header.Get("Referer") != "" || r.Header.Get("Content-Type") != "text/csv" {
			t.Errorf("another port got %v", r.Header)
		}
		http.Redirect(w, r, first+"/end", http.StatusTemporaryRedirect)
	}).URL
	payload := `{"url": "URL/a?token=hunter2", "body": "a", "headers": {"x-api-key": "hunter2", "Content-Type": "text/csv"}}`
	if _, err := call(t, s, payload); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("X-Api-Key") != "" || got.Body != "a" {
		t.Errorf("got %+v", got)
	}
}

func TestHeadersFollowARedirectOnTheSameHost(t *testing.T) {
	var got received
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			record(&got)(w, r)
			return
		}
		http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
	})
	out, err := run[tasks.HTTPRequestOut](start(t.Context()), t, newSet(t, loopback), "http.request",
		`{"url": `+quote(s.URL)+`, "headers": {"X-Api-Key": "a"}}`)
	if err != nil || out.Status != 200 || got.Header.Get("X-Api-Key") != "a" {
		t.Errorf("%+v, %v: got %v", out, err, got.Header)
	}
}
