package wire

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Headers of a message for which asynq has no field. All other headers are the task's metadata. asynq counts in whole
// seconds: its fields hold a time rounded up, and a header holds the exact time where that differs.
const (
	HeaderCreatedAt  = task.ReservedMetadata + "created-at" // ms
	HeaderRunAt      = task.ReservedMetadata + "run-at"     // ms
	HeaderExpiresAt  = task.ReservedMetadata + "expires-at" // ms
	headerTimeout    = task.ReservedMetadata + "timeout"    // ms
	headerDeadline   = task.ReservedMetadata + "deadline"   // ms
	headerRetention  = task.ReservedMetadata + "retention"  // ms
	headerUniqueFor  = task.ReservedMetadata + "unique-for" // ms
	headerScheduleID = task.ReservedMetadata + "schedule-id"
	headerTick       = task.ReservedMetadata + "tick" // ms
	headerCallback   = task.ReservedMetadata + "callback"
	headerEarlier    = task.ReservedMetadata + "earlier-attempts" // those before the last retry by hand
)

// NewMessage returns the message of a prepared task, as asynq would write it.
func NewMessage(t *task.Task) *Message {
	m := &Message{
		Type:      t.Type,
		Payload:   t.Payload,
		ID:        t.ID,
		Queue:     t.Queue,
		Retry:     t.MaxRetries,
		Timeout:   ceilSeconds(t.Timeout),
		Retention: ceilSeconds(t.Retention),
		Headers:   make(headers, 0, len(t.Metadata)+4),
	}
	for key, value := range t.Metadata {
		m.Headers.set(key, value)
	}
	m.setTime(HeaderCreatedAt, t.CreatedAt)
	m.setTime(HeaderExpiresAt, t.ExpiresAt)
	if t.State == task.Scheduled {
		m.setTime(HeaderRunAt, t.RunAt)
	}
	m.setDuration(headerTimeout, t.Timeout)
	m.setDuration(headerRetention, t.Retention)
	if t.UniqueFor > 0 {
		m.Headers.set(headerUniqueFor, strconv.FormatInt(t.UniqueFor.Milliseconds(), 10))
	}
	if !t.Deadline.IsZero() {
		m.Deadline = ceilSeconds(time.Duration(t.Deadline.UnixNano()))
		m.setTime(headerDeadline, t.Deadline)
	}
	if t.Schedule != nil {
		m.Headers.set(headerScheduleID, t.Schedule.ScheduleID)
		m.setTime(headerTick, t.Schedule.At)
	}
	if t.Callback != nil {
		m.Headers.set(headerCallback, encodeCallback(t.Callback))
	}
	return m
}

func (m *Message) setTime(header string, t time.Time) {
	if !t.IsZero() {
		m.Headers.set(header, FormatMillis(t))
	}
}

func (m *Message) setDuration(header string, d time.Duration) {
	if d%time.Second != 0 {
		m.Headers.set(header, strconv.FormatInt(d.Milliseconds(), 10))
	}
}

// Time returns the time in a header of milliseconds, zero if there is none.
func (m *Message) Time(header string) time.Time { return parseMillis(m.Headers.get(header)) }

func (m *Message) duration(header string, seconds int64) time.Duration {
	if ms, err := strconv.ParseInt(m.Headers.get(header), 10, 64); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	return time.Duration(seconds) * time.Second
}

// ExactTimeout returns the timeout of an attempt, to the millisecond if Backbeat made the task; 0 if there is none.
func (m *Message) ExactTimeout() time.Duration { return m.duration(headerTimeout, m.Timeout) }

// EarlierAttempts is how many attempts the task had before the last retry by hand.
func (m *Message) EarlierAttempts() int {
	n, _ := strconv.Atoi(m.Headers.get(headerEarlier))
	return n
}

// Foreign reports whether a stock asynq client made the task.
func (m *Message) Foreign() bool { return m.Headers.get(HeaderCreatedAt) == "" }

// RetentionAfter is how long the task is kept after it has ended in the state. The retention of a stock client's task applies
// to success only; otherwise the task is kept for 90 days.
func (m *Message) RetentionAfter(state task.State) time.Duration {
	if m.Foreign() && state != task.Succeeded {
		return 90 * 24 * time.Hour
	}
	return m.duration(headerRetention, m.Retention)
}

// RetentionMillis is RetentionAfter for scripts, in ms. It is -1 for tasks to which asynq's bounds apply: 90 days, and 10,000
// archived tasks of a queue.
func (m *Message) RetentionMillis(state task.State) int64 {
	if m.Foreign() && state != task.Succeeded {
		return -1
	}
	return m.RetentionAfter(state).Milliseconds()
}

// ExactDeadline returns the deadline, to the millisecond if Backbeat made the task; zero if there is none.
func (m *Message) ExactDeadline() time.Time {
	if t := m.Time(headerDeadline); !t.IsZero() || m.Deadline == 0 {
		return t
	}
	return time.Unix(m.Deadline, 0)
}

// Schedule returns the tick that the task was made for, nil if it was enqueued otherwise.
func (m *Message) Schedule() *task.Tick {
	id := m.Headers.get(headerScheduleID)
	if id == "" {
		return nil
	}
	return &task.Tick{ScheduleID: id, At: m.Time(headerTick)}
}

// Metadata returns the headers that are the task's metadata, nil if there are none.
func (m *Message) Metadata() map[string]string {
	var metadata map[string]string
	for _, h := range m.Headers {
		if strings.HasPrefix(h.key, task.ReservedMetadata) {
			continue
		}
		if metadata == nil {
			metadata = make(map[string]string)
		}
		metadata[h.key] = h.value
	}
	return metadata
}

// Ref identifies a task by its queue and id.
type Ref struct{ Queue, ID string }

// Record is a task's hash as it is stored in Redis.
type Record struct {
	Queue, ID string
	Raw       string // the message, encoded
	Message   *Message
	State     string // asynq's
	Fields    map[string]string
}

// RecordFields are what is read of a task's hash.
var RecordFields = []string{
	FieldMessage, FieldState, FieldAttempt, fieldStartedAt, FieldFinishedAt, FieldRunAt, fieldWorker,
	FieldOutcome, fieldErrorKind, FieldProgress, FieldCancelRequested, FieldParked, FieldResult,
}

// FieldsWithoutResult are RecordFields without the result, which may be large.
var FieldsWithoutResult = RecordFields[:len(RecordFields)-1]

// NewRecord makes a record of the values of RecordFields or FieldsWithoutResult, in their order; ok is false if there is no
// task. A message that cannot be decoded still makes a record, so that the task can be listed and deleted.
func NewRecord(queue, id string, values []any) (r *Record, ok bool) {
	fields := make(map[string]string, len(values))
	for i, v := range values {
		if s, isString := v.(string); isString {
			fields[RecordFields[i]] = s
		}
	}
	return RecordOf(queue, id, fields)
}

// RecordOf is NewRecord for the fields of a task's hash by name.
func RecordOf(queue, id string, fields map[string]string) (r *Record, ok bool) {
	raw, ok := fields[FieldMessage]
	if !ok {
		return nil, false
	}
	m, err := DecodeMessage([]byte(raw))
	if err != nil {
		m = &Message{ErrorMsg: "the stored task cannot be read: " + err.Error()}
	}
	return &Record{Queue: queue, ID: id, Raw: raw, Message: m, State: fields[FieldState], Fields: fields}, true
}

// Task returns the task that the record describes.
func (r *Record) Task() *task.Task {
	m := r.Message
	t := &task.Task{
		ID:              r.ID,
		Type:            m.Type,
		Queue:           r.Queue,
		State:           r.TaskState(),
		Payload:         jsonOrString(m.Payload),
		Attempt:         r.Attempts() - m.EarlierAttempts(),
		TotalAttempts:   r.Attempts(),
		MaxRetries:      m.Retry,
		Timeout:         m.ExactTimeout(),
		Deadline:        m.ExactDeadline(),
		Retention:       m.RetentionAfter(task.Succeeded),
		UniqueFor:       m.duration(headerUniqueFor, 0),
		Metadata:        m.Metadata(),
		Schedule:        m.Schedule(),
		Callback:        m.Callback(),
		CreatedAt:       m.Time(HeaderCreatedAt),
		RunAt:           m.Time(HeaderRunAt),
		StartedAt:       parseMillis(r.Fields[fieldStartedAt]),
		ExpiresAt:       m.Time(HeaderExpiresAt),
		Worker:          r.Fields[fieldWorker],
		CancelRequested: r.Fields[FieldCancelRequested] != "",
	}
	if r.parked() {
		t.WaitingFor = task.WaitingForWorker
	}
	if t.RunAt.IsZero() {
		t.RunAt = t.CreatedAt
	}
	if next := parseMillis(r.Fields[FieldRunAt]); !next.IsZero() {
		t.RunAt = next
	}
	if t.State.Terminal() {
		t.FinishedAt = r.FinishedAt()
		t.KeptUntil = r.keptUntil(t.State)
	}
	if t.State == task.Succeeded {
		t.Result = jsonOrString([]byte(r.Fields[FieldResult]))
	}
	t.CancelRequested = t.CancelRequested || t.State == task.Canceled
	t.Error = r.failure(t.State)
	t.Progress = decodeProgress(r.Fields[FieldProgress])
	return t
}

// TaskState returns the state of the task, by asynq's state and Backbeat's fields; see the table in the doc of package broker.
func (r *Record) TaskState() task.State {
	switch r.State {
	case "scheduled":
		if r.parked() {
			return task.Pending
		}
		return task.Scheduled
	case "aggregating":
		return task.Aggregating
	case "active":
		return task.Running
	case "retry":
		return task.Retrying
	case "completed":
		return task.Succeeded
	case "archived":
		switch outcome := task.State(r.Fields[FieldOutcome]); outcome {
		case task.Canceled, task.Expired:
			return outcome
		default:
			return task.Failed
		}
	default: // pending
		return task.Pending
	}
}

// parked reports whether the task waits for a worker that knows its type. A task that has been scheduled again since has a time
// to run at.
func (r *Record) parked() bool {
	return r.State == "scheduled" && r.Fields[FieldParked] != "" && r.Fields[FieldRunAt] == ""
}

// Attempts returns the number of all attempts. For tasks that a stock server has run it is at least what asynq's counters
// imply.
func (r *Record) Attempts() int {
	n, _ := strconv.Atoi(r.Fields[FieldAttempt])
	implied := r.Message.EarlierAttempts() + r.Message.Retried
	if r.State == "active" || r.State == "completed" || r.endedByFailure() {
		implied++
	}
	return max(n, implied)
}

// endedByFailure reports whether the task's last attempt failed and was to be the last, which asynq counts as no retry. A tool
// archives tasks later than they failed.
func (r *Record) endedByFailure() bool {
	if r.State != "archived" || r.TaskState() != task.Failed || r.Message.LastFailedAt == 0 {
		return false
	}
	finished := parseMillis(r.Fields[FieldFinishedAt])
	return finished.IsZero() || finished.Unix() == r.Message.LastFailedAt
}

// FinishedAt is when the task ended, zero if that is unknown. asynq stores it in whole seconds, so it is corrected to be no
// earlier than the creation and the start of the task.
func (r *Record) FinishedAt() time.Time {
	if t := parseMillis(r.Fields[FieldFinishedAt]); !t.IsZero() {
		return t
	}
	s := max(r.Message.CompletedAt, r.Message.LastFailedAt)
	if s == 0 {
		return time.Time{}
	}
	return latest(time.Unix(s, 0), r.Message.Time(HeaderCreatedAt), parseMillis(r.Fields[fieldStartedAt]))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// keptUntil is when a task that ended in the state is deleted; zero if the time of its end is unknown.
func (r *Record) keptUntil(state task.State) time.Time {
	finished := r.FinishedAt()
	if finished.IsZero() {
		return finished
	}
	return finished.Add(r.Message.RetentionAfter(state))
}

// Over reports whether the task's retention ended before now; the sweep may not have deleted it yet.
func (r *Record) Over(now time.Time) bool {
	finished, state := parseMillis(r.Fields[FieldFinishedAt]), r.TaskState()
	return !finished.IsZero() && state.Terminal() && finished.Add(r.Message.RetentionAfter(state)).Before(now)
}

// failure returns why the last attempt failed, nil if the state does not follow from a failed attempt. A message that cannot
// be decoded is a failure in every state.
func (r *Record) failure(state task.State) *task.Failure {
	readable := r.Message.ID != ""
	if r.Message.ErrorMsg == "" || readable && state != task.Failed && state != task.Retrying {
		return nil
	}
	kind := task.ErrorKind(r.Fields[fieldErrorKind])
	if kind == "" {
		kind = guessKind(r.Message.ErrorMsg)
	}
	return &task.Failure{Message: r.Message.ErrorMsg, Kind: kind}
}

// guessKind derives the kind from the error text of stock asynq, whose servers store no kind.
func guessKind(message string) task.ErrorKind {
	switch {
	case strings.HasPrefix(message, "panic"):
		return task.KindPanic
	case message == "context deadline exceeded":
		return task.KindTimeout
	case message == "asynq: task lease expired":
		return task.KindCrashed
	default:
		return task.KindError
	}
}

// jsonOrString returns JSON unchanged and other data as a JSON string: stock clients may store any bytes in payloads and
// results.
func jsonOrString(data []byte) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	if json.Valid(data) {
		return data
	}
	quoted, err := json.Marshal(strings.ToValidUTF8(string(data), "\uFFFD"))
	if err != nil {
		return nil // a string always marshals
	}
	return quoted
}

// EncodeProgress encodes a progress report for the field of a task's hash.
func EncodeProgress(p task.Report) string {
	return strconv.FormatFloat(p.Percent, 'f', -1, 64) + " " + Storable(p.Message)
}

func decodeProgress(s string) *task.Report {
	percent, message, ok := strings.Cut(s, " ")
	if !ok {
		return nil
	}
	n, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return nil
	}
	return &task.Report{Percent: n, Message: message}
}

func ceilSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// FormatMillis formats a time as Unix milliseconds.
func FormatMillis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func parseMillis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Renewed encodes the message of a task for a retry by hand: no retries used, no error, no expiry, and the attempts so far
// counted as earlier ones.
func (r *Record) Renewed() []byte {
	fresh := *r.Message
	fresh.Retried, fresh.ErrorMsg, fresh.LastFailedAt = 0, "", 0
	fresh.Headers = slices.Clone(fresh.Headers)
	if n := r.Attempts(); n > 0 {
		fresh.Headers.set(headerEarlier, strconv.Itoa(n))
	}
	fresh.Headers.delete(HeaderExpiresAt)
	return fresh.Encode()
}

// IsFinished reports whether one of asynq's states is that of a finished task.
func IsFinished(state string) bool { return state == "completed" || state == "archived" }
