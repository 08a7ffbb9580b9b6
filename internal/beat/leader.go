package beat

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

const (
	// horizon is how long before they are due schedules are loaded: reading and decoding them takes longer than planning.
	horizon = 10 * time.Second
	// held is how long before they are due schedules are kept that have just moved on: longer than the horizon, for until
	// its ticks are struck off a schedule is not found by the time at which it is due next.
	held = 2 * horizon
	// batchSize is how many schedules move on in one step of the store, maxTicks how many ticks they owe at most unless it is
	// one schedule alone, and maxBytes how large these are.
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

	batchPrefix string // of the ids of this leader's batches
	batches     int    // how many there are

	committed chan *schedule.Batch // to become tasks
	enqueued  chan *schedule.Batch // to be struck off
	log       tickLog
	busy      atomic.Bool // fire moves on what is due

	mu    sync.Mutex
	owing map[string]bool // ids of tasks that are committed and not struck off
	shown map[string]bool // ids of schedules that asynq's tools show
}

func newLeader(cfg Config, term int64, valid func() bool) *leader {
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
		log:         tickLog{logger: cfg.Logger},
		owing:       make(map[string]bool),
		shown:       make(map[string]bool),
	}
}

// takeOver shuts out earlier leaders and makes tasks of what they still owed. Whatever they did before they died, they
// cannot do more; so what is not owed after this has become a task once.
func (l *leader) takeOver(ctx context.Context) error {
	if err := l.Queues.Fence(ctx, l.term); err != nil {
		return err
	}
	owed, unread, err := l.allOwed(ctx)
	if err != nil {
		return err
	}
	// A schedule is never in two batches that fired at the same time.
	slices.SortFunc(owed, func(a, b *schedule.Batch) int { return a.Owed[0].Run.FiredAt.Compare(b.Owed[0].Run.FiredAt) })
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
	if unread > 0 {
		return nil
	}
	return l.Queues.ForgetTicks(ctx, l.term)
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

// settle makes tasks of a batch and strikes it off.
func (l *leader) settle(ctx context.Context, batch *schedule.Batch) error {
	if err := l.makeTasks(ctx, batch); err != nil {
		return err
	}
	return l.strikeOff(ctx, batch)
}

// makeTasks makes tasks of a batch, and tells the meter how late these are.
func (l *leader) makeTasks(ctx context.Context, batch *schedule.Batch) error {
	if err := l.Queues.EnqueueTicks(ctx, l.term, batch); err != nil {
		return err
	}
	now := l.Journal.Now()
	for _, o := range batch.Owed {
		due := o.Run.FiredAt.Add(-o.Run.Lateness)
		l.Meter.Late(now.Sub(due))
	}
	return nil
}

// enqueue makes tasks of what has been committed.
func (l *leader) enqueue(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case batch := <-l.committed:
			if !l.valid() {
				return schedule.ErrDeposed
			}
			if err := l.makeTasks(ctx, batch); err != nil {
				return fmt.Errorf("enqueue %d ticks: %w", len(batch.Owed), err)
			}
			select {
			case l.enqueued <- batch:
			case <-ctx.Done():
				return nil
			}
		}
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
			for (l.busy.Load() || len(l.committed) > 0) && len(l.enqueued) < cap(l.enqueued)/2 && pause(ctx, time.Millisecond) {
			}
			if err := l.strikeOff(ctx, batch); err != nil {
				return fmt.Errorf("strike off %d ticks: %w", len(batch.Owed), err)
			}
			l.noLongerOwing(batch.Owed)
		}
	}
}

// strikeOff strikes a batch off. A deletion may go on as soon as that is done, and drops what asynq's tools are told: they
// are told before.
func (l *leader) strikeOff(ctx context.Context, batch *schedule.Batch) error {
	if shown := l.shownOf(batch.Owed); len(shown) > 0 {
		if err := l.Queues.Enqueued(ctx, shown); err != nil {
			return err
		}
	}
	if err := l.Journal.Strike(ctx, l.term, batch); err != nil {
		return err
	}
	return l.Queues.Struck(ctx, batch)
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
