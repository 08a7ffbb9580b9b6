package worker

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// A worker whose asynq sends a script that it does not know says so, runs nothing more, and can be stopped.
func TestUnknownScriptStopsTheWorker(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Connect(t, func(o *redis.UniversalOptions) { o.MaxRetries = -1 })
	fatal := make(chan error, 1)
	define := task.Define[task.None, task.None]("any")
	s := New(rdb, Config{
		Types:    catalog.New([]string{"default"}, time.Hour),
		Handlers: map[string]*task.Handler{"any": define.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, nil })},
		Queues:   []fleet.Queue{{Name: "default", Weight: 1}}, Concurrency: 2, ShutdownTimeout: time.Second,
		Fatal: func(err error) { fatal <- err }, Logger: slog.New(slog.DiscardHandler),
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	future := redis.NewScript(`return redis.call("LMOVE", KEYS[1], KEYS[2], "RIGHT", "LEFT")`)
	keys := []string{"asynq:{default}:pending", "asynq:{default}:active"}
	if err := future.Run(t.Context(), s.interceptor, keys).Err(); err == nil {
		t.Error("the script was run")
	}
	err := <-fatal
	for _, text := range []string{"asynq", "v0.26.0", "asynq:{default}:pending", "go get"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
	s.Stop()
	<-s.Drained()
}
