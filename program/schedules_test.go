package program_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/program"
	"github.com/backbeat-go/backbeat/tasks"
)

// What the configuration cannot know, for it does not know the task types, ends a program like its other faults.
func TestSchedulesThatFitNoTaskType(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backbeat.yaml")
	if err := os.WriteFile(file, []byte(`
schedules:
  - {id: good, every: 90s, task: {type: http.request, payload: {url: "https://example.com"}}}
  - {id: gone, every: 90s, task: {type: no.such.type}}
  - {id: bad, every: 90s, task: {type: http.request, queue: nope, payload: {uri: "https://example.com"}}}
  - {id: unsigned, every: 90s, task: {type: http.request, payload: {url: "https://example.com"}, callback: {url: "https://example.com"}}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []config.Program{config.BeatProgram, config.Standalone} {
		var stdout, stderr strings.Builder
		if code := program.Execute(p, []string{"--config", file}, nil, &stdout, &stderr, tasks.Builtin()); code != 2 {
			t.Errorf("%s: exit code %d", p, code)
		}
		for _, key := range []string{"schedules[1].task.type: ", "schedules[2].task.queue: ", "schedules[2].task.payload.url: ", "schedules[2].task.payload.uri: ", "schedules[3].task.callback: "} {
			if !strings.Contains(stderr.String(), key) {
				t.Errorf("%s: %s is not named in\n%s", p, key, stderr.String())
			}
		}
		if strings.Contains(stderr.String(), "schedules[0]") {
			t.Errorf("%s: %s", p, stderr.String())
		}
	}
}
