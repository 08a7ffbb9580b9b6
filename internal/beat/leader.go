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

	"github.com/backbeat-go/backbeat/internal/schedule"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// horizon is how long before they are due schedules are loaded: reading and decoding them takes longer than planning.
	horizon = 10 * time.Second
	// held is how long before they are due schedules are kept that have just moved on: longer than the horizon, for until
	// its ticks are struck off a schedule is not found by the time at which it is due next.
	held = 2 * horizon
	// batchSize is how many schedules move on in one step of the store, maxTicks how many ticks they owe at most unless it is
	// one schedule alone, and maxBytes how many bytes it takes to write that down, unless it is one tick alone.
	batchSize = 256
	maxTicks  = 512
	maxBytes  = 4 << 20
	// flights is how many batches the store may be taking at a time: enough for it never to wait.
	flights = 3
	// inFlight is how many batches may wait for the next part of their way.
	inFlight = 1024
)

// leader is a Beat for one term. Its parts hand schedules and ticks on:
//
//	load ──▶ fire ──▶ enqueue ──▶ strike
//
// Only fire changes what is upcoming, and so needs no lock for it.
type leader struct {
	Config
	term  int64
	valid func() bool // whether the term can still be trusted

	loaded   chan []*schedule.Loaded // read ahead of time
	unheard  chan struct{}           // word of a change may have been missed
	upcoming *upcoming
	flying   sync.WaitGroup // what launch has begun

	doubts      map[string]int // by schedule: how often the store has refused a step of it; see Beat
	batchPrefix string         // of the ids of this leader's batches
	batches     int            // how many there are

	committed   chan *schedule.Batch // to become tasks
	enqueued    chan *schedule.Batch // to be struck off
	outbox      *outbox
	backlog     backlog
	retryFailed chan error                             // the term is over, as a retry has found
	waiting     map[string]map[string]*schedule.Loaded // by queue and id: schedules whose queue cannot be reached
	ended       chan endsRead
	verifyAfter time.Time // when queues are asked again that could not be
	log         tickLog
	busy        atomic.Bool // fire moves on what is due

	mu    sync.Mutex
	owing map[string]bool // ids of tasks that are committed and not struck off
	shown map[string]bool // ids of schedules that asynq's tools show
}

func newLeader(cfg Config, doubts map[string]int, term int64, valid func() bool) *leader {
	return &leader{
		Config:   cfg,
		term:     term,
		valid:    valid,
		loaded:   make(chan []*schedule.Loaded),
		unheard:  make(chan struct{}, 1),
		upcoming: newUpcoming(),
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
		owing:       make(map[string]bool),
		shown:       make(map[string]bool),
	}
}

// takeOver shuts out earlier leaders and makes tasks of what they still owed. Whatever they did before they died, they
// cannot do more; so what is not owed after this has become a task once. A queue that cannot be reached is fenced when
// the first ticks are put into it.
func (l *leader) takeOver(ctx context.Context) error {
	err := inTime(ctx, func(ctx context.Context) error { return l.Queues.Fence(ctx, l.term) })
	if errors.Is(err, schedule.ErrDeposed) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		l.Logger.Warn("queues cannot be reached; ticks for them will wait", "error", err)
	}
	owed, unread, err := l.allOwed(ctx)
	if err != nil {
		return err
	}
	// A schedule is never in two batches that fired at the same time.
	slices.SortFunc(owed, func(a, b *schedule.Batch) int {
		first, second := a.Owed[0].Run, b.Owed[0].Run
		return cmp.Or(first.FiredAt.Compare(second.FiredAt), first.Tick.Compare(second.Tick))
	})
	ticks := 0
	for _, batch := range owed {
		if err := l.settle(ctx, batch); err != nil {
			return err
		}
		ticks += len(batch.Owed)
	}
	if ticks > 0 {
		l.Logger.Info("ticks that an earlier leader owed have become tasks", "ticks", ticks)
	}
	if unread > 0 || !l.backlog.empty() {
		return nil
	}
	err = inTime(ctx, func(ctx context.Context) error { return l.Queues.ForgetTicks(ctx, l.term) })
	if err != nil && !errors.Is(err, schedule.ErrDeposed) {
		l.Logger.Debug("old batches of ticks are not forgotten", "error", err) // which only takes memory
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

// allOwed returns the batches that are owed, and how many of them cannot be read.
func (l *leader) allOwed(ctx context.Context) (owed []*schedule.Batch, unread int, err error) {
	seen := make(map[string]bool) // the store may tell of one twice
	for cursor := uint64(0); ; {
		list, broken, next, err := l.Journal.Owed(ctx, cursor)
		if err != nil {
			return nil, 0, err
		}
		for _, batch := range list {
			if !seen[batch.ID] {
				seen[batch.ID] = true
				owed = append(owed, batch)
			}
		}
		for _, err := range broken {
			l.Logger.Error("a batch of ticks that are owed cannot be read, and is set aside", "error", err)
		}
		unread += len(broken)
		if cursor = next; cursor == 0 {
			return owed, unread, nil
		}
	}
}

// settle makes tasks of a batch and strikes it off, or leaves both for later if its queue cannot be reached.
func (l *leader) settle(ctx context.Context, batch *schedule.Batch) error {
	l.nowOwing(batch.Owed)
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

// strike strikes off what has become a task. That can wait while ticks are on their way to be tasks: they must not be
// late for it.
func (l *leader) strike(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case batch := <-l.enqueued:
			for l.mayWait() && pause(ctx, time.Millisecond) {
			}
			if err := l.complete(ctx, batch); err != nil {
				return fmt.Errorf("strike off %d ticks: %w", len(batch.Owed), err)
			}
		}
	}
}

// mayWait reports whether it is better to strike nothing off at the moment.
func (l *leader) mayWait() bool {
	return (l.busy.Load() || len(l.committed) > 0) && len(l.enqueued) < cap(l.enqueued)/2 && !l.outbox.halfFull()
}

// complete strikes a batch off and forgets it.
func (l *leader) complete(ctx context.Context, batch *schedule.Batch) error {
	if err := l.strikeOff(ctx, batch); err != nil {
		return err
	}
	l.noLongerOwing(batch.Owed)
	l.outbox.remove(batch.Size())
	return nil
}

// strikeOff strikes a batch off. A deletion may go on as soon as that is done, and drops what asynq's tools are told: they
// are told before.
func (l *leader) strikeOff(ctx context.Context, batch *schedule.Batch) error {
	if shown := l.shownOf(batch.Owed); len(shown) > 0 {
		if err := l.Queues.Enqueued(ctx, shown); err != nil { // it is only shown
			l.Logger.Debug("ticks not shown in asynq's tools", "error", err)
		}
	}
	if err := l.Journal.Strike(ctx, l.term, batch); err != nil {
		return err
	}
	err := l.Queues.Struck(ctx, batch)
	if task.CodeOf(err) == task.CodeUnavailable {
		// The queue has gone out of reach since it got its ticks. What it keeps of them takes a little memory, until a
		// leader that takes over drops it.
		l.Logger.Debug("a queue does not forget its ticks", "error", err)
		return nil
	}
	return err
}

// shownOf returns the ticks of schedules that asynq's tools show.
func (l *leader) shownOf(owed []*schedule.Owed) (shown []*schedule.Owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range owed {
		if l.shown[o.ScheduleID] {
			shown = append(shown, o)
		}
	}
	return shown
}

func (l *leader) nowOwing(owed []*schedule.Owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range owed {
		l.owing[o.Run.TaskID] = true
	}
}

func (l *leader) noLongerOwing(owed []*schedule.Owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range owed {
		delete(l.owing, o.Run.TaskID)
	}
}

func (l *leader) owes(taskID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owing[taskID]
}
