package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/internal/task"
)

// specDocument is what is kept of a schedule that changes only when somebody changes it.
type specDocument struct {
	schedule.Spec
	Origin    schedule.Origin `json:"origin"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
}

func encodeSpec(s *schedule.Schedule) ([]byte, error) {
	return json.Marshal(specDocument{s.Spec, s.Origin, s.CreatedAt, s.UpdatedAt})
}

// decode makes a schedule of what is stored. One that cannot be read is paused, and shows that.
func decode(id, spec, state string) *schedule.Loaded {
	loaded := &schedule.Loaded{Schedule: &schedule.Schedule{ID: id}, Version: state}
	var doc specDocument
	var progress stateDocument
	err := errors.Join(json.Unmarshal([]byte(spec), &doc), json.Unmarshal([]byte(state), &progress))
	loaded.State = progress.state()
	if err != nil {
		loaded.Broken = fmt.Errorf("what is stored of schedule %s cannot be read: %w", id, err)
		loaded.State = schedule.State{Revision: loaded.Revision, Paused: true, PausedReason: schedule.PausedInvalid}
		return loaded
	}
	loaded.Spec, loaded.Origin, loaded.CreatedAt, loaded.UpdatedAt = doc.Spec, doc.Origin, doc.CreatedAt, doc.UpdatedAt
	return loaded
}

// stateDocument is schedule.State as it is stored: times are ms, 0 for none. A leader writes 100,000 of them in a
// second; so encodeState writes its JSON by hand.
type stateDocument struct {
	Revision      int64                 `json:"rev"`
	Paused        bool                  `json:"paused"`
	PausedReason  schedule.PausedReason `json:"reason"`
	Anchor        int64                 `json:"anchor"`
	Next          int64                 `json:"next"`
	Due           int64                 `json:"due"`
	LastRunAt     int64                 `json:"last_at"`
	LastTaskID    string                `json:"last_task"`
	LastState     task.State            `json:"last_state"`
	Runs          int64                 `json:"runs"`
	Missed        int64                 `json:"missed"`
	Skipped       int64                 `json:"skipped"`
	FailureStreak int                   `json:"streak"`
	Unfinished    []string              `json:"unfinished"`
}

func (d *stateDocument) state() schedule.State {
	return schedule.State{
		Revision: d.Revision, Paused: d.Paused, PausedReason: d.PausedReason,
		Anchor: fromMillis(d.Anchor), Next: fromMillis(d.Next), Due: fromMillis(d.Due),
		LastRunAt: fromMillis(d.LastRunAt), LastTaskID: d.LastTaskID, LastState: d.LastState,
		Runs: d.Runs, Missed: d.Missed, Skipped: d.Skipped, FailureStreak: d.FailureStreak, Unfinished: d.Unfinished,
	}
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func encodeState(s *schedule.State) []byte {
	b := append(make([]byte, 0, 320), `{"rev":`...) // most need no more
	b = strconv.AppendInt(b, s.Revision, 10)
	b = appendText(b, `,"reason":`, string(s.PausedReason))
	if s.Paused {
		b = append(b, `,"paused":true`...)
	}
	b = appendMillis(b, `,"anchor":`, s.Anchor)
	b = appendMillis(b, `,"next":`, s.Next)
	b = appendMillis(b, `,"due":`, s.Due)
	b = appendMillis(b, `,"last_at":`, s.LastRunAt)
	b = appendText(b, `,"last_task":`, s.LastTaskID)
	b = appendText(b, `,"last_state":`, string(s.LastState))
	b = appendNumber(b, `,"runs":`, s.Runs)
	b = appendNumber(b, `,"missed":`, s.Missed)
	b = appendNumber(b, `,"skipped":`, s.Skipped)
	b = appendNumber(b, `,"streak":`, int64(s.FailureStreak))
	before := `,"unfinished":[`
	for _, id := range s.Unfinished {
		b = appendText(b, before, id)
		before = `,`
	}
	if len(s.Unfinished) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendText is for ids and names, of which none has characters that JSON and Go quote differently.
func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return strconv.AppendQuote(append(b, name...), text)
}

func appendNumber(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), n, 10)
}

func appendMillis(b []byte, name string, t time.Time) []byte {
	return appendNumber(b, name, toMillis(t))
}

// dueMillis is a state's score, "" for none.
func dueMillis(s *schedule.State) any {
	if s.Due.IsZero() {
		return ""
	}
	return s.Due.UnixMilli()
}

// runDocument is a run in the history. A script finds it by "task", and adds "state" at its end.
type runDocument struct {
	Tick     int64            `json:"tick"` // ms, as all times here
	FiredAt  int64            `json:"fired"`
	Lateness int64            `json:"late"`
	Outcome  schedule.Outcome `json:"outcome"`
	TaskID   string           `json:"task"`
	State    task.State       `json:"state"`
}

func encodeRun(r *schedule.Run) []byte { return appendRun(make([]byte, 0, 160), r) }

func appendRun(b []byte, r *schedule.Run) []byte {
	b = strconv.AppendInt(append(b, `{"tick":`...), r.Tick.UnixMilli(), 10)
	b = appendMillis(b, `,"fired":`, r.FiredAt)
	b = appendNumber(b, `,"late":`, r.Lateness.Milliseconds())
	b = appendText(b, `,"outcome":`, string(r.Outcome))
	b = appendText(b, `,"task":`, r.TaskID)
	b = appendText(b, `,"state":`, string(r.State))
	return append(b, '}')
}

func decodeRun(text string) (schedule.Run, error) {
	var d runDocument
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return schedule.Run{}, err
	}
	return schedule.Run{
		Tick: time.UnixMilli(d.Tick), FiredAt: fromMillis(d.FiredAt), Lateness: time.Duration(d.Lateness) * time.Millisecond,
		Outcome: d.Outcome, TaskID: d.TaskID, State: d.State,
	}, nil
}

// encodeOwed writes a tick that is to become a task: four lines, of which the last, the message, may have any bytes.
func encodeOwed(o *schedule.Owed) []byte {
	b := make([]byte, 0, 256+len(o.Message))
	b = append(append(b, o.ScheduleID...), '\n')
	b = append(append(b, o.Queue...), '\n')
	b = append(appendRun(b, &o.Run), '\n')
	return append(b, o.Message...)
}

func decodeOwed(row string) (*schedule.Owed, error) {
	parts := strings.SplitN(row, "\n", 4)
	if len(parts) != 4 {
		return nil, errors.New("it has no four lines")
	}
	run, err := decodeRun(parts[2])
	if err != nil {
		return nil, err
	}
	return &schedule.Owed{ScheduleID: parts[0], Queue: parts[1], Run: run, Message: []byte(parts[3])}, nil
}
