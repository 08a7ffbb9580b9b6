package broker

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Headers of a message that say what asynq has no field for. All other headers are the task's metadata. asynq
// counts in whole seconds: its own fields hold the next full second, and a header the exact time where that
// differs.
const (
	headerCreatedAt  = task.ReservedMetadata + "created-at" // ms
	headerRunAt      = task.ReservedMetadata + "run-at"     // ms
	headerExpiresAt  = task.ReservedMetadata + "expires-at" // ms
	headerTimeout    = task.ReservedMetadata + "timeout"    // ms
	headerDeadline   = task.ReservedMetadata + "deadline"   // ms
	headerRetention  = task.ReservedMetadata + "retention"  // ms
	headerUniqueFor  = task.ReservedMetadata + "unique-for" // ms
	headerScheduleID = task.ReservedMetadata + "schedule-id"
	headerTick       = task.ReservedMetadata + "tick" // ms
	headerCallback   = task.ReservedMetadata + "callback"
	headerEarlier    = task.ReservedMetadata + "earlier-attempts" // those before the last retry by hand
)

// newMessage writes a prepared task the way asynq does.
func newMessage(t *task.Task) *message {
	m := &message{
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
	m.setTime(headerCreatedAt, t.CreatedAt)
	m.setTime(headerExpiresAt, t.ExpiresAt)
	if t.State == task.Scheduled {
		m.setTime(headerRunAt, t.RunAt)
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

func (m *message) setTime(header string, t time.Time) {
	if !t.IsZero() {
		m.Headers.set(header, formatMillis(t))
	}
}

func (m *message) setDuration(header string, d time.Duration) {
	if d%time.Second != 0 {
		m.Headers.set(header, strconv.FormatInt(d.Milliseconds(), 10))
	}
}

func (m *message) time(header string) time.Time { return parseMillis(m.Headers.get(header)) }

func (m *message) duration(header string, seconds int64) time.Duration {
	if ms, err := strconv.ParseInt(m.Headers.get(header), 10, 64); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	return time.Duration(seconds) * time.Second
}

func (m *message) timeout() time.Duration { return m.duration(headerTimeout, m.Timeout) }

// earlier is how many attempts the task had before the last retry by hand.
func (m *message) earlier() int {
	n, _ := strconv.Atoi(m.Headers.get(headerEarlier))
	return n
}

// foreign reports whether a stock asynq client made the task.
func (m *message) foreign() bool { return m.Headers.get(headerCreatedAt) == "" }

// retention is how long the task stays after it has ended in the state. For asynq's own tasks it is a matter of
// success only: what failed stays for 90 days.
func (m *message) retention(state task.State) time.Duration {
	if m.foreign() && state != task.Succeeded {
		return 90 * 24 * time.Hour
	}
	return m.duration(headerRetention, m.Retention)
}

// retentionArg is the retention as the scripts take it, in ms. It is -1 for tasks to which asynq's own bounds apply: 90 days,
// and 10,000 archived tasks of a queue.
func (m *message) retentionArg(state task.State) int64 {
	if m.foreign() && state != task.Succeeded {
		return -1
	}
	return m.retention(state).Milliseconds()
}

func (m *message) deadline() time.Time {
	if t := m.time(headerDeadline); !t.IsZero() || m.Deadline == 0 {
		return t
	}
	return time.Unix(m.Deadline, 0)
}

func (m *message) schedule() *task.Tick {
	id := m.Headers.get(headerScheduleID)
	if id == "" {
		return nil
	}
	return &task.Tick{ScheduleID: id, At: m.time(headerTick)}
}

func (m *message) metadata() map[string]string {
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

// ref names a task.
type ref struct{ queue, id string }

// record is a task's hash as Redis holds it.
type record struct {
	queue, id string
	raw       string // the message, encoded
	message   *message
	state     string // asynq's
	fields    map[string]string
}

// recordFields are what is read of a task's hash.
var recordFields = []string{
	fieldMessage, fieldState, fieldAttempt, fieldStartedAt, fieldFinishedAt, fieldRunAt, fieldWorker,
	fieldOutcome, fieldErrorKind, fieldProgress, fieldCancelRequested, fieldParked, fieldResult,
}

// fieldsWithoutResult are what is read of a task whose result, which may be large, is of no interest.
var fieldsWithoutResult = recordFields[:len(recordFields)-1]

// newRecord makes a record of the values of recordFields, or of those without the result; ok is false if there is no task. A message that
// nobody can read still makes a task, so that it can be seen and deleted.
func newRecord(queue, id string, values []any) (r *record, ok bool) {
	fields := make(map[string]string, len(values))
	for i, v := range values {
		if s, isString := v.(string); isString {
			fields[recordFields[i]] = s
		}
	}
	return recordOf(queue, id, fields)
}

// recordOf makes a record of the fields of a task's hash.
func recordOf(queue, id string, fields map[string]string) (r *record, ok bool) {
	raw, ok := fields[fieldMessage]
	if !ok {
		return nil, false
	}
	m, err := decodeMessage([]byte(raw))
	if err != nil {
		m = &message{ErrorMsg: "the stored task cannot be read: " + err.Error()}
	}
	return &record{queue: queue, id: id, raw: raw, message: m, state: fields[fieldState], fields: fields}, true
}

// task tells what the record says.
func (r *record) task() *task.Task {
	m := r.message
	t := &task.Task{
		ID:              r.id,
		Type:            m.Type,
		Queue:           r.queue,
		State:           r.taskState(),
		Payload:         jsonOrString(m.Payload),
		Attempt:         r.attempts() - m.earlier(),
		TotalAttempts:   r.attempts(),
		MaxRetries:      m.Retry,
		Timeout:         m.timeout(),
		Deadline:        m.deadline(),
		Retention:       m.retention(task.Succeeded),
		UniqueFor:       m.duration(headerUniqueFor, 0),
		Metadata:        m.metadata(),
		Schedule:        m.schedule(),
		Callback:        m.callback(),
		CreatedAt:       m.time(headerCreatedAt),
		RunAt:           m.time(headerRunAt),
		StartedAt:       parseMillis(r.fields[fieldStartedAt]),
		ExpiresAt:       m.time(headerExpiresAt),
		Worker:          r.fields[fieldWorker],
		CancelRequested: r.fields[fieldCancelRequested] != "",
	}
	if r.parked() {
		t.WaitingFor = task.WaitingForWorker
	}
	if t.RunAt.IsZero() {
		t.RunAt = t.CreatedAt
	}
	if next := parseMillis(r.fields[fieldRunAt]); !next.IsZero() {
		t.RunAt = next
	}
	if t.State.Terminal() {
		t.FinishedAt = r.finishedAt()
		t.KeptUntil = r.keptUntil(t.State)
	}
	if t.State == task.Succeeded {
		t.Result = jsonOrString([]byte(r.fields[fieldResult]))
	}
	t.CancelRequested = t.CancelRequested || t.State == task.Canceled
	t.Error = r.failure(t.State)
	t.Progress = decodeProgress(r.fields[fieldProgress])
	return t
}

func (r *record) taskState() task.State {
	switch r.state {
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
		switch outcome := task.State(r.fields[fieldOutcome]); outcome {
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
func (r *record) parked() bool {
	return r.state == "scheduled" && r.fields[fieldParked] != "" && r.fields[fieldRunAt] == ""
}

// attempts counts all attempts, at least what asynq's own counters imply, for tasks that a stock server has run.
func (r *record) attempts() int {
	n, _ := strconv.Atoi(r.fields[fieldAttempt])
	implied := r.message.earlier() + r.message.Retried
	if r.state == "active" || r.state == "completed" || r.endedByFailure() {
		implied++
	}
	return max(n, implied)
}

// endedByFailure reports whether the task's last attempt failed and was to be the last, which asynq counts as no retry. A tool
// archives tasks later than they failed.
func (r *record) endedByFailure() bool {
	if r.state != "archived" || r.taskState() != task.Failed || r.message.LastFailedAt == 0 {
		return false
	}
	finished := parseMillis(r.fields[fieldFinishedAt])
	return finished.IsZero() || finished.Unix() == r.message.LastFailedAt
}

func (r *record) finishedAt() time.Time {
	if t := parseMillis(r.fields[fieldFinishedAt]); !t.IsZero() {
		return t
	}
	s := max(r.message.CompletedAt, r.message.LastFailedAt)
	if s == 0 {
		return time.Time{}
	}
	// Of whole seconds; the task was not over before it was made and began.
	return latest(time.Unix(s, 0), r.message.time(headerCreatedAt), parseMillis(r.fields[fieldStartedAt]))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// keptUntil is when a task that has ended in the state is dropped; zero where its end is not known.
func (r *record) keptUntil(state task.State) time.Time {
	finished := r.finishedAt()
	if finished.IsZero() {
		return finished
	}
	return finished.Add(r.message.retention(state))
}

// over reports whether the task's retention has ended, though nobody has swept it away yet.
func (r *record) over(now time.Time) bool {
	finished, state := parseMillis(r.fields[fieldFinishedAt]), r.taskState()
	return !finished.IsZero() && state.Terminal() && finished.Add(r.message.retention(state)).Before(now)
}

// failure tells why the last attempt failed, in the states in which the task stands because it did. A message that
// cannot be read is told of in every state.
func (r *record) failure(state task.State) *task.Failure {
	readable := r.message.ID != ""
	if r.message.ErrorMsg == "" || readable && state != task.Failed && state != task.Retrying {
		return nil
	}
	kind := task.ErrorKind(r.fields[fieldErrorKind])
	if kind == "" {
		kind = guessKind(r.message.ErrorMsg)
	}
	return &task.Failure{Message: r.message.ErrorMsg, Kind: kind}
}

// guessKind reads the words of stock asynq, whose servers store no kind.
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

// jsonOrString passes JSON through. Foreign clients put other things into payloads and results, and those are
// shown as a string.
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

func encodeProgress(p task.Report) string {
	return strconv.FormatFloat(p.Percent, 'f', -1, 64) + " " + storable(p.Message)
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

func formatMillis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func parseMillis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// renewed encodes the message of a task that is to be tried again as if it had never been.
func (r *record) renewed() []byte {
	fresh := *r.message
	fresh.Retried, fresh.ErrorMsg, fresh.LastFailedAt = 0, "", 0
	fresh.Headers = slices.Clone(fresh.Headers)
	if n := r.attempts(); n > 0 {
		fresh.Headers.set(headerEarlier, strconv.Itoa(n))
	}
	fresh.Headers.delete(headerExpiresAt)
	return fresh.encode()
}

// isOver reports whether one of asynq's states is that of a task that has ended.
func isOver(state string) bool { return state == "completed" || state == "archived" }
