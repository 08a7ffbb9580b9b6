package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backbeat-go/backbeat/client"
)

const aTask = `{"id": "x", "type": "t", "state": "pending"}`

// TestEnqueueIsRepeatedUnderOneKey goes through whatever may come between a client and an API.
func TestEnqueueIsRepeatedUnderOneKey(t *testing.T) {
	api := newFake(t)
	api.lose()
	api.answer(503, `{"detail": "redis is away"}`, "Content-Type: application/problem+json", "Retry-After: 0")
	api.answer(502, "<html>bad gateway</html>")
	api.answer(429, "", "Retry-After: 0")
	api.answer(200, aTask, "Idempotency-Replayed: true")
	got, err := connect(t, api.URL).Enqueue(within(t), "t", map[string]int{"n": 1})
	if err != nil || got.ID != "x" {
		t.Errorf("%v, %v", got, err)
	}
	requests := api.requests()
	key := requests[0].header.Get("Idempotency-Key")
	for _, r := range requests {
		if r.header.Get("Idempotency-Key") != key || key == "" || r.body != requests[0].body {
			t.Errorf("sent %s under %q, first under %q", r.body, r.header.Get("Idempotency-Key"), key)
		}
	}
	if len(requests) != 5 {
		t.Errorf("%d requests", len(requests))
	}
}

func TestEachEnqueueHasAKeyOfItsOwn(t *testing.T) {
	api := newFake(t)
	api.answer(202, aTask)
	c := connect(t, api.URL)
	for range 2 {
		if _, err := c.Enqueue(within(t), "t", nil); err != nil {
			t.Fatal(err)
		}
	}
	if r := api.requests(); r[0].header.Get("Idempotency-Key") == r[1].header.Get("Idempotency-Key") {
		t.Error("the same key twice")
	}
}

// Calls that are not safe are not repeated after a lost answer or a status that does not say whether they were executed.
func TestUnsafeCallsAreNotRepeated(t *testing.T) {
	ifMatch := client.IfMatch(`"r1"`)
	calls := map[string]func(context.Context, *client.Client) error{
		"Cancel":  func(ctx context.Context, c *client.Client) error { _, err := c.Cancel(ctx, "x"); return err },
		"Retry":   func(ctx context.Context, c *client.Client) error { _, err := c.Retry(ctx, "x"); return err },
		"RunNow":  func(ctx context.Context, c *client.Client) error { _, err := c.RunNow(ctx, "x"); return err },
		"Trigger": func(ctx context.Context, c *client.Client) error { _, err := c.TriggerSchedule(ctx, "x"); return err },
		"Pause": func(ctx context.Context, c *client.Client) error {
			_, err := c.PauseSchedule(ctx, "x", ifMatch)
			return err
		},
		"Delete": func(ctx context.Context, c *client.Client) error { return c.DeleteSchedule(ctx, "x", ifMatch) },
		"Put": func(ctx context.Context, c *client.Client) error {
			_, err := c.PutSchedule(ctx, "x", client.ScheduleSpec{}, client.IfNew())
			return err
		},
		"Bulk": func(ctx context.Context, c *client.Client) error {
			_, err := c.Bulk(ctx, client.BulkRequest{Action: client.BulkRetry})
			return err
		},
	}
	for name, call := range calls {
		for fault, answer := range map[string]func(*fake){
			"lost":  (*fake).lose,
			"503":   func(f *fake) { f.answer(503, "") },
			"hangs": func(f *fake) { f.then(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }) },
		} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				api := newFake(t)
				answer(api)
				c := connect(t, api.URL)
				c.SetTimeouts(100*time.Millisecond, time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second) // bulk knows no other bound
				defer cancel()
				if err := call(ctx, c); err == nil || len(api.requests()) > 1 {
					t.Errorf("error %v after %d requests", err, len(api.requests()))
				}
			})
		}
		t.Run(name+"/429", func(t *testing.T) {
			t.Parallel()
			api := newFake(t)
			api.answer(429, "")
			api.answer(200, "{}")
			if err := call(within(t), connect(t, api.URL)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSafeCallsAreRepeated(t *testing.T) {
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"Task":  func(ctx context.Context, c *client.Client) error { _, err := c.Task(ctx, "x"); return err },
		"Pause": func(ctx context.Context, c *client.Client) error { _, err := c.PauseSchedule(ctx, "x"); return err },
		"Queue": func(ctx context.Context, c *client.Client) error { _, err := c.PauseQueue(ctx, "x"); return err },
		"DryRun": func(ctx context.Context, c *client.Client) error {
			_, err := c.Bulk(ctx, client.BulkRequest{DryRun: true})
			return err
		},
		"Put": func(ctx context.Context, c *client.Client) error {
			_, err := c.PutSchedule(ctx, "x", client.ScheduleSpec{})
			return err
		},
		"Preview": func(ctx context.Context, c *client.Client) error {
			_, err := c.PreviewSchedule(ctx, client.PreviewRequest{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newFake(t)
			api.lose()
			api.answer(504, "")
			api.answer(200, "{}")
			if err := call(within(t), connect(t, api.URL)); err != nil || len(api.requests()) != 3 {
				t.Errorf("error %v after %d requests", err, len(api.requests()))
			}
		})
	}
}

func TestADeleteWhoseAnswerWasLost(t *testing.T) {
	c, ctx, id := connect(t, server), within(t), unique("lost-delete")
	if _, err := c.Enqueue(ctx, "debug.echo", nil, client.ID(id), client.Delay(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, lossyProxy(t, 1).URL).Delete(ctx, id); err != nil {
		t.Errorf("it was removed: %v", err)
	}
	if _, err := c.Task(ctx, id); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

// Calls that are not safe are repeated too if there was no connection: they were not sent.
func TestAPIThatStartsLater(t *testing.T) {
	api := newFake(t)
	api.answer(200, aTask)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	refused := 3
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if refused--; refused >= 0 {
			addr = "127.0.0.1:1" // where nobody listens
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	c, err := client.New(api.URL, client.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Cancel(within(t), "x"); err != nil || got.ID != "x" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAPIThatDoesNotStart(t *testing.T) {
	_, err := connect(t, "http://127.0.0.1:1").Queues(within(t))
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
		t.Errorf("error %v", err)
	}
}

// A suspended process accepts connections and does not respond.
func TestSuspendedAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.then(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		api.answer(200, aTask)
		if got, err := c.Task(t.Context(), "x"); err != nil || got.ID != "x" || len(api.requests()) != 2 {
			t.Errorf("%v, %v after %d requests", got, err, len(api.requests()))
		}
	})
}

func TestRetryAfterIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.answer(429, "", "Retry-After: 60")
		api.answer(200, aTask)
		start := time.Now()
		_, err := c.Task(t.Context(), "x")
		if took := time.Since(start); err != nil || took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("asked again after %s: %v", took, err)
		}
	})
}

// If the deadline would pass before the next attempt, the call returns the last error at once.
func TestRetryAfterTheDeadline(t *testing.T) {
	api := newFake(t)
	api.answer(503, "", "Retry-After: 3600")
	_, err := connect(t, api.URL).Task(within(t), "x")
	e, ok := errors.AsType[*client.Error](err)
	if !ok || !errors.Is(err, client.ErrUnavailable) || e.RetryAfter != time.Hour || len(api.requests()) != 1 {
		t.Errorf("error %v after %d requests", err, len(api.requests()))
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.answer(503, "", "Retry-After: "+time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Task(ctx, "x")
		if e, ok := errors.AsType[*client.Error](err); !ok || e.RetryAfter != time.Hour {
			t.Errorf("error %v", err)
		}
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	for _, value := range []string{"9223372036854775807", "18446744073709551616", "10000000000", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		api := newFake(t)
		api.answer(503, "", "Retry-After: "+value)
		_, err := connect(t, api.URL).Task(within(t), "x")
		if e, ok := errors.AsType[*client.Error](err); !ok || e.RetryAfter != 24*time.Hour {
			t.Errorf("%s: error %v", value, err)
		}
	}
}

func TestCancelingACallThatPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.answer(503, "", "Retry-After: 3600")
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Minute, cancel)
		if _, err := c.Task(ctx, "x"); !errors.Is(err, context.Canceled) || time.Since(start) != time.Minute || len(api.requests()) != 1 {
			t.Errorf("error %v after %s and %d requests", err, time.Since(start), len(api.requests()))
		}
	})
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, body := range []string{"<html>welcome</html>", "", `{"id":`, `[]`} {
		api := newFake(t)
		api.answer(200, body)
		if _, err := connect(t, api.URL).Task(within(t), "x"); err == nil || !strings.Contains(err.Error(), "GET /v1/tasks/x") {
			t.Errorf("%q: %v", body, err)
		}
	}
	api := newFake(t)
	api.answer(500, "<html>"+strings.Repeat("x", 5000))
	_, err := connect(t, api.URL).Task(within(t), "x")
	if err == nil || err.Error() != "GET /v1/tasks/x: 500 Internal Server Error" {
		t.Errorf("error %v", err)
	}
}
