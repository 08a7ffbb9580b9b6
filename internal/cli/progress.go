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
	// A longer message would not fit into a line of 80 characters, after the bar.
	messageWidth = 30
)

// progressLine returns the state and progress of a task in one line.
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

// outOf returns "n of limit". Attempts whose worker crashed do not spend a retry, so n may exceed limit; then it returns
// n alone.
func outOf(n, limit int) string {
	if n > limit {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
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
