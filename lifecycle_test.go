package backbeat_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

func newWorker(t *testing.T, rdb redis.UniversalClient) *backbeat.Worker {
	t.Helper()
	w, err := backbeat.NewWorker(rdb, backbeat.WorkerConfig{Logger: slog.New(slog.DiscardHandler), ShutdownTimeout: time.Second}, handlers()...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWorkerIsClosedFromManySides(t *testing.T) {
	w := newWorker(t, redistest.Start(t).Connect(t))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(context.Background()) }()
	<-w.Ready()
	if err := w.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
	var racing sync.WaitGroup
	for range 3 {
		racing.Go(w.Close)
		racing.Go(w.Client().Close)
	}
	racing.Wait()
	if err := <-ended; err != nil {
		t.Errorf("Run returns %v", err)
	}
	w.Close()
	if err := w.Run(t.Context()); err == nil {
		t.Error("it runs again")
	}
}

func TestWorkerIsClosedBeforeItRuns(t *testing.T) {
	w := newWorker(t, redistest.Start(t).Connect(t))
	w.Close()
	if err := w.Run(t.Context()); err != nil {
		t.Errorf("Run returns %v", err)
	}
	select {
	case <-w.Ready():
		t.Error("it is ready")
	default:
	}
}

// It does not start, because Redis does not answer.
func TestWorkerIsClosedWhileItStarts(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Connect(t)
	server.Kill()
	w := newWorker(t, rdb)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(context.Background()) }()
	w.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run returns %v", err)
	}
}
