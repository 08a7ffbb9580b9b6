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

// Condition lets a call change a schedule only as you have seen it; otherwise: ErrPreconditionFailed.
type Condition struct{ header, value string }

// IfMatch demands that the schedule still has the ETag.
func IfMatch(etag string) Condition { return Condition{"If-Match", etag} }

// IfNew demands, of PutSchedule, that there is no such schedule yet.
func IfNew() Condition { return Condition{"If-None-Match", "*"} }

// require puts conditions on a call, which is then not safe any more: once it has changed what it is about, the conditions
// do not hold.
func (r *call) require(conditions []Condition) {
	for _, condition := range conditions {
		r.header.Set(condition.header, condition.value)
		r.safe = false
	}
}

// PutSchedule creates a schedule, or replaces what it does and keeps its counters. The ID is 1 to 100 letters, digits and
// . _ -. A schedule of the configuration file: ErrConflict.
func (c *Client) PutSchedule(ctx context.Context, id string, spec ScheduleSpec, conditions ...Condition) (*Schedule, error) {
	return c.PutScheduleDocument(ctx, id, spec, conditions...)
}

// PutScheduleDocument does what PutSchedule does with a document of one's own: anything that encodes to the JSON that
// the API takes.
func (c *Client) PutScheduleDocument(ctx context.Context, id string, document any, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPut, schedulePath(id), document, conditions)
}

// PatchSchedule changes the fields that a JSON merge patch (RFC 7396) gives, such as
// map[string]any{"cron": "0 2 * * *", "max_runs": nil}. Nil brings a field's default back.
func (c *Client) PatchSchedule(ctx context.Context, id string, patch any, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPatch, schedulePath(id), patch, conditions)
}

// PauseSchedule lets no tick become a task until the schedule is resumed.
func (c *Client) PauseSchedule(ctx context.Context, id string, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPost, schedulePath(id)+"/pause", nil, conditions)
}

// ResumeSchedule ends a pause. What was missed while it lasted does not run.
func (c *Client) ResumeSchedule(ctx context.Context, id string, conditions ...Condition) (*Schedule, error) {
	return c.changeSchedule(ctx, http.MethodPost, schedulePath(id)+"/resume", nil, conditions)
}

// changeSchedule makes a call whose repetition changes nothing more.
func (c *Client) changeSchedule(ctx context.Context, method, path string, body any, conditions []Condition) (*Schedule, error) {
	r, err := send(method, path, body)
	if err != nil {
		return nil, err
	}
	r.safe = true
	r.require(conditions)
	return c.schedule(ctx, r)
}

// Schedule asks how a schedule is doing.
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

// Schedules lists the schedules in the order of their IDs, page by page as you go. An error ends the list.
func (c *Client) Schedules(ctx context.Context) iter.Seq2[*Schedule, error] {
	return pages[*Schedule](ctx, c, schedulesPath, nil, defaultPageSize)
}

// DeleteSchedule removes a schedule. Tasks that it made stay.
func (c *Client) DeleteSchedule(ctx context.Context, id string, conditions ...Condition) error {
	return c.remove(ctx, schedulePath(id), conditions)
}

// TriggerSchedule makes one task of the schedule now, paused or not, and returns it.
func (c *Client) TriggerSchedule(ctx context.Context, id string) (*Task, error) {
	r, err := send(http.MethodPost, schedulePath(id)+"/trigger", nil)
	if err != nil {
		return nil, err
	}
	return do[*Task](ctx, c, r)
}

// ScheduleRuns tells what became of the newest ticks, at most limit of them, newest first. The API keeps 200.
func (c *Client) ScheduleRuns(ctx context.Context, id string, limit int) ([]ScheduleRun, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	p, err := do[page[ScheduleRun]](ctx, c, get(schedulePath(id)+"/runs", query))
	return p.Items, err
}

// PreviewRequest asks when a trigger would fire.
type PreviewRequest struct {
	Trigger
	// After is the time to begin strictly after. Default: now.
	After time.Time `json:"after,omitzero"`
	// Count is how many times at most, up to 1000. Default: 10.
	Count int `json:"count,omitempty"`
}

// PreviewSchedule tells when a trigger would fire, in its zone.
func (c *Client) PreviewSchedule(ctx context.Context, request PreviewRequest) ([]time.Time, error) {
	r, err := send(http.MethodPost, schedulesPath+"/preview", request)
	if err != nil {
		return nil, err
	}
	r.safe = true
	p, err := do[struct{ Runs []time.Time }](ctx, c, r)
	return p.Runs, err
}
