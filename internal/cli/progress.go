package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/backbeat-go/backbeat/client"
)

const (
	clearLine = "\r\x1b[K"
	barWidth  = 30
	// Longer messages would not fit into a line of 80 with what stands before them.
	messageWidth = 30
)

// progressLine shows how a task is doing, in a line.
func progressLine(t *client.Task) string {
	switch {
	case t.CancelRequested:
		return "canceling"
	case t.State == client.Retrying:
		return fmt.Sprintf("retrying at %s, %s", t.RunAt.Local().Format("15:04:05"), outOf(t.Attempt, t.MaxRetries))
	case t.State == client.Scheduled:
		return "scheduled for " + clock(t.RunAt)
	case t.State != client.Running || t.Progress == nil:
		return string(t.State)
	}
	return fmt.Sprintf("%s %3.0f%% %s", bar(t.Progress.Percent), t.Progress.Percent, shorten(plain(t.Progress.Message), messageWidth))
}

// outOf counts attempts. Those that a crashed worker left count as well but cost no retry, so n may pass the most that
// the retries allow, and is then shown alone.
func outOf(n, most int) string {
	if n > most {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d of %d", n, most)
}

func bar(percent float64) string {
	done := int(min(max(percent, 0), 100) * barWidth / 100)
	return "[" + strings.Repeat("=", done) + strings.Repeat(" ", barWidth-done) + "]"
}

func shorten(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}
