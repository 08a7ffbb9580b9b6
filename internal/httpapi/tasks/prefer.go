package tasks

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/task"
)

// Preference is the header of a request that prefers to wait.
type Preference struct {
	Prefer string `header:"Prefer" doc:"With wait=10, wait up to 10 seconds for the end of the task; wait=10s says the same." example:"wait=10"`
	wait   time.Duration
}

var _ huma.Resolver = (*Preference)(nil)

// Resolve reads all Prefer headers; the field has only the first.
func (p *Preference) Resolve(c huma.Context) []error {
	var preferences []string
	c.EachHeader(func(name, value string) {
		if name == "Prefer" {
			preferences = append(preferences, value)
		}
	})
	p.wait = preferredWait(preferences)
	return nil
}

// preferredWait returns how long a client prefers to wait, by the values of its Prefer headers (RFC 7240), at most MaxWait. A
// value that cannot be read is not an error but a preference that is not granted, and returns 0.
func preferredWait(headers []string) time.Duration {
	for _, header := range headers {
		for _, preference := range splitUnquoted(header, ',') {
			name, value, _ := strings.Cut(splitUnquoted(preference, ';')[0], "=")
			if strings.EqualFold(strings.TrimSpace(name), "wait") {
				return waitOf(strings.TrimSpace(value)) // the first of several counts
			}
		}
	}
	return 0
}

// waitOf reads a time to wait, in quotes or not; 0 for a text that cannot be read.
func waitOf(value string) time.Duration {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	d, _ := parseSeconds(value)
	return min(d, MaxWait)
}

// parseSeconds reads a number of whole seconds, as RFC 7240 has it, or a duration, as everywhere in this API.
func parseSeconds(text string) (time.Duration, error) {
	if text != "" && strings.Trim(text, "0123456789") == "" {
		if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
			return time.Duration(seconds) * time.Second, nil
		}
		return math.MaxInt64, nil // more than fits
	}
	var d task.Duration
	err := d.UnmarshalText([]byte(text))
	return time.Duration(d), err
}

// applied returns the Preference-Applied header of a wait.
func applied(wait time.Duration) string {
	if wait%time.Second == 0 {
		return fmt.Sprintf("wait=%d", wait/time.Second)
	}
	return "wait=" + wait.String()
}

// splitUnquoted splits a header's value at a separator that is not in a quoted string.
func splitUnquoted(value string, separator byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++ // which is escaped
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}
