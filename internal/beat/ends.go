package beat

import (
	"context"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// endsBatch is how many ends are noted before fire looks again at what is due.
const endsBatch = 256

// ends notes how tasks of schedules ended. It forgets them in the queue only when that is written down.
type ends struct {
	l     *leader
	noted map[string]int // by queue: how many of its ends are written down and not dropped yet
}

func newEnds(l *leader) *ends { return &ends{l, make(map[string]int)} }

// note notes the ends that there are, as long as nothing is due.
func (e *ends) note(ctx context.Context) error {
	queues, err := e.l.Queues.QueueNames(ctx)
	if err != nil {
		return err
	}
	for _, queue := range queues {
		for {
			more, err := e.noteSome(ctx, queue)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if err := e.l.fireDue(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteSome reports whether there may be more.
func (e *ends) noteSome(ctx context.Context, queue string) (more bool, err error) {
	list, err := e.l.Queues.Ends(ctx, e.l.term, queue, e.noted[queue], endsBatch)
	if err != nil {
		return false, err
	}
	e.noted[queue] = 0
	if len(list) == 0 {
		return false, nil
	}
	for i, end := range list {
		if e.l.owes(end.TaskID) {
			list = list[:i] // its run is not in the history yet; the ticker comes back to it
			break
		}
	}
	if err := e.apply(ctx, list); err != nil {
		return false, err
	}
	e.noted[queue] = len(list)
	return len(list) > 0, nil
}

func (e *ends) apply(ctx context.Context, list []schedule.End) error {
	bySchedule := make(map[string][]schedule.End)
	for _, end := range list {
		bySchedule[end.ScheduleID] = append(bySchedule[end.ScheduleID], end)
	}
	for len(bySchedule) > 0 {
		steps, err := e.steps(ctx, bySchedule)
		if err != nil || len(steps) == 0 {
			return err
		}
		if err := e.l.land(ctx, e.l.launch(ctx, steps)); err != nil {
			return err
		}
		// What was written is not unfinished any more, and so makes no further step; what was not is tried again.
	}
	return nil
}

// steps makes a step of each schedule that the ends are news to.
func (e *ends) steps(ctx context.Context, bySchedule map[string][]schedule.End) ([]*schedule.Step, error) {
	list, err := e.schedules(ctx, bySchedule)
	if err != nil {
		return nil, err
	}
	now := e.l.Journal.Now()
	var steps []*schedule.Step
	for _, loaded := range list {
		step := e.l.step(loaded)
		for _, end := range bySchedule[loaded.ID] {
			step.ended(end, now)
		}
		if len(step.Ends) > 0 {
			steps = append(steps, &step.Step)
		}
	}
	return steps, nil
}

// schedules returns those that are held, and reads the others.
func (e *ends) schedules(ctx context.Context, bySchedule map[string][]schedule.End) ([]*schedule.Loaded, error) {
	var list []*schedule.Loaded
	var missing []string
	for id := range bySchedule {
		if held := e.l.upcoming.held(id); held != nil {
			list = append(list, held)
		} else if id != "" {
			missing = append(missing, id)
		}
	}
	read, err := e.l.Journal.Load(ctx, missing)
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
