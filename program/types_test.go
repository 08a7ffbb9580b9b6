package program

import (
	"log/slog"
	"testing"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/tasks"
)

// All that a process runs goes by one catalog, which one part keeps up to date.
func TestProgramReadsTypesOnce(t *testing.T) {
	for _, p := range []Program{API, Worker, Beat, Standalone} {
		cfg, err := config.Load(p, []string{"--redis-url=redis://127.0.0.1:1"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(cfg, p, tasks.Builtin(), Logger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, part := range a.parts {
			if part.name == "task types" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has %d parts that read types", p, n)
		}
	}
}
