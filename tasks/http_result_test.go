package tasks_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/tasks"
)

// The worker fails a task whose result is too large, but the call has been made by then.
func TestAnswersAreCutToTheLargestResult(t *testing.T) {
	const most = 1000
	opts := loopback
	opts.MaxResultBytes = most
	set := newSet(t, opts)
	for name, tt := range map[string]struct {
		contentType, body string
		truncated         bool
	}{
		"text":               {"text/plain", strings.Repeat("a", 10*most), true},
		"text of one more":   {"text/plain", strings.Repeat("a", most), true},
		"text to be escaped": {"text/plain", strings.Repeat("\x00<\"\\", most), true},
		"no UTF-8":           {"text/plain", strings.Repeat("a\xff", most), true},
		"wide letters":       {"text/plain", strings.Repeat("\U0001F600", most), true},
		"JSON":               {"application/json", `["` + strings.Repeat("a", 10*most) + `"]`, true},
		"JSON that is read whole and is too large": {"application/json", `["` + strings.Repeat("<", most/2) + `"]`, true},
		"what fits": {"text/plain", strings.Repeat("a", most/2), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				io.WriteString(w, tt.body)
			})
			payload := fmt.Sprintf(`{"url": %q, "max_response_bytes": 10485760}`, s.URL)
			result, err := run[json.RawMessage](start(t.Context()), t, set, "http.request", payload)
			if err != nil {
				t.Fatal(err)
			}
			var out tasks.HTTPRequestOut
			if err := json.Unmarshal(result, &out); err != nil {
				t.Fatal(err)
			}
			body, _ := out.Body.(string)
			whole := strings.ToValidUTF8(tt.body, "\uFFFD")
			if len(result) > most || out.Truncated != tt.truncated || body == "" || !strings.HasPrefix(whole, strings.TrimRight(body, "\uFFFD")) {
				t.Errorf("%d bytes, truncated %t: %s", len(result), out.Truncated, result)
			}
			if tt.truncated && len(result) < most-20 {
				t.Errorf("only %d bytes are kept", len(result))
			}
		})
	}
}
