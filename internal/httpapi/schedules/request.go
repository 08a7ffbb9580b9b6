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

// SchedulePath is a part of inputs. huma finds only such parts as have exported names.
type SchedulePath struct {
	ID string `path:"id" doc:"The id of the schedule: 1 to 100 letters, digits, and . _ -" example:"hourly-crawl"`
}

// Conditions let a client change only what it has seen.
type Conditions struct {
	IfMatch string `header:"If-Match" doc:"Change the schedule only if it still has this ETag; else 412." example:"\"r3-mi8x3k2o\""`
}

// etag names a revision of a schedule. One that was deleted and made anew has others than before.
func etag(s *schedule.Schedule) string {
	return fmt.Sprintf(`"r%d-%s"`, s.Revision, strconv.FormatInt(s.CreatedAt.UnixMilli(), 36))
}

// check returns a problem with 412 if the schedule is not what the client takes it for; nil means that there is none.
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

// PutConditions also let a client create without replacing.
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

// names reports whether a list of entity tags names the schedule as it is. Weak tags never do.
func names(tags string, s *schedule.Schedule) bool {
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(s) {
			return true
		}
	}
	return false
}

// fromElsewhere returns an error with CodeConflict for a schedule that is not the API's to change.
func fromElsewhere(s *schedule.Schedule) error {
	if s != nil && s.Origin == schedule.OriginConfig {
		return task.Conflict("schedule %q comes from the configuration file: change it there, under schedules, and restart beat; "+
			"here it can be paused, resumed and triggered", s.ID)
	}
	return nil
}

// readOnly are the fields that the API shows of a schedule and nobody sets, so that what GET has answered can be changed
// and sent back.
var readOnly = []string{
	"id", "paused_reason", "next_run_at", "last_run_at", "last_task_id", "last_state", "run_count", "missed_count", "skipped_count",
	"failure_streak", "created_at", "updated_at", "origin",
}

// withoutReadOnly passes over the fields that are read-only. What is no object is left as it is.
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
		return data // it came out of JSON, so it goes into it
	}
	return kept
}

// A cursor is the id that a page ends with, in a form that nobody will make up.
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

// describeBody tells what huma does not know of a body that it takes for bytes.
func describeBody(op *huma.Operation, schema *huma.Schema, example any, contentTypes ...string) {
	op.RequestBody.Content = make(map[string]*huma.MediaType)
	for _, name := range contentTypes {
		op.RequestBody.Content[name] = &huma.MediaType{Schema: schema, Example: example}
	}
}
