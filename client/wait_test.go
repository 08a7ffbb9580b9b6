package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/client"
)

func TestWaitAsksUntilTheTaskIsOver(t *testing.T) {
	api := newFake(t)
	api.answer(200, `{"id": "x", "state": "pending"}`)
	api.answer(429, "")
	api.lose()
	api.answer(200, `{"id": "x", "state": "running"}`)
	api.answer(200, `{"id": "x", "state": "succeeded"}`)
	got, err := connect(t, api.URL).Wait(within(t), "x")
	if err != nil || got.State != client.Succeeded {
		t.Errorf("%v, %v", got, err)
	}
	for _, r := range api.requests() {
		if r.query != "wait=60s" {
			t.Errorf("asked with %s", r.query)
		}
	}
}

// TestWaitDoesNotHurry meets an API that answers at once, as it does on its way down or with too many who wait.
func TestWaitDoesNotHurry(t *testing.T) {
	api := newFake(t)
	api.answer(200, `{"id": "x", "state": "pending"}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := connect(t, api.URL).Wait(ctx, "x")
	if n := len(api.requests()); n > 50 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d requests in a second; %v", n, err)
	}
}

// TestWaitIsNotCutShort lets the API take longer for a wait than any other call may.
func TestWaitIsNotCutShort(t *testing.T) {
	api := newFake(t)
	api.then(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(300 * time.Millisecond)
		w.Write([]byte(`{"id": "x", "state": "failed"}`))
	})
	c := connect(t, api.URL)
	c.SetTimeouts(50*time.Millisecond, time.Minute)
	if got, err := c.Wait(within(t), "x"); err != nil || got.State != client.Failed || len(api.requests()) != 1 {
		t.Errorf("%v, %v after %d requests", got, err, len(api.requests()))
	}
	if got, err := c.Enqueue(within(t), "t", nil, client.Wait(time.Minute)); err != nil || got.State != client.Failed || len(api.requests()) != 2 {
		t.Errorf("%v, %v after %d requests", got, err, len(api.requests()))
	}
}
