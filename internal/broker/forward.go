package broker

import (
	"context"
	"time"
)

const (
	forwardBatch = 500
	// forwardInterval is how soon a due task is seen that nobody told of.
	forwardInterval = time.Second
)

// bells wake the loop of a queue that waits for its own.
type bells map[string]chan struct{}

func newBells(queues []Queue) bells {
	b := make(bells, len(queues))
	for _, q := range queues {
		b[q.Name] = make(chan struct{}, 1)
	}
	return b
}

// ring wakes the loop of the queue; "" wakes all.
func (b bells) ring(queue string) {
	for name, bell := range b {
		if queue == "" || queue == name {
			select {
			case bell <- struct{}{}:
			default: // it is awake already
			}
		}
	}
}

// forward moves tasks of a queue whose time has come, when it has come: it sleeps until the next one is due, or until
// an earlier one comes in.
func (s *Server) forward(ctx context.Context, queue string) {
	for ctx.Err() == nil {
		next, err := forwardScript.run(ctx, s.rdb, queue, []string{dueKey(queue)}, forwardBatch).Int64()
		wait := forwardInterval
		switch {
		case err != nil:
			if ctx.Err() == nil {
				s.cfg.Logger.Debug("due tasks not forwarded", "queue", queue, "error", err)
			}
		case next == 1:
			continue
		case next > 0:
			wait = min(wait, time.Until(time.UnixMilli(next)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.due[queue]:
		}
		timer.Stop()
	}
}
