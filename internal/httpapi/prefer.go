package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Preference is the header of a request that would like to wait.
type Preference struct {
	Prefer string `header:"Prefer" doc:"With wait=10, wait up to 10 seconds for the end of the task." example:"wait=10"`
	wait   time.Duration
}

var _ huma.Resolver = (*Preference)(nil)

// Resolve reads all Prefer headers; Prefer is only the first.
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

// preferredWait returns for how long a client would like to wait, as the values of its Prefer headers say (RFC 7240), at
// most maxWait. What cannot be read is no error but a preference that is not granted, and then it is 0.
func preferredWait(headers []string) time.Duration {
	for _, header := range headers {
		for _, preference := range splitUnquoted(header, ',') {
			name, value, _ := strings.Cut(splitUnquoted(preference, ';')[0], "=")
			if strings.EqualFold(strings.TrimSpace(name), "wait") {
				return waitSeconds(strings.TrimSpace(value)) // of several the first counts
			}
		}
	}
	return 0
}

// waitSeconds reads a number of seconds, in quotes or not.
func waitSeconds(value string) time.Duration {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0
	}
	seconds, err := strconv.ParseInt(value, 10, 32)
	if err != nil { // more than fits
		return maxWait
	}
	return min(time.Duration(seconds)*time.Second, maxWait)
}

// splitUnquoted splits a header's value at a separator that does not stand in a quoted string.
func splitUnquoted(value string, separator byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++ // whatever it is, it is meant as it stands
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}
