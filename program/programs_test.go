package program

import (
	"log/slog"
	"testing"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestOwnRedisStopsIfTheProgramsCannotBeAdded(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg, err := config.Load(config.Standalone, []string{"--api-addr=127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Callback.Secrets = []config.Secret{"no secret"} // the configuration would have refused it
	logger := slog.New(slog.DiscardHandler)
	a, err := assemble(cfg, Standalone, options{logger: logger, sets: []task.Set{tasks.Builtin()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil {
		t.Fatal("it started")
	}
	again, err := localredis.Start(t.Context(), localredis.Options{Dir: ".backbeat", Logger: logger})
	if err != nil {
		t.Fatalf("the first Redis has not been stopped: %v", err)
	}
	again.Stop()
}
