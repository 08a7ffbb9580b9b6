package beat

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// horizon is how long before they are due schedules are loaded: reading and decoding them takes longer than planning.
	horizon = 10 * time.Second
	// held is how long before it is due a schedule that has just moved on is kept: longer than the horizon, because the
	// index has its next due time only after its ticks are acknowledged.
	held = 2 * horizon
	// batchSize bounds the schedules of one commit, maxTicks its ticks unless it has a single schedule, and maxBytes its
	// bytes unless it has a single tick.
	batchSize = 256
	maxTicks  = 512
	maxBytes  = 4 << 20
	// maxSent is how many commits may be in flight: enough for the store never to wait.
	maxSent = 3
	// inFlight is how many batches may wait for the next part.
	inFlight = 1024
)

// leader is a Beat for one term. Its parts pass schedules and ticks on:
//
//	load ──▶ fire ──▶ enqueue ──▶ ack
//
// Only fire changes what is upcoming, and so needs no lock for it.
type leader struct {
	Config
	term  int64
	valid func() bool // whether the term can still be trusted

	loaded       chan []*schedule.Loaded // read ahead of time
	missedChange chan struct{}           // a notification of a change may have been missed
	upcoming     *upcoming
	running      sync.WaitGroup // goroutines of send and retryQueue

	doubts      map[string]int // by schedule: how often the store has refused a step of it; see Beat
	batchPrefix string         // of the ids of this leader's batches
	batches     int            // how many there are

	committed   chan *schedule.Batch // to be enqueued
	enqueued    chan *schedule.Batch // to be acknowledged
	outbox      *outbox
	backlog     backlog
	retryFailed chan error                             // the term is over, as a retry has found
	waiting     map[string]map[string]*schedule.Loaded // by queue and id: schedules whose queue cannot be reached
	ended       chan endsRead
	verifyAfter time.Time // when queues are asked again that could not be
	log         tickLog
	busy        atomic.Bool // fire moves on what is due

	mu      sync.Mutex
	unacked map[string]bool // ids of tasks that are committed and not yet acknowledged
	shown   map[string]bool // ids of schedules that asynq's tools show
}

func newLeader(cfg Config, doubts map[string]int, term int64, valid func() bool) *leader {
	return &leader{
		Config:       cfg,
		term:         term,
		valid:        valid,
		loaded:       make(chan []*schedule.Loaded),
		missedChange: make(chan struct{}, 1),
		upcoming:     newUpcoming(),
		// The number of a term alone would not do: a Redis that has lost its last second may give it once more.
		batchPrefix: fmt.Sprintf("%d-%s-", term, rand.Text()[:8]),
		committed:   make(chan *schedule.Batch, inFlight),
		enqueued:    make(chan *schedule.Batch, inFlight),
		outbox:      newOutbox(),
		backlog:     backlog{batches: make(map[string][]*schedule.Batch)},
		retryFailed: make(chan error, 1),
		waiting:     make(map[string]map[string]*schedule.Loaded),
		ended:       make(chan endsRead),
		doubts:      doubts,
		log:         tickLog{logger: cfg.Logger},
		unacked:     make(map[string]bool),
		shown:       make(map[string]bool),
	}
}

// takeOver fences earlier leaders and enqueues the outbox that they left. After the fence they can enqueue no more, so a
// committed tick that is not in the outbox has become a task once. An unreachable queue is fenced with the first ticks that
// are put into it.
func (l *leader) takeOver(ctx context.Context) error {
	err := inTime(ctx, func(ctx context.Context) error { return l.Queues.Fence(ctx, l.term) })
	if errors.Is(err, schedule.ErrDeposed) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		l.Logger.Warn("queues cannot be reached; ticks for them will wait", "error", err)
	}
	batches, unread, err := l.allInOutbox(ctx)
	if err != nil {
		return err
	}
	// A schedule is never in two batches that fired at the same time.
	slices.SortFunc(batches, func(a, b *schedule.Batch) int {
		first, second := a.Entries[0].Run, b.Entries[0].Run
		return cmp.Or(first.FiredAt.Compare(second.FiredAt), first.Tick.Compare(second.Tick))
	})
	ticks := 0
	for _, batch := range batches {
		if err := l.enqueueAndAck(ctx, batch); err != nil {
			return err
		}
		ticks += len(batch.Entries)
	}
	if ticks > 0 {
		l.Logger.Info("outbox of an earlier leader enqueued", "ticks", ticks)
	}
	if unread > 0 || !l.backlog.empty() {
		return nil
	}
	err = inTime(ctx, func(ctx context.Context) error { return l.Queues.ForgetTicks(ctx, l.term) })
	if err != nil && !errors.Is(err, schedule.ErrDeposed) {
		l.Logger.Debug("old batches of ticks are not forgotten", "error", err) // costs only memory
		return nil
	}
	return err
}

// allQueuesTimeout bounds how long a new leader waits for queues that may not answer.
const allQueuesTimeout = 3 * time.Second

func inTime(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, allQueuesTimeout)
	defer cancel()
	return call(ctx)
}

// allInOutbox returns the batches in the outbox, and how many others cannot be read.
func (l *leader) allInOutbox(ctx context.Context) (batches []*schedule.Batch, unread int, err error) {
	seen := make(map[string]bool) // the store may return one twice
	for cursor := uint64(0); ; {
		list, broken, next, err := l.Journal.Outbox(ctx, cursor)
		if err != nil {
			return nil, 0, err
		}
		for _, batch := range list {
			if !seen[batch.ID] {
				seen[batch.ID] = true
				batches = append(batches, batch)
			}
		}
		for _, err := range broken {
			l.Logger.Error("a batch in the outbox cannot be read and is skipped", "error", err)
		}
		unread += len(broken)
		if cursor = next; cursor == 0 {
			return batches, unread, nil
		}
	}
}

// enqueueAndAck enqueues a batch and acknowledges it, or leaves both for later if its queue is unreachable.
func (l *leader) enqueueAndAck(ctx context.Context, batch *schedule.Batch) error {
	l.addTasks(batch.Entries)
	l.outbox.add(batch.Size())
	if err := l.enqueueBatch(ctx, batch); err != nil {
		return err
	}
	select {
	case done := <-l.enqueued:
		return l.complete(ctx, done)
	default:
		return nil
	}
}

// ack acknowledges enqueued batches. It waits while ticks are being enqueued, so that it does not make them late.
func (l *leader) ack(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case batch := <-l.enqueued:
			for l.mayWait() && pause.For(ctx, time.Millisecond) {
			}
			if err := l.complete(ctx, batch); err != nil {
				return fmt.Errorf("acknowledge %d ticks: %w", len(batch.Entries), err)
			}
		}
	}
}

// mayWait reports whether acknowledgements should wait at the moment.
func (l *leader) mayWait() bool {
	return (l.busy.Load() || len(l.committed) > 0) && len(l.enqueued) < cap(l.enqueued)/2 && !l.outbox.halfFull()
}

// complete acknowledges a batch and forgets it.
func (l *leader) complete(ctx context.Context, batch *schedule.Batch) error {
	if err := l.acknowledge(ctx, batch); err != nil {
		return err
	}
	l.removeTasks(batch.Entries)
	l.outbox.remove(batch.Size())
	return nil
}

// acknowledge removes a batch from the outbox. asynq's tools are updated before that, because a waiting deletion goes on as
// soon as the batch is removed, and drops their entries.
func (l *leader) acknowledge(ctx context.Context, batch *schedule.Batch) error {
	if shown := l.shownOf(batch.Entries); len(shown) > 0 {
		if err := l.Queues.Enqueued(ctx, shown); err != nil { // it is only shown
			l.Logger.Debug("ticks not shown in asynq's tools", "error", err)
		}
	}
	if err := l.Journal.Ack(ctx, l.term, batch); err != nil {
		return err
	}
	err := l.Queues.Acked(ctx, batch)
	if task.CodeOf(err) == task.CodeUnavailable {
		// The queue has become unreachable since it got its ticks. Its record of the batch takes a little memory until the
		// next leader drops it.
		l.Logger.Debug("a queue does not forget its ticks", "error", err)
		return nil
	}
	return err
}

// shownOf returns the ticks of schedules that asynq's tools show.
func (l *leader) shownOf(entries []*schedule.OutboxEntry) (shown []*schedule.OutboxEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if l.shown[e.ScheduleID] {
			shown = append(shown, e)
		}
	}
	return shown
}

func (l *leader) addTasks(entries []*schedule.OutboxEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.unacked[e.Run.TaskID] = true
	}
}

func (l *leader) removeTasks(entries []*schedule.OutboxEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		delete(l.unacked, e.Run.TaskID)
	}
}

func (l *leader) inOutbox(taskID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unacked[taskID]
}
