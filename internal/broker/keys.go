package broker

import (
	"strings"
	"time"
)

// Keys that asynq owns. Their names are those of asynq's internal/base package; a test holds them against a
// stock client. All keys of one queue share a hash slot.
const (
	asynqQueues        = "asynq:queues"  // SET of queue names
	asynqServers       = "asynq:servers" // ZSET of keys of servers by when they end
	asynqWorkers       = "asynq:workers" // ZSET of keys of what they run, likewise
	asynqCancelChannel = "asynq:cancel"  // pub/sub: ids of running tasks that are to stop
)

func asynqPrefix(queue string) string     { return "asynq:{" + queue + "}:" }
func groupKey(queue, group string) string { return asynqPrefix(queue) + "g:" + group }
func taskKey(queue, id string) string     { return asynqPrefix(queue) + "t:" + id }
func pendingKey(queue string) string      { return asynqPrefix(queue) + "pending" }
func activeKey(queue string) string       { return asynqPrefix(queue) + "active" }
func leaseKey(queue string) string        { return asynqPrefix(queue) + "lease" }
func scheduledKey(queue string) string    { return asynqPrefix(queue) + "scheduled" }
func retryKey(queue string) string        { return asynqPrefix(queue) + "retry" }
func completedKey(queue string) string    { return asynqPrefix(queue) + "completed" }
func archivedKey(queue string) string     { return asynqPrefix(queue) + "archived" }
func groupsKey(queue string) string       { return asynqPrefix(queue) + "groups" }
func setsKey(queue string) string         { return asynqPrefix(queue) + "aggregation_sets" }
func pausedKey(queue string) string       { return asynqPrefix(queue) + "paused" }
func processedKey(queue string) string    { return asynqPrefix(queue) + "processed" }
func failedTotalKey(queue string) string  { return asynqPrefix(queue) + "failed" }

// maintainerKey is a STRING with a short TTL: which worker maintains the queues that the hash stands for, of which this is one.
// It is beside asynq's keys, for it is about them: the own keys of a queue vanish with its tasks.
func maintainerKey(queue, hash string) string { return asynqPrefix(queue) + "maintainer:" + hash }

// today names a day as asynq's daily counters do, in UTC.
func today(now time.Time) string { return now.UTC().Format(time.DateOnly) }

// Keys of our own. Those of a queue are described in lua/prelude.lua.
const (
	watchedChannel  = "backbeat:watched"  // pub/sub: what becomes of tasks that are watched
	wakeChannel     = "backbeat:wake"     // pub/sub: the own prefix of a queue that has something to do
	dueChannel      = "backbeat:due"      // pub/sub: the own prefix of a queue whose next due task has changed
	endsChannel     = "backbeat:ends"     // pub/sub: the own prefix of a queue where tasks of schedules have ended
	promisesChannel = "backbeat:promises" // pub/sub: the own prefix of a queue where callbacks are promised
)

func ownPrefix(queue string) string       { return "backbeat:{" + queue + "}:" }
func dueKey(queue string) string          { return ownPrefix(queue) + "due" }
func adoptedKey(queue string) string      { return ownPrefix(queue) + "adopted" }
func expiresKey(queue string) string      { return ownPrefix(queue) + "expires" }
func endsKey(queue string) string         { return ownPrefix(queue) + "ends" }
func ticksKey(queue string) string        { return ownPrefix(queue) + "ticks" }
func termKey(queue string) string         { return ownPrefix(queue) + "term" }
func cancelingKey(queue string) string    { return ownPrefix(queue) + "canceling" }
func onceKey(queue, id string) string     { return ownPrefix(queue) + "once:" + id }
func reservedKey(queue, id string) string { return ownPrefix(queue) + "reserved:" + id }
func endedKey(queue, id string) string    { return ownPrefix(queue) + "ended:" + id }
func promisesKey(queue string) string     { return ownPrefix(queue) + "promises" }
func promiserKey(queue string) string     { return ownPrefix(queue) + "promises:worker" }

func idempotencyKey(hash string) string { return "backbeat:idempotency:{" + hash + "}" }

// Fields of a task's hash. Those without a prefix are asynq's.
const (
	fieldMessage         = "msg"
	fieldState           = "state"
	fieldResult          = "result"
	fieldPendingSince    = "pending_since" // ns
	fieldAttempt         = "bb:attempt"
	fieldStartedAt       = "bb:started_at"
	fieldFinishedAt      = "bb:finished_at"
	fieldRunAt           = "bb:run_at"
	fieldWorker          = "bb:worker"
	fieldOutcome         = "bb:outcome"
	fieldErrorKind       = "bb:error_kind"
	fieldProgress        = "bb:progress"
	fieldCancelRequested = "bb:cancel"
	fieldParked          = "bb:parked"
)

// parkedScore is below the scores, in asynq's scheduled set, of tasks that wait for a worker that knows their type, and above
// all others; see PARKED in lua/prelude.lua.
const parkedScore = 250246627200

// queueOfKey returns the queue of one of asynq's keys.
func queueOfKey(key string) string { return inBraces(strings.TrimPrefix(key, "asynq:{")) }

// queueOfOwnPrefix returns the queue that ownPrefix made a prefix of.
func queueOfOwnPrefix(prefix string) string {
	return inBraces(strings.TrimPrefix(prefix, "backbeat:{"))
}

func inBraces(rest string) string {
	if end := strings.IndexByte(rest, '}'); end >= 0 {
		return rest[:end]
	}
	return ""
}
