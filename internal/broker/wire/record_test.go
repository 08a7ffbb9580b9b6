package wire

import (
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Stock servers write whole seconds, which lie before the task was made and began in the same second.
func TestTaskDoesNotEndBeforeItBegan(t *testing.T) {
	made := time.Date(2026, 11, 28, 12, 0, 0, 700_000_000, time.UTC)
	m := NewMessage(&task.Task{ID: "a", Type: "t", Queue: "q", CreatedAt: made})
	m.CompletedAt = made.Unix()
	r := &Record{Message: m, Fields: map[string]string{}}
	if got := r.FinishedAt(); !got.Equal(made) {
		t.Errorf("finished at %v", got)
	}
	r.Fields[fieldStartedAt] = "1795867200900"
	if got, began := r.FinishedAt(), parseMillis(r.Fields[fieldStartedAt]); got.Before(began) {
		t.Errorf("finished at %v, begun at %v", got, began)
	}
}
