package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/client"
)

// One task is enqueued, even if answers are lost.
func TestTaskWithLostAnswers(t *testing.T) {
	ctx := within(t)
	got, err := connect(t, lossyProxy(t, 3).URL).Enqueue(ctx, "debug.echo", nil, client.Queue("low"), client.Delay(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	c, n := connect(t, server), 0
	for task, err := range c.Tasks(ctx, client.TaskFilter{Queues: []string{"low"}, Types: []string{"debug.echo"}, States: []client.State{client.Scheduled}}) {
		if n++; err != nil || task.ID != got.ID {
			t.Errorf("%v, %v", task, err)
		}
	}
	if n != 1 {
		t.Errorf("%d tasks, want one", n)
	}
	if err := c.Delete(ctx, got.ID); err != nil {
		t.Error(err)
	}
}

// A task with an ID needs no key: after a lost answer it is recognized by its ID and its fields.
func TestTaskWithIDAndLostAnswers(t *testing.T) {
	ctx, c := within(t), connect(t, server)
	id := unique("named")
	payload := map[string]any{"b": 12345678901234567, "a": "<&>"}
	opts := []client.TaskOption{client.ID(id), client.Delay(time.Hour), client.Metadata(map[string]string{"a": "b"}), client.MaxRetries(3)}
	got, err := connect(t, lossyProxy(t, 2).URL).Enqueue(ctx, "debug.echo", payload, opts...)
	if err != nil || got.ID != id || got.State != client.Scheduled {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.Enqueue(ctx, "debug.echo", payload, opts...); !errors.Is(err, client.ErrConflict) {
		t.Errorf("a second time, without a lost answer: %v", err)
	}
	for name, other := range map[string]func(c *client.Client) error{
		"payload": func(c *client.Client) error {
			_, err := c.Enqueue(ctx, "debug.echo", map[string]any{"a": 1}, opts...)
			return err
		},
		"type": func(c *client.Client) error { _, err := c.Enqueue(ctx, "debug.noop", nil, opts...); return err },
		"queue": func(c *client.Client) error {
			_, err := c.Enqueue(ctx, "debug.echo", payload, append(opts, client.Queue("low"))...)
			return err
		},
		"metadata": func(c *client.Client) error {
			_, err := c.Enqueue(ctx, "debug.echo", payload, append(opts, client.Metadata(nil))...)
			return err
		},
	} {
		if err := other(connect(t, lossyProxy(t, 1).URL)); !errors.Is(err, client.ErrConflict) {
			t.Errorf("another %s under the same id: %v", name, err)
		}
	}
	without := unique("named")
	if _, err := connect(t, lossyProxy(t, 1).URL).Enqueue(ctx, "debug.echo", nil, client.ID(without), client.Delay(time.Hour)); err != nil {
		t.Errorf("without a payload: %v", err)
	}
	for _, id := range []string{id, without} {
		if err := c.Delete(ctx, id); err != nil {
			t.Error(err)
		}
	}
}

func TestTaskWithIDHasNoKey(t *testing.T) {
	api := newFake(t)
	api.lose()
	api.answer(409, `{"detail": "taken"}`, "Content-Type: application/problem+json")
	api.answer(200, `{"id":"x","type":"t","state":"succeeded","payload":null}`)
	got, err := connect(t, api.URL).Enqueue(within(t), "t", nil, client.ID("x"), client.Wait(10*time.Second))
	if err != nil || got.State != client.Succeeded {
		t.Errorf("%+v, %v", got, err)
	}
	r := api.requests()
	if len(r) != 3 || r[0].header.Get("Idempotency-Key") != "" || r[1].header.Get("Idempotency-Key") != "" || r[2].query != "wait=10s" {
		t.Errorf("requests: %+v", r)
	}

	api = newFake(t)
	api.answer(429, "")
	api.answer(409, `{"detail": "taken"}`, "Content-Type: application/problem+json")
	if _, err := connect(t, api.URL).Enqueue(within(t), "t", nil, client.ID("x")); !errors.Is(err, client.ErrConflict) || len(api.requests()) != 2 {
		t.Errorf("an id that was taken before: %v after %d requests", err, len(api.requests()))
	}

	api = newFake(t)
	api.answer(202, aTask)
	if _, err := connect(t, api.URL).Enqueue(within(t), "t", nil, client.ID("x"), client.IdempotencyKey("k")); err != nil {
		t.Fatal(err)
	}
	if key := api.requests()[0].header.Get("Idempotency-Key"); key != "k" {
		t.Errorf("key %q", key)
	}
}
