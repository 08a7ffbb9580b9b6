package script

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/luascript"
)

var fetchScript = named("fetch")

// Fetch is what a worker asks of a queue.
type Fetch struct {
	Queue    string
	Worker   string
	MaxTasks int
	MaxBytes int      // of messages, after which no more are taken
	Apart    bool     // the worker has a task already that must run apart from its like
	Parked   []string // types that the worker knows and that tasks wait for: those tasks come first
}

// Fetched is what a fetch brought.
type Fetched struct {
	Tasks    []FetchedTask
	Canceled []string // types of the tasks that were ended as canceled
	Expired  []string // likewise
	Dropped  []string // ids of tasks that were dropped because their keys hold no task
	Stuck    string   // the newest error because of which a task stays, "" for none
	More     bool     // there may be more tasks
	Paused   bool     // the queue is paused
	Waiting  []string // types that tasks wait for a worker of
	Err      error    // of the whole fetch
}

// FetchedTask is a task that a worker has fetched.
type FetchedTask struct {
	ID, Message string
	Attempt     int
	Crashes     int // how often a worker has died with the task
}

// FetchAll takes the oldest tasks of queues for a worker, in one round trip. The queues must live on one node. Each reply has its
// own error.
func FetchAll(ctx context.Context, rdb redis.UniversalClient, fetches []Fetch) []Fetched {
	calls := make([]luascript.Call, len(fetches))
	for i := range fetches {
		calls[i] = fetches[i].call()
	}
	replies := make([]Fetched, len(fetches))
	for i, cmd := range fetchScript.RunAll(ctx, rdb, calls) {
		replies[i] = fetchedOf(cmd.Slice())
	}
	return replies
}

func (f *Fetch) call() luascript.Call {
	apart := "0"
	if f.Apart {
		apart = "1"
	}
	args := []any{f.Worker, f.MaxTasks, f.MaxBytes, apart}
	for _, name := range f.Parked {
		args = append(args, name)
	}
	q := f.Queue
	keys := []string{wire.PendingKey(q), wire.PausedKey(q), wire.ActiveKey(q), wire.LeaseKey(q)}
	return luascript.Call{Keys: keys, Args: withPrefixes(q, args)}
}

func fetchedOf(reply []any, err error) Fetched {
	const head = 6 // elements before the tasks
	if err != nil || len(reply) < head {
		return Fetched{Err: err}
	}
	f := Fetched{
		Canceled: wire.TypesOf(reply[0]), Expired: wire.TypesOf(reply[1]), Dropped: texts(reply[2]), Stuck: text(reply[3]),
		More: number(reply[4]) > 0, Paused: number(reply[4]) < 0, Waiting: texts(reply[5]),
		Tasks: make([]FetchedTask, 0, (len(reply)-head)/4),
	}
	for i := head; i+3 < len(reply); i += 4 {
		f.Tasks = append(f.Tasks, FetchedTask{text(reply[i]), text(reply[i+1]), number(reply[i+2]), number(reply[i+3])})
	}
	return f
}
