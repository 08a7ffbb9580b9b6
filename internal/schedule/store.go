package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// Store keeps schedules. Errors have the codes of package task; CodeUnavailable is the one that any call may return.
type Store interface {
	// Now is the time by the clock that all who share the store go by.
	Now() time.Time
	// Get returns a schedule. Error: CodeNotFound.
	Get(ctx context.Context, id string) (*Schedule, error)
	// List returns schedules by id, limit of them, from the first after the cursor, and the cursor of the next page;
	// "" begins and ends.
	List(ctx context.Context, cursor string, limit int) (list []*Schedule, next string, err error)
	// Missing returns those of the ids under which there is no schedule.
	Missing(ctx context.Context, ids []string) ([]string, error)
	// Update replaces the schedule by what change makes of it, in one step: should it have been changed meanwhile,
	// change is called again with what it is now. The current one is nil if there is none. A change that returns its
	// argument or an error changes nothing. Runs are added to the history.
	Update(ctx context.Context, id string, change func(current *Schedule) (*Schedule, []Run, error)) (*Schedule, error)
	// Delete drops a schedule and all that is kept for it, unless check, nil for none, returns an error for what it is
	// then. When it returns, no task of it will be made any more. Error: CodeNotFound.
	Delete(ctx context.Context, id string, check func(current *Schedule) error) error
	// Runs returns the newest runs of a schedule, newest first. Error: CodeNotFound.
	Runs(ctx context.Context, id string, limit int) ([]Run, error)
	// Count returns how many schedules there are, and when the next is due; zero if none is.
	Count(ctx context.Context) (n int, next time.Time, err error)
}

// Loaded is a schedule as a store had it. The store knows by Version whether it has been changed since.
type Loaded struct {
	*Schedule
	Version string
	// Broken is why a stored schedule cannot be read; Schedule has only an ID then.
	Broken error
}

// Step is one change of a schedule by the leader: its new state, its ticks for the outbox, and its runs for the history.
type Step struct {
	*Loaded
	Entries   []*OutboxEntry
	Runs      []Run // that are no tasks
	NewMissed int64 // how many ticks this adds to those missed; Runs tells of the newest of them
	Ends      []End
}

// stateSize is about how many bytes a State needs without its Unfinished, and runSize a run in the history or an id there.
const (
	stateSize = 300
	runSize   = 150
)

// Size is about how many bytes it takes to write the step down.
func (s *Step) Size() int {
	size := 2*len(s.Version) + stateSize + runSize*(len(s.Entries)+len(s.Runs)+len(s.Ends))
	for _, e := range s.Entries {
		size += len(e.Message)
	}
	return size
}

// Queue is where the tasks of the step go, "" if it makes none. They all go to one queue.
func (s *Step) Queue() string {
	if len(s.Entries) == 0 {
		return ""
	}
	return s.Entries[0].Queue
}

// OutboxEntry is a tick in the outbox: committed, not yet enqueued.
type OutboxEntry struct {
	ScheduleID string
	Run        Run
	// Queue is where the task goes, and Message the task as the queue keeps it.
	Queue   string
	Message []byte
}

// Batch is the ticks that one commit adds to the outbox. They are enqueued together and acknowledged together, under an id
// that no other batch ever has.
type Batch struct {
	ID      string
	Entries []*OutboxEntry
}

// Size is about how many bytes the batch takes.
func (b *Batch) Size() (size int) {
	for _, e := range b.Entries {
		size += len(e.Message) + runSize
	}
	return size
}

// End is how a task of a schedule ended.
type End struct {
	ScheduleID string
	TaskID     string
	State      task.State // canceled also for a task that was deleted before it ended
}

// Journal is the leader's view of the store: it moves schedules on and adds their ticks to the outbox in the same step.
type Journal interface {
	Now() time.Time
	// Advance tells of a time that has been: if the clock is behind it, because it was set back since, Now goes on from
	// there. It does not if that is days ahead.
	Advance(t time.Time)
	// Due returns the ids of schedules that are due from one time until before another, earliest first, limit of them
	// or all for -1. A schedule with ticks in the outbox may be found at a time when it was due before: what Load returns
	// is true.
	Due(ctx context.Context, from, until time.Time, limit int) ([]string, error)
	// Load returns the schedules with the ids, in order, and nil for those that are gone.
	Load(ctx context.Context, ids []string) ([]*Loaded, error)
	// Commit writes steps down, each unless its schedule has been changed since it was loaded, and reports for each
	// whether it was written; those that were have their new Version then. Their ticks, if any, become a batch
	// with the id in the outbox. It fails with ErrDeposed, and writes nothing, if another has led since the term, and with ErrRefused if
	// the store is in order but does not take these steps.
	Commit(ctx context.Context, term int64, batch string, steps []*Step) (written []bool, err error)
	// Outbox returns some of the batches that are committed and not yet acknowledged, and the cursor for the next
	// of them; 0 begins and ends. Those that cannot be read are in broken.
	Outbox(ctx context.Context, cursor uint64) (list []*Batch, broken []error, next uint64, err error)
	// Ack removes an enqueued batch from the outbox and adds its ticks to the history. ErrDeposed as for Commit.
	Ack(ctx context.Context, term int64, batch *Batch) error
	// Changes sends the ids of changed schedules, and "" when notifications may have been missed, until ctx ends.
	Changes(ctx context.Context) <-chan string
}

// ErrDeposed says that another leads by now.
var ErrDeposed = errors.New("another leads by now")

// ErrRefused says that a store does not take what is to be written, though it takes other things.
var ErrRefused = errors.New("the store refuses this")
