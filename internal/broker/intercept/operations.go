package intercept

import "strings"

// operations is every command that a Server of asynq v0.26 sends to Redis in the configuration that package worker gives
// it, and what happens to it. A command that is not in the table is refused. Scripts are recognized by their keys, all of
// them, because asynq keeps the scripts themselves private.
//
// In a pattern, {q} is the prefix of a queue's keys, the same for all keys of a command, and * is any rest.
//
// Not in the table, because the configuration excludes them: the scripts and commands of asynq's aggregator (a Server
// without a GroupAggregator never starts it) and the HSET of a ResultWriter (handlers are given none).
var operations = newTable(
	row{"dequeue", viaScript, "{q}:pending {q}:paused {q}:active {q}:lease", fetchTask},
	row{"done", viaScript, "{q}:active {q}:lease {q}:t:* {q}:processed:* {q}:processed", endTask},
	row{"done, unique", viaScript, "{q}:active {q}:lease {q}:t:* {q}:processed:* {q}:processed *", endTask},
	row{"complete", viaScript, "{q}:active {q}:lease {q}:completed {q}:t:* {q}:processed:* {q}:processed", endTask},
	row{"complete, unique", viaScript, "{q}:active {q}:lease {q}:completed {q}:t:* {q}:processed:* {q}:processed *", endTask},
	row{"retry", viaScript,
		"{q}:t:* {q}:active {q}:lease {q}:retry {q}:processed:* {q}:failed:* {q}:processed {q}:failed", endTask},
	row{"archive", viaScript,
		"{q}:t:* {q}:active {q}:lease {q}:archived {q}:processed:* {q}:failed:* {q}:processed {q}:failed {q}:t:", endTask},
	row{"requeue", viaScript, "{q}:active {q}:lease {q}:pending {q}:t:*", requeueTask},

	// The maintainer of package worker does these jobs.
	row{"forward scheduled", viaScript, "{q}:scheduled {q}:pending", answerZero},
	row{"forward retries", viaScript, "{q}:retry {q}:pending", answerZero},
	row{"delete completed", viaScript, "{q}:completed", answerZero},
	row{"list expired leases", viaScript, "{q}:lease", answerNone},

	// Stock servers aggregate the groups of a queue that they share. If one dies, its tasks go back to their group.
	row{"reclaim aggregation sets", viaScript, "{q}:aggregation_sets", pass},

	row{"write server state", viaScript, "asynq:servers:{* asynq:workers:{*", writeState}, // or delete it
	row{"list server", viaZAdd, "asynq:servers", listServer},
	row{"list workers", viaZAdd, "asynq:workers", listServer},
	row{"unlist server", viaZRem, "asynq:servers", listServer},
	row{"unlist workers", viaZRem, "asynq:workers", listServer},
	row{"extend leases", viaZAddXX, "{q}:lease", extendLeases},
	row{"subscribe to cancellations", viaSubscribe, "asynq:cancel", pass},
)

// row is an operation as the table lists it.
type row struct {
	name     string
	via      command
	patterns string // of the keys, in order
	do       treatment
}

// command is the kind of command that carries an operation.
type command string

const (
	viaScript    command = "script" // EVALSHA, and EVAL when Redis does not have the script
	viaZAdd      command = "ZADD"
	viaZAddXX    command = "ZADD XX"
	viaZRem      command = "ZREM"
	viaSubscribe command = "SUBSCRIBE"
)

// treatment is what the interceptor does instead of sending a command.
type treatment int

const (
	refuse       treatment = iota // the command is not in the table
	pass                          // send it as it is
	fetchTask                     // return a task of the prefetcher
	endTask                       // write the end of the attempt with the acker
	requeueTask                   // likewise, for a task that the worker has no time for
	answerZero                    // send nothing, and answer that there were no tasks to move
	answerNone                    // send nothing, and answer with an empty list
	writeState                    // see stateWriter
	listServer                    // send it for the worker's own id, in the time of Redis
	extendLeases                  // send it in the time of Redis, without waiting for the reply
)

// table is rows that are ready to be compared with commands.
type table []operation

type operation struct {
	row
	keys []keyPattern
}

type keyPattern struct {
	ofQueue bool
	open    bool // text is how the key begins
	text    string
}

func newTable(rows ...row) table {
	t := make(table, len(rows))
	for i, r := range rows {
		t[i].row = r
		for text := range strings.FieldsSeq(r.patterns) {
			var p keyPattern
			p.text, p.ofQueue = strings.CutPrefix(text, "{q}:")
			p.text, p.open = strings.CutSuffix(p.text, "*")
			t[i].keys = append(t[i].keys, p)
		}
	}
	return t
}

// unknown is the operation of a command that the table does not list.
var unknown operation

// find returns the operation of a command with the keys, or unknown.
func (t table) find(via command, keys []string) *operation {
	prefix := queuePrefix(keys)
	for i := range t {
		if op := &t[i]; op.via == via && op.matches(prefix, keys) {
			return op
		}
	}
	return &unknown
}

func (op *operation) matches(prefix string, keys []string) bool {
	if len(keys) != len(op.keys) {
		return false
	}
	for i, key := range keys {
		if !op.keys[i].matches(prefix, key) {
			return false
		}
	}
	return true
}

func (p *keyPattern) matches(prefix, key string) bool {
	if p.ofQueue {
		rest, own := strings.CutPrefix(key, prefix)
		if !own || prefix == "" {
			return false
		}
		key = rest
	}
	if p.open {
		return strings.HasPrefix(key, p.text)
	}
	return key == p.text
}

// queuePrefix returns how the keys of the queue begin that the first key belongs to, or "" if that is not of a queue.
func queuePrefix(keys []string) string {
	if len(keys) == 0 || !strings.HasPrefix(keys[0], "asynq:{") {
		return ""
	}
	end := strings.Index(keys[0], "}:")
	if end < 0 {
		return ""
	}
	return keys[0][:end+len("}:")]
}
