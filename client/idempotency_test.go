package client_test

import (
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/client"
)

// TestATaskWhoseAnswersAreLost makes one task all the same.
func TestATaskWhoseAnswersAreLost(t *testing.T) {
	ctx := within(t)
	got, err := connect(t, lossyProxy(t, 3).URL).Enqueue(ctx, "debug.echo", nil, client.Queue("low"), client.Delay(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	c, n := connect(t, server), 0
	for task, err := range c.Tasks(ctx, client.TaskFilter{Queue: "low", Type: "debug.echo", State: client.Scheduled}) {
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
