package beat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

const (
	// endsBatch is how many ends are noted before fire looks again at what is due.
	endsBatch = 256
	// endsReaders is how many queues are read at a time.
	endsReaders = 16
	// endsTimeout bounds how long one queue may keep the ends of others waiting, and endsRest is how long one is left alone
	// that could not be read.
	endsTimeout = 2 * time.Second
	endsRest    = 10 * time.Second
)

// endsRead is ends that have been read from a queue, and where to tell how many of them are written down.
type endsRead struct {
	list  []schedule.End
	noted chan int
}

// endsReader reads how tasks of schedules ended, for fire to note. It forgets them in the queue only when that is
// written down.
type endsReader struct {
	*leader
	mu     sync.Mutex
	states map[string]*queueEnds
}

// queueEnds is what is known of a queue.
type queueEnds struct {
	noted      int       // how many of its ends are written down and not dropped yet
	restsUntil time.Time // when it is read again after it could not be
}

// readEnds reads ends from all queues. One that cannot be reached hinders neither the others nor fire.
func (l *leader) readEnds(ctx context.Context) error {
	r := &endsReader{leader: l, states: make(map[string]*queueEnds)}
	ctx, cancel := context.WithCancel(ctx)
	ended := l.Queues.EndsOf(ctx)
	defer func() {
		cancel()
		for range ended { // until the subscription has ended
		}
	}()
	look := time.NewTicker(loadInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
		case <-look.C:
		}
		if err := r.readAll(ctx); err != nil {
			return err
		}
	}
}

func (r *endsReader) readAll(ctx context.Context) error {
	queues := r.Queues.QueueNames(ctx)
	next := make(chan string)
	deposed := make(chan error, endsReaders)
	var readers sync.WaitGroup
	for range min(endsReaders, len(queues)) {
		readers.Go(func() {
			for queue := range next {
				if err := r.tryQueue(ctx, queue); err != nil {
					deposed <- err
					break
				}
			}
			for range next { // the others are of no use any more
			}
		})
	}
	for _, queue := range queues {
		next <- queue
	}
	close(next)
	readers.Wait()
	select {
	case err := <-deposed:
		return err
	default:
		return nil
	}
}

// tryQueue reads ends of a queue, unless that has failed a short time ago. An error ends the term.
func (r *endsReader) tryQueue(ctx context.Context, queue string) error {
	state := r.stateOf(queue)
	if time.Now().Before(state.restsUntil) {
		return nil
	}
	err := r.readQueue(ctx, queue, state)
	if errors.Is(err, schedule.ErrDeposed) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		r.Logger.Warn("how tasks of schedules ended cannot be read", "queue", queue, "error", err)
		// They may be dropped already; whoever notes an end twice notes nothing new.
		*state = queueEnds{restsUntil: time.Now().Add(endsRest)}
	}
	return nil
}

// stateOf returns what is known of a queue, which only one reads at a time.
func (r *endsReader) stateOf(queue string) *queueEnds {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states[queue] == nil {
		r.states[queue] = &queueEnds{}
	}
	return r.states[queue]
}

// readQueue reads ends of a queue until there are no more, or none that can be noted yet.
func (r *endsReader) readQueue(ctx context.Context, queue string, state *queueEnds) error {
	for {
		list, err := r.read(ctx, queue, state.noted)
		if err != nil {
			return err
		}
		state.noted = 0
		if len(list) == 0 {
			return nil
		}
		read := endsRead{list, make(chan int, 1)}
		select {
		case r.ended <- read:
		case <-ctx.Done():
			return nil
		}
		select {
		case state.noted = <-read.noted:
		case <-ctx.Done():
			return nil
		}
		if state.noted == 0 {
			return nil
		}
	}
}

func (r *endsReader) read(ctx context.Context, queue string, noted int) ([]schedule.End, error) {
	ctx, cancel := context.WithTimeout(ctx, endsTimeout)
	defer cancel()
	return r.Queues.Ends(ctx, r.term, queue, noted, endsBatch)
}

// noteEnds writes ends down, and tells the reader how many.
func (l *leader) noteEnds(ctx context.Context, read endsRead) error {
	list := read.list
	for i, end := range list {
		if l.inOutbox(end.TaskID) {
			list = list[:i] // its run is not in the history yet; the reader comes back to it
			break
		}
	}
	if err := l.applyEnds(ctx, list); err != nil {
		return err
	}
	read.noted <- len(list)
	return nil
}

func (l *leader) applyEnds(ctx context.Context, list []schedule.End) error {
	bySchedule := make(map[string][]schedule.End)
	for _, end := range list {
		bySchedule[end.ScheduleID] = append(bySchedule[end.ScheduleID], end)
	}
	for len(bySchedule) > 0 {
		steps, err := l.endSteps(ctx, bySchedule)
		if err != nil || len(steps) == 0 {
			return err
		}
		for _, part := range l.parts(steps) {
			if err := l.receive(ctx, l.send(ctx, part)); err != nil {
				return err
			}
		}
		// What was written is not unfinished any more, and so makes no further step; what was not is tried again.
	}
	return nil
}

// endSteps makes a step of each schedule that the ends are news to.
func (l *leader) endSteps(ctx context.Context, bySchedule map[string][]schedule.End) ([]*schedule.Step, error) {
	list, err := l.schedulesOf(ctx, bySchedule)
	if err != nil {
		return nil, err
	}
	now := l.Journal.Now()
	var steps []*schedule.Step
	for _, loaded := range list {
		step := l.step(loaded)
		for _, end := range bySchedule[loaded.ID] {
			step.ended(end, now)
		}
		if len(step.Ends) > 0 && l.doubts[loaded.ID] <= maxDoubts {
			steps = append(steps, &step.Step)
		}
	}
	return steps, nil
}

// schedulesOf returns the schedules that are held, and reads the others.
func (l *leader) schedulesOf(ctx context.Context, bySchedule map[string][]schedule.End) ([]*schedule.Loaded, error) {
	var list []*schedule.Loaded
	var missing []string
	for id := range bySchedule {
		if held := l.upcoming.held(id); held != nil {
			list = append(list, held)
		} else if id != "" {
			missing = append(missing, id)
		}
	}
	read, err := l.Journal.Load(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, loaded := range read {
		if loaded != nil && loaded.Broken == nil {
			list = append(list, loaded)
		}
	}
	return list, nil
}
