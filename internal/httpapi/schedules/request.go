package schedules

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// SchedulePath is a part of inputs. huma finds only parts with exported names.
type SchedulePath struct {
	ID string `path:"id" doc:"The id of the schedule: 1 to 100 letters, digits, and . _ -" example:"hourly-crawl"`
}

// Conditions let a client change only the revision that it has read.
type Conditions struct {
	IfMatch string `header:"If-Match" doc:"Change the schedule only if it still has this ETag; else 412." example:"\"r3-mi8x3k2o\""`
}

// etag returns the name of a schedule's revision. A schedule that was deleted and created again has other names than before.
func etag(s *schedule.Schedule) string {
	return fmt.Sprintf(`"r%d-%s"`, s.Revision, strconv.FormatInt(s.CreatedAt.UnixMilli(), 36))
}

// check returns a problem with 412 if the client has not seen the current schedule, which is nil if there is none.
func (m *Conditions) check(current *schedule.Schedule) error {
	switch {
	case m.IfMatch == "" || current != nil && names(m.IfMatch, current):
		return nil
	case current == nil:
		return rest.NewProblem(http.StatusPreconditionFailed, "there is no such schedule, so none that If-Match could mean")
	default:
		return rest.NewProblem(http.StatusPreconditionFailed,
			"somebody has changed the schedule since, its ETag is "+etag(current)+" now; read it again and decide anew")
	}
}

// PutConditions also let a client create a schedule without replacing one.
type PutConditions struct {
	Conditions
	IfNoneMatch string `header:"If-None-Match" doc:"With *, create the schedule but do not replace one; 412 if there is one." example:"*"`
}

func (p *PutConditions) check(current *schedule.Schedule) error {
	if p.IfNoneMatch != "" && current != nil && names(p.IfNoneMatch, current) {
		return rest.NewProblem(http.StatusPreconditionFailed, "there is such a schedule already, with ETag "+etag(current))
	}
	return p.Conditions.check(current)
}

// names reports whether a list of entity tags has that of the schedule. Weak tags never match.
func names(tags string, s *schedule.Schedule) bool {
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(s) {
			return true
		}
	}
	return false
}

// checkOrigin returns an error with CodeConflict for a schedule of the configuration, which the API must not change.
func checkOrigin(s *schedule.Schedule) error {
	if s != nil && s.Origin == schedule.OriginConfig {
		return task.Conflict("schedule %q comes from the configuration file: change it there, under schedules, and restart beat; "+
			"here it can be paused, resumed and triggered", s.ID)
	}
	return nil
}

// readOnly are the fields of a schedule that callers cannot set. Requests may have them, so that the answer of GET can be
// changed and sent back.
var readOnly = []string{
	"id", "paused_reason", "next_run_at", "last_run_at", "last_task_id", "last_state", "run_count", "missed_count", "skipped_count",
	"failure_streak", "created_at", "updated_at", "origin",
}

// withoutReadOnly removes the read-only fields of an object.
func withoutReadOnly(data []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return data
	}
	given := len(fields)
	for _, name := range readOnly {
		delete(fields, name)
	}
	if len(fields) == given {
		return data
	}
	kept, err := json.Marshal(fields)
	if err != nil {
		return data // cannot happen: it came out of JSON
	}
	return kept
}

// encodeCursor returns the cursor of a page that ends with an id. Its form keeps callers from relying on ids as cursors.
func encodeCursor(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

func decodeCursor(cursor string) (id string, err error) {
	if cursor == "" {
		return "", nil
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || schedule.CheckID(string(data)) != nil {
		return "", rest.BadCursor()
	}
	return string(data), nil
}

// Examples for the documentation.
var (
	exampleDefinition = map[string]any{
		"cron": "0 * * * *", "timezone": "Europe/Berlin",
		"task": map[string]any{"type": "http.request", "payload": map[string]any{"url": "https://example.com/crawl"}},
	}
	examplePatch   = map[string]any{"cron": "0 2 * * *", "task": map[string]any{"max_retries": 5}}
	examplePreview = map[string]any{"cron": "0 3 * * *", "timezone": "Europe/Berlin", "after": "2026-03-27T12:00:00Z", "count": 3}
)

// describeBody describes a body that huma knows as bytes only.
func describeBody(op *huma.Operation, schema *huma.Schema, example any, contentTypes ...string) {
	op.RequestBody.Content = make(map[string]*huma.MediaType)
	for _, name := range contentTypes {
		op.RequestBody.Content[name] = &huma.MediaType{Schema: schema, Example: example}
	}
}
