package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const schedulesPath = "/v1/schedules"

func schedulePath(id string) string { return schedulesPath + "/" + url.PathEscape(id) }

// Condition is a precondition for changing a schedule. If it is not met, the call fails with ErrPreconditionFailed.
type Condition struct{ header, value string }

// IfMatch requires that the schedule still has the ETag.
func IfMatch(etag string) Condition { return Condition{"If-Match", etag} }

// IfNew requires that the schedule does not exist yet. It is for PutSchedule.
func IfNew() Condition { return Condition{"If-None-Match", "*"} }

// require adds conditions to a call. The call is not safe to repeat any more: once it has changed the schedule, the
// conditions are not met.
func (r *call) require(conditions []Condition) {
	for _, condition := range conditions {
		r.header.Set(condition.header, condition.value)
		r.safe = false
	}
}

// PutSchedule creates a schedule, or replaces its definition and keeps its counters. The ID is 1 to 100 letters, digits and
// . _ -. The error is ErrConflict for a schedule that is defined in the configuration file.
func (c *Client) PutSchedule(ctx context.Context, id string, spec ScheduleSpec, conditions ...Condition) (*Schedule, error) {
	return c.PutScheduleDocument(ctx, id, spec, conditions...)
}

// PutScheduleDocument is like PutSchedule, but takes any value that encodes to the JSON document of the API.
func (c *Client) PutScheduleDocument(ctx context.Context, id string, document any, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPut, schedulePath(id), document, conditions)
}

// PatchSchedule applies a JSON merge patch (RFC 7396), such as
// map[string]any{"cron": "0 2 * * *", "max_runs": nil}, to a schedule. A nil resets a field to its default.
func (c *Client) PatchSchedule(ctx context.Context, id string, patch any, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPatch, schedulePath(id), patch, conditions)
}

// PauseSchedule stops a schedule from enqueueing tasks until it is resumed.
func (c *Client) PauseSchedule(ctx context.Context, id string, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPost, schedulePath(id)+"/pause", nil, conditions)
}

// ResumeSchedule ends the pause of a schedule. Ticks that were missed during the pause do not run.
func (c *Client) ResumeSchedule(ctx context.Context, id string, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPost, schedulePath(id)+"/resume", nil, conditions)
}

// changeSchedule makes an idempotent call that changes a schedule.
func (c *Client) changeSchedule(ctx context.Context, method, path string, body any, conditions []Condition) (*Schedule, error) {
	r, err := send(method, path, body)
	if err != nil {
		return nil, err
	}
	r.safe = true
	r.require(conditions)
	return c.schedule(ctx, r)
}

// Schedule returns a schedule.
func (c *Client) Schedule(ctx context.Context, id string) (*Schedule, error) {
	return c.schedule(ctx, get(schedulePath(id), nil))
}

func (c *Client) schedule(ctx context.Context, r *call) (*Schedule, error) {
	s, header, err := doFull[*Schedule](ctx, c, r)
	if err != nil {
		return nil, err
	}
	s.ETag = header.Get("ETag")
	return s, nil
}

// Schedules iterates over the schedules in the order of their IDs, and fetches them page by page. An error ends the
// iteration.
func (c *Client) Schedules(ctx context.Context) iter.Seq2[*Schedule, error] {
	return pages[*Schedule](ctx, c, schedulesPath, nil, defaultPageSize)
}

// DeleteSchedule deletes a schedule, but not its tasks.
func (c *Client) DeleteSchedule(ctx context.Context, id string, conditions ...Condition) error {
	return c.remove(ctx, schedulePath(id), conditions)
}

// TriggerSchedule enqueues one task of the schedule now, even if the schedule is paused, and returns it.
func (c *Client) TriggerSchedule(ctx context.Context, id string) (*Task, error) {
	r, err := send(http.MethodPost, schedulePath(id)+"/trigger", nil)
	if err != nil {
		return nil, err
	}
	return do[*Task](ctx, c, r)
}

// ScheduleRuns returns the outcomes of at most limit ticks, newest first. The API keeps the last 200.
func (c *Client) ScheduleRuns(ctx context.Context, id string, limit int) ([]ScheduleRun, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	p, err := do[page[ScheduleRun]](ctx, c, get(schedulePath(id)+"/runs", query))
	return p.Items, err
}

// PreviewRequest is a request for the ticks of a trigger.
type PreviewRequest struct {
	Trigger
	// After is the time after which the ticks begin, exclusive. Default: now.
	After time.Time `json:"after,omitzero"`
	// Count is the most ticks to return, up to 1000. Default: 10.
	Count int `json:"count,omitempty"`
}

// PreviewSchedule returns the times at which a trigger would fire, in its time zone.
func (c *Client) PreviewSchedule(ctx context.Context, request PreviewRequest) ([]time.Time, error) {
	r, err := send(http.MethodPost, schedulesPath+"/preview", request)
	if err != nil {
		return nil, err
	}
	r.safe = true
	p, err := do[struct{ Runs []time.Time }](ctx, c, r)
	return p.Runs, err
}
