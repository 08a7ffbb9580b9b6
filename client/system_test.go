package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/client"
)

func TestQueues(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	if q, err := c.PauseQueue(ctx, "low"); err != nil || q.Name != "low" || !q.Paused || q.Weight != 1 {
		t.Errorf("paused: %+v, %v", q, err)
	}
	if _, err := c.Enqueue(ctx, "debug.noop", nil, client.Queue("low"), client.ID("in-low")); err != nil {
		t.Fatal(err)
	}
	if q, err := c.Queue(ctx, "low"); err != nil || !q.Paused || q.Pending != 1 {
		t.Errorf("while it is paused: %+v, %v", q, err)
	}
	if err := c.Delete(ctx, "in-low"); err != nil {
		t.Error(err)
	}
	if q, err := c.ResumeQueue(ctx, "low"); err != nil || q.Paused {
		t.Errorf("resumed: %+v, %v", q, err)
	}
	queues, err := c.Queues(ctx)
	if err != nil || len(queues) != 3 || queues[0].Name != "critical" || queues[0].Weight != 6 {
		t.Errorf("%+v, %v", queues, err)
	}
}

func TestWorkersTypesAndBeat(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	workers, err := c.Workers(ctx)
	if err != nil || len(workers) != 1 || workers[0].Concurrency != 64 || workers[0].Queues["critical"] != 6 || workers[0].StartedAt.IsZero() {
		t.Errorf("workers: %+v, %v", workers, err)
	}
	types, err := c.TaskTypes(ctx)
	if err != nil || len(types) < 6 || types[0].Timeout != client.Duration(30*time.Minute) || len(types[0].PayloadSchema) == 0 {
		t.Errorf("types: %+v, %v", types, err)
	}
	for { // standalone is ready before its beat leads
		beat, err := c.Beat(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if beat.Leader != nil {
			if beat.Leader.PID == 0 || beat.Leader.Term == 0 || beat.Leader.Since.IsZero() {
				t.Errorf("leader: %+v", beat.Leader)
			}
			break
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestKeysAndScopes(t *testing.T) {
	t.Chdir(t.TempDir())
	url, stop, err := startStandalone("--config", writeFile(t, "api:\n  keys: shop:a-long-enough-secret:tasks.read\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ctx := within(t)
	if _, err := connect(t, url).Queues(ctx); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("without a key: %v", err)
	}
	if _, err := connect(t, url, client.WithKey("another-secret-of-mine")).Queues(ctx); !errors.Is(err, client.ErrUnauthorized) || strings.Contains(err.Error(), "another") {
		t.Errorf("with a wrong key: %v", err)
	}
	c := connect(t, url, client.WithKey("a-long-enough-secret"))
	if _, err := c.Queues(ctx); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("without the scope: %v", err)
	}
	if _, err := c.TaskTypes(ctx); err != nil {
		t.Error(err)
	}
}

// TestBulk asks an API that only notes what it is asked.
func TestBulk(t *testing.T) {
	api := newFake(t)
	api.answer(200, `{"action": "cancel", "dry_run": true, "matched": 12, "changed": 10, "skipped": 2}`)
	got, err := connect(t, api.URL).Bulk(within(t), client.BulkRequest{
		Action: client.BulkCancel, Filter: client.BulkFilter{Queues: []string{"low"}, States: []client.State{client.Pending}, Types: []string{"t"}, OlderThan: client.Duration(24 * time.Hour)}, DryRun: true,
	})
	want := &client.BulkResult{Action: client.BulkCancel, DryRun: true, Matched: 12, Changed: 10, Skipped: 2}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	body := `{"action":"cancel","filter":{"queue":["low"],"state":["pending"],"type":["t"],"older_than":"24h"},"dry_run":true}`
	if r := api.requests()[0]; r.method != "POST" || r.path != "/v1/tasks/bulk" || r.body != body {
		t.Errorf("asked %s %s %s", r.method, r.path, r.body)
	}
}

// TestBulkTakesItsTime is bounded by its context only.
func TestBulkTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := inBubble(t)
		api.then(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour)
			w.Write([]byte(`{"matched": 1}`))
		})
		if got, err := c.Bulk(t.Context(), client.BulkRequest{Action: client.BulkDelete}); err != nil || got.Matched != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestAudit(t *testing.T) {
	api := newFake(t)
	api.answer(200, `{"items": [{"time": "2026-11-21T12:00:00.000Z", "request_id": "r2", "principal": "key:ops", "action": "task.bulk",
		"target": "cancel queue=low", "detail": "matched=1 changed=1 skipped=0", "status": 200, "remote_addr": "192.0.2.17"}], "next_cursor": "c"}`)
	api.answer(200, `{"items": [{"request_id": "r1", "principal": null, "detail": null}]}`)
	var got []*client.AuditEntry
	for entry, err := range connect(t, api.URL).Audit(within(t)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry)
	}
	want := []*client.AuditEntry{
		{
			Time: time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC), RequestID: "r2", Principal: "key:ops", Action: "task.bulk",
			Target: "cancel queue=low", Detail: "matched=1 changed=1 skipped=0", Status: 200, RemoteAddr: "192.0.2.17",
		},
		{RequestID: "r1"},
	}
	if diff := cmp.Diff(want, got); diff != "" || api.requests()[1].path != "/v1/audit" || api.requests()[1].query != "cursor=c&limit=200" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDurationsAreStrings(t *testing.T) {
	data, err := json.Marshal(client.Duration(90 * time.Minute))
	if err != nil || string(data) != `"1h30m"` {
		t.Errorf("%s, %v", data, err)
	}
}
