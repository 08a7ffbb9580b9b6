package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/telemetry"
)

func TestReadyIsLoggedAtEveryLevel(t *testing.T) {
	for _, level := range []string{"debug", "info", "warn", "error"} {
		for _, format := range []string{"text", "json", ""} {
			t.Run(fmt.Sprintf("%s,%s", level, format), func(t *testing.T) {
				var b bytes.Buffer
				telemetry.Ready(telemetry.NewLogger(&b, level, format), "addr", "127.0.0.1:8080")
				line := b.String()
				if strings.Count(line, "\n") != 1 || !strings.Contains(line, "ready") || !strings.Contains(line, "127.0.0.1:8080") {
					t.Errorf("got %q", line)
				}
				if !strings.Contains(line, "level=info") && !strings.Contains(line, `"level":"info"`) {
					t.Errorf("wrong level: %q", line)
				}
			})
		}
	}
}

func TestLevel(t *testing.T) {
	for level, want := range map[string]string{
		"debug": "debug info warn error", "info": "info warn error", "warn": "warn error", "error": "error",
	} {
		var b bytes.Buffer
		logger := telemetry.NewLogger(&b, level, "json")
		logger.Debug("")
		logger.Info("")
		logger.Warn("")
		logger.Error("")
		if got := strings.Join(levels(t, &b), " "); got != want {
			t.Errorf("at level %s: got %q, want %q", level, got, want)
		}
	}
}

// levels reads JSON, which is the default because a buffer is not a terminal.
func levels(t *testing.T, b *bytes.Buffer) (levels []string) {
	t.Helper()
	for line := range strings.Lines(b.String()) {
		var entry struct{ Level string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		levels = append(levels, entry.Level)
	}
	return levels
}

func TestDefaultFormatIsJSONWithoutTerminal(t *testing.T) {
	var b bytes.Buffer
	telemetry.NewLogger(&b, "info", "").Info("hello", "level", "of detail")
	if got := levels(t, &b); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// Only the level of the record is rewritten, not an attribute named level.
func TestLevelAttributesAreUnchanged(t *testing.T) {
	var b bytes.Buffer
	telemetry.NewLogger(&b, "info", "text").WithGroup("tank").Info("full", "level", "HIGH")
	if !strings.Contains(b.String(), "level=info") || !strings.Contains(b.String(), "tank.level=HIGH") {
		t.Errorf("got %q", b.String())
	}
}
