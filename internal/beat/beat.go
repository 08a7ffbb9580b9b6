package beat

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

// Beat turns schedules into tasks while it leads.
type Beat struct {
	cfg Config
	// doubts counts, over terms, how often the store has refused steps of a schedule, so that a schedule that is always
	// refused does not stop the others.
	doubts map[string]int
}

// Config is what a Beat works with. All of it is needed, but for Schedules and Meter.
type Config struct {
	Journal schedule.Journal
	Store   schedule.Store
	Queues  Queues
	Types   *catalog.Catalog
	// Schedules are those of the configuration file. They are written to the store when a term begins.
	Schedules []Configured
	Logger    *slog.Logger
	// Meter counts the outcomes of ticks. Default: none.
	Meter Meter
}

// Configured is a schedule of the configuration file.
type Configured struct {
	ID     string
	Spec   schedule.Spec
	Paused bool
}

// Queues is where ticks become tasks, and where the beat reads how those ended. Calls with a term fail with
// schedule.ErrDeposed once a later leader has called Fence.
type Queues interface {
	// Encode returns a task as a queue keeps it.
	Encode(t *task.Task) []byte
	// Fence shuts out the leaders of earlier terms, from each queue that can be reached.
	Fence(ctx context.Context, term int64) error
	// EnqueueTicks puts the tasks of a batch into their queues. Repeated calls for a batch have no effect, until Acked says
	// that the batch is out of the outbox and will not be enqueued again. ForgetTicks is Acked for all batches that earlier
	// leaders have enqueued.
	EnqueueTicks(ctx context.Context, term int64, batch *schedule.Batch) error
	Acked(ctx context.Context, batch *schedule.Batch) error
	ForgetTicks(ctx context.Context, term int64) error
	// Ends drops the oldest ends of a queue's tasks and returns the next. EndsOf says that there are some;
	// its channel is closed when ctx has ended.
	Ends(ctx context.Context, term int64, queue string, drop, limit int) ([]schedule.End, error)
	EndsOf(ctx context.Context) <-chan struct{}
	// States returns the states of tasks, "" for those that are gone. With an error it tells those that it could find.
	States(ctx context.Context, ids []string) ([]task.State, error)
	// QueueNames returns the names of all queues, or of those that are known if not all can be read.
	QueueNames(ctx context.Context) []string
	// Show shows schedules in asynq's own tools until an instant or until Hide. Enqueued adds to what they tell of one.
	Show(ctx context.Context, list []*schedule.Schedule, until time.Time) error
	Hide(ctx context.Context) error
	Enqueued(ctx context.Context, entries []*schedule.OutboxEntry) error
}

// New returns a Beat. It does nothing before Lead.
func New(cfg Config) *Beat {
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	return &Beat{cfg, make(map[string]int)}
}

// Lead does the leader's work for a term until ctx ends, valid reports that the term cannot be trusted any more, or
// something fails. After any failure, the next term begins with the outbox.
func (b *Beat) Lead(ctx context.Context, term int64, valid func() bool) error {
	ctx, cancel := context.WithCancel(ctx)
	l := newLeader(b.cfg, b.doubts, term, valid)
	defer l.running.Wait()
	defer cancel()
	if err := l.takeOver(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	var parts sync.WaitGroup
	var failed atomic.Pointer[error]
	for _, part := range []func(context.Context) error{l.load, l.fire, l.enqueue, l.ack, l.readEnds, l.show, l.replan, l.configure} {
		parts.Go(func() {
			// What fails because ctx has ended is no failure.
			if err := ignoreEnd(ctx, part(ctx)); err != nil {
				failed.CompareAndSwap(nil, &err)
				cancel() // and with it the others
			}
		})
	}
	parts.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// ignoreEnd returns nil for an error that came because the term is over.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
