// Package wire defines what is stored in Redis: the names of keys, channels and fields, asynq's encoded messages, and the
// records that are read from the hashes of tasks.
package wire

import (
	"strings"
	"time"
)

// Keys that asynq owns. Their names are those of asynq's internal/base package; a test holds them against a
// stock client. All keys of one queue share a hash slot.
const (
	AsynqQueues        = "asynq:queues"  // SET of queue names
	AsynqServers       = "asynq:servers" // ZSET of the keys of servers by their expiry
	AsynqWorkers       = "asynq:workers" // ZSET of the keys of the servers' running tasks by their expiry
	AsynqCancelChannel = "asynq:cancel"  // pub/sub: ids of running tasks to cancel
)

// AsynqPrefix is the prefix of asynq's keys of a queue. The functions below return one key each; those of them without a
// comment are named as the key is.
func AsynqPrefix(queue string) string     { return "asynq:{" + queue + "}:" }
func GroupKey(queue, group string) string { return AsynqPrefix(queue) + "g:" + group }
func TaskKey(queue, id string) string     { return AsynqPrefix(queue) + "t:" + id }
func PendingKey(queue string) string      { return AsynqPrefix(queue) + "pending" }
func ActiveKey(queue string) string       { return AsynqPrefix(queue) + "active" }
func LeaseKey(queue string) string        { return AsynqPrefix(queue) + "lease" }
func ScheduledKey(queue string) string    { return AsynqPrefix(queue) + "scheduled" }
func RetryKey(queue string) string        { return AsynqPrefix(queue) + "retry" }
func CompletedKey(queue string) string    { return AsynqPrefix(queue) + "completed" }
func ArchivedKey(queue string) string     { return AsynqPrefix(queue) + "archived" }
func GroupsKey(queue string) string       { return AsynqPrefix(queue) + "groups" }
func SetsKey(queue string) string         { return AsynqPrefix(queue) + "aggregation_sets" }
func PausedKey(queue string) string       { return AsynqPrefix(queue) + "paused" }
func ProcessedKey(queue string) string    { return AsynqPrefix(queue) + "processed" }
func FailedTotalKey(queue string) string  { return AsynqPrefix(queue) + "failed" }

// MaintainerKey is a STRING with a short TTL: the id of the worker that maintains the queues that the hash stands for, of
// which this is one. It has asynq's prefix because the keys with OwnPrefix vanish with the tasks of the queue.
func MaintainerKey(queue, hash string) string { return AsynqPrefix(queue) + "maintainer:" + hash }

// Today formats the day as asynq's daily counters do: YYYY-MM-DD in UTC.
func Today(now time.Time) string { return now.UTC().Format(time.DateOnly) }

// Keys of Backbeat's own. Those of a queue are described in lua/prelude.lua.
const (
	WatchedChannel = "backbeat:watched" // pub/sub: changes and ends of watched tasks
	WakeChannel    = "backbeat:wake"    // pub/sub: the own prefix of a queue that has pending tasks
	DueChannel     = "backbeat:due"     // pub/sub: the own prefix of a queue whose next due task has changed
	OutboxChannel  = "backbeat:outbox"  // pub/sub: the own prefix of a queue, and the kind of its outbox that has got an entry
)

// OwnPrefix is the prefix of Backbeat's keys of a queue. The functions below return one key each.
func OwnPrefix(queue string) string       { return "backbeat:{" + queue + "}:" }
func DueKey(queue string) string          { return OwnPrefix(queue) + "due" }
func AdoptedKey(queue string) string      { return OwnPrefix(queue) + "adopted" }
func ExpiresKey(queue string) string      { return OwnPrefix(queue) + "expires" }
func TicksKey(queue string) string        { return OwnPrefix(queue) + "ticks" }
func TermKey(queue string) string         { return OwnPrefix(queue) + "term" }
func CancelingKey(queue string) string    { return OwnPrefix(queue) + "canceling" }
func OnceKey(queue, id string) string     { return OwnPrefix(queue) + "once:" + id }
func ReservedKey(queue, id string) string { return OwnPrefix(queue) + "reserved:" + id }
func EndedKey(queue, id string) string    { return OwnPrefix(queue) + "ended:" + id }
func CallbacksKey(queue string) string    { return OwnPrefix(queue) + "outbox:" + Callbacks }
func RelayKey(queue string) string        { return CallbacksKey(queue) + ":worker" }
func HistoryKey(queue string) string      { return OwnPrefix(queue) + "outbox:" + History }

// IdempotencyKey is the key of the claim of an idempotency key, by its hash.
func IdempotencyKey(hash string) string { return "backbeat:idempotency:{" + hash + "}" }

// Kinds of outboxes.
const (
	Callbacks = "callbacks" // ends of tasks with callbacks
	History   = "history"   // ends of tasks of schedules
)

// Fields of a task's hash. Those without the prefix bb: are asynq's.
const (
	FieldMessage         = "msg"
	FieldState           = "state"
	FieldResult          = "result"
	FieldPendingSince    = "pending_since" // ns
	FieldAttempt         = "bb:attempt"
	fieldStartedAt       = "bb:started_at"
	FieldFinishedAt      = "bb:finished_at"
	FieldRunAt           = "bb:run_at"
	fieldWorker          = "bb:worker"
	FieldOutcome         = "bb:outcome"
	fieldErrorKind       = "bb:error_kind"
	FieldProgress        = "bb:progress"
	FieldCancelRequested = "bb:cancel"
	FieldParked          = "bb:parked"
)

// ParkedScore is below the scores, in asynq's scheduled set, of tasks that wait for a worker that knows their type, and above
// all others; see PARKED in lua/prelude.lua.
const ParkedScore = 250246627200

// QueueOfKey returns the queue of one of asynq's keys, "" if it has none.
func QueueOfKey(key string) string { return inBraces(strings.TrimPrefix(key, "asynq:{")) }

// OutboxOf returns the queue and the kind that a message on OutboxChannel is about.
func OutboxOf(message string) (queue, kind string) {
	queue = QueueOfOwnPrefix(message)
	return queue, strings.TrimPrefix(message, OwnPrefix(queue))
}

// QueueOfOwnPrefix returns the queue of a prefix that OwnPrefix made, "" if it is none.
func QueueOfOwnPrefix(prefix string) string {
	return inBraces(strings.TrimPrefix(prefix, "backbeat:{"))
}

func inBraces(rest string) string {
	if end := strings.IndexByte(rest, '}'); end >= 0 {
		return rest[:end]
	}
	return ""
}
