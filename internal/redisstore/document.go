package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
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
	FilePaused    bool                  `json:"file_paused"`
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
		Revision: d.Revision, Paused: d.Paused, PausedReason: d.PausedReason, FilePaused: d.FilePaused,
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
	if s.FilePaused {
		b = append(b, `,"file_paused":true`...)
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

// appendText is for ids and names, of which none has characters that need quoting otherwise than Go does it. Nearly all
// need none, and then are copied: quoting took most of the time here.
func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, name...)
	if strings.ContainsFunc(text, needsQuoting) {
		return strconv.AppendQuote(b, text)
	}
	b = append(append(b, '"'), text...)
	return append(b, '"')
}

func needsQuoting(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

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
	Reason   schedule.Reason  `json:"reason"`
	TaskID   string           `json:"task"`
	State    task.State       `json:"state"`
}

func encodeRun(r *schedule.Run) []byte { return appendRun(make([]byte, 0, 160), r) }

func appendRun(b []byte, r *schedule.Run) []byte {
	b = strconv.AppendInt(append(b, `{"tick":`...), r.Tick.UnixMilli(), 10)
	b = appendMillis(b, `,"fired":`, r.FiredAt)
	b = appendNumber(b, `,"late":`, r.Lateness.Milliseconds())
	b = appendText(b, `,"outcome":`, string(r.Outcome))
	b = appendText(b, `,"reason":`, string(r.Reason))
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
		Outcome: d.Outcome, Reason: d.Reason, TaskID: d.TaskID, State: d.State,
	}, nil
}

// encodeRows writes the ticks of a step one after the other. A row is two lines, the schedule and the queue; a
// third, the times of the tick, of its firing and of its lateness in ms and the length of the message; and the message,
// which may have any bytes. drop_ticks.lua reads it as well.
func encodeRows(b []byte, entries []*schedule.OutboxEntry) []byte {
	for _, e := range entries {
		b = append(append(b, e.ScheduleID...), '\n')
		b = append(append(b, e.Queue...), '\n')
		b = append(strconv.AppendInt(b, e.Run.Tick.UnixMilli(), 10), ' ')
		b = append(strconv.AppendInt(b, e.Run.FiredAt.UnixMilli(), 10), ' ')
		b = append(strconv.AppendInt(b, e.Run.Lateness.Milliseconds(), 10), ' ')
		b = append(strconv.AppendInt(b, int64(len(e.Message)), 10), '\n')
		b = append(b, e.Message...)
	}
	return b
}

// rowsSize is how much room rows need, or a little more.
func rowsSize(entries []*schedule.OutboxEntry) (size int) {
	const numbers = 64 // their line
	for _, e := range entries {
		size += len(e.ScheduleID) + len(e.Queue) + numbers + len(e.Message)
	}
	return size
}

func decodeRows(rows string) (entries []*schedule.OutboxEntry, err error) {
	for rest := rows; rest != ""; {
		var e *schedule.OutboxEntry
		if e, rest, err = decodeRow(rest); err != nil {
			return nil, fmt.Errorf("after %d ticks: %w", len(entries), err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// decodeRow reads the first of some rows.
func decodeRow(rows string) (e *schedule.OutboxEntry, rest string, err error) {
	lines := strings.SplitN(rows, "\n", 4)
	if len(lines) != 4 {
		return nil, "", errors.New("it has no three lines and a message")
	}
	var numbers [4]int64
	fields := strings.Fields(lines[2])
	if len(fields) != len(numbers) {
		return nil, "", fmt.Errorf("%q are not %d numbers", lines[2], len(numbers))
	}
	for i, field := range fields {
		if numbers[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			return nil, "", err
		}
	}
	tick, firedAt, late, size := time.UnixMilli(numbers[0]), time.UnixMilli(numbers[1]), numbers[2], numbers[3]
	if size < 0 || size > int64(len(lines[3])) {
		return nil, "", fmt.Errorf("a message of %d bytes is not there", size)
	}
	return &schedule.OutboxEntry{
		ScheduleID: lines[0],
		Queue:      lines[1],
		Run: schedule.Run{
			Tick: tick, FiredAt: firedAt, Lateness: time.Duration(late) * time.Millisecond,
			TaskID: schedule.TickID(lines[0], tick), Outcome: schedule.Fired,
		},
		Message: []byte(lines[3][:size]),
	}, lines[3][size:], nil
}
