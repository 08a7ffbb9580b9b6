package backbeat

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// Run ends with the error of a worker that cannot go on, although its context goes on.
func TestRunEndsWithTheErrorOfTheWorker(t *testing.T) {
	rdb := redistest.Start(t).Connect(t, func(o *redis.UniversalOptions) { o.MaxRetries = -1 })
	w, err := NewWorker(rdb, WorkerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	fault := errors.New("an unknown asynq")
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	<-w.Ready()
	w.parts.Fail(fault)
	if err := <-ended; !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
}
