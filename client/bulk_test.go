package client_test

import (
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/client"
)

// TestBulkOfTheRealAPI cancels many tasks, and finds that in the audit.
func TestBulkOfTheRealAPI(t *testing.T) {
	c, ctx := connect(t, server), within(t)
	requests := make([]client.TaskRequest, 30)
	for i := range requests {
		requests[i] = client.TaskRequest{Type: "debug.echo", Queue: "low", Delay: client.Duration(time.Hour)}
	}
	if _, err := c.EnqueueBatch(ctx, requests); err != nil {
		t.Fatal(err)
	}
	all := client.BulkRequest{Action: client.BulkCancel, Filter: client.BulkFilter{Queues: []string{"low"}, States: []client.State{client.Scheduled}, Types: []string{"debug.echo"}}, DryRun: true}
	if got, err := c.Bulk(ctx, all); err != nil || got.Matched != 30 || got.Changed != 0 || !got.DryRun {
		t.Errorf("%+v, %v", got, err)
	}
	all.DryRun = false
	if got, err := c.Bulk(ctx, all); err != nil || got.Matched != 30 || got.Changed != 30 {
		t.Errorf("%+v, %v", got, err)
	}
	for entry, err := range c.Audit(ctx) {
		if err != nil || entry.Status != 200 || entry.Detail != "matched=30 changed=30 skipped=0" || entry.Time.IsZero() || entry.RequestID == "" || entry.RemoteAddr == "" {
			t.Errorf("%+v, %v", entry, err)
		}
		break
	}
}
