package beat

import (
	"context"
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
	// batch is how many schedules move on in one step of the store.
	batch = 256
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
	upcoming *upcoming
	flying   sync.WaitGroup // what launch has begun

	committed chan []*schedule.Owed // to become tasks
	enqueued  chan []*schedule.Owed // to be struck off
	log       tickLog
	busy      atomic.Bool // more is due than one batch

	mu    sync.Mutex
	owing map[string]bool // ids of tasks that are committed and not struck off
	shown map[string]bool // ids of schedules that asynq's tools show
}

func newLeader(cfg Config, term int64, valid func() bool) *leader {
	return &leader{
		Config:    cfg,
		term:      term,
		valid:     valid,
		loaded:    make(chan []*schedule.Loaded),
		upcoming:  newUpcoming(),
		committed: make(chan []*schedule.Owed, inFlight),
		enqueued:  make(chan []*schedule.Owed, inFlight),
		log:       tickLog{logger: cfg.Logger},
		owing:     make(map[string]bool),
		shown:     make(map[string]bool),
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
	slices.SortFunc(owed, func(a, b *schedule.Owed) int { return a.Run.Tick.Compare(b.Run.Tick) })
	for part := range slices.Chunk(owed, batch) {
		if err := l.settle(ctx, part); err != nil {
			return err
		}
	}
	if len(owed) > 0 {
		l.Logger.Info("ticks that an earlier leader owed have become tasks", "ticks", len(owed))
	}
	if unread > 0 {
		return nil
	}
	return l.Queues.ForgetTicks(ctx, l.term)
}

// allOwed returns the ticks that are owed, and how many of them cannot be read.
func (l *leader) allOwed(ctx context.Context) (owed []*schedule.Owed, unread int, err error) {
	seen := make(map[string]bool) // the store may tell of one twice
	for cursor := uint64(0); ; {
		list, broken, next, err := l.Journal.Owed(ctx, cursor)
		if err != nil {
			return nil, 0, err
		}
		for _, o := range list {
			if !seen[o.Run.TaskID] {
				seen[o.Run.TaskID] = true
				owed = append(owed, o)
			}
		}
		for _, err := range broken {
			l.Logger.Error("a tick that is owed cannot be read, and is set aside", "error", err)
		}
		unread += len(broken)
		if cursor = next; cursor == 0 {
			return owed, unread, nil
		}
	}
}

// settle makes tasks of ticks and strikes them off.
func (l *leader) settle(ctx context.Context, owed []*schedule.Owed) error {
	if err := l.makeTasks(ctx, owed); err != nil {
		return err
	}
	return l.strikeOff(ctx, owed)
}

// makeTasks makes tasks of ticks, and tells the meter how late these are.
func (l *leader) makeTasks(ctx context.Context, owed []*schedule.Owed) error {
	if err := l.Queues.EnqueueTicks(ctx, l.term, owed); err != nil {
		return err
	}
	now := l.Journal.Now()
	for _, o := range owed {
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
		case owed := <-l.committed:
			if !l.valid() {
				return schedule.ErrDeposed
			}
			if err := l.makeTasks(ctx, owed); err != nil {
				return fmt.Errorf("enqueue %d ticks: %w", len(owed), err)
			}
			select {
			case l.enqueued <- owed:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// strike strikes off what has become a task. That can wait while many ticks are due: they must not be late for it.
func (l *leader) strike(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case owed := <-l.enqueued:
			for l.busy.Load() && len(l.enqueued) < cap(l.enqueued)/2 && pause(ctx, time.Millisecond) {
			}
			if err := l.strikeOff(ctx, owed); err != nil {
				return fmt.Errorf("strike off %d ticks: %w", len(owed), err)
			}
			l.noLongerOwing(owed)
		}
	}
}

func (l *leader) strikeOff(ctx context.Context, owed []*schedule.Owed) error {
	if err := l.Journal.Strike(ctx, l.term, owed); err != nil {
		return err
	}
	if err := l.Queues.Struck(ctx, owed); err != nil {
		return err
	}
	var shown []*schedule.Owed
	l.mu.Lock()
	for _, o := range owed {
		if l.shown[o.ScheduleID] {
			shown = append(shown, o)
		}
	}
	l.mu.Unlock()
	if len(shown) == 0 {
		return nil
	}
	return l.Queues.Enqueued(ctx, shown)
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
