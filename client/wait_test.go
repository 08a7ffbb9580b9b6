package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
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
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.answer(200, `{"id": "x", "state": "pending"}`)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := c.Wait(ctx, "x")
		if n := len(api.requests()); n < 2 || n > 50 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d requests in ten seconds; %v", n, err)
		}
	})
}

// TestWaitIsNotCutShort lets the API take longer for a wait than any other call may.
func TestWaitIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.then(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Minute)
			w.Write([]byte(`{"id": "x", "state": "failed"}`))
		})
		c.SetTimeouts(time.Second, time.Minute)
		if got, err := c.Wait(t.Context(), "x"); err != nil || got.State != client.Failed || len(api.requests()) != 1 {
			t.Errorf("%v, %v after %d requests", got, err, len(api.requests()))
		}
		if got, err := c.Enqueue(t.Context(), "t", nil, client.Wait(time.Minute)); err != nil || got.State != client.Failed || len(api.requests()) != 2 {
			t.Errorf("%v, %v after %d requests", got, err, len(api.requests()))
		}
	})
}
