package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// ackBatch is how many ends of attempts go to Redis at once.
const ackBatch = 256

var errQuit = errors.New("the worker is stopping, and Redis does not answer")

// acker writes the ends of attempts. While one batch is on its way, the ends that come together meanwhile make the
// next, so that batches are as large as the load is, and a single end goes at once.
type acker struct {
	rdb    redis.UniversalClient
	logger *slog.Logger
	meter  Meter
	quit   chan struct{} // closed when even acknowledgements have no time any more
	loop   sync.WaitGroup

	mu      sync.Mutex
	waiting []*ack
	arrived chan struct{} // holds one while acks wait
}

// ack is an end that is to be written.
type ack struct {
	attempt *attempt
	done    chan error
}

func newAcker(rdb redis.UniversalClient, cfg ServerConfig) *acker {
	return &acker{rdb: rdb, logger: cfg.Logger, meter: cfg.Meter, quit: make(chan struct{}), arrived: make(chan struct{}, 1)}
}

func (k *acker) start() { k.loop.Go(k.run) }

// stop ends the loop. What waits then is not written any more.
func (k *acker) stop() {
	close(k.quit)
	k.loop.Wait()
}

// write writes the end of an attempt, and tries until Redis has taken it: the work is done, and must not be done again
// because of an outage. asynq would try with a context that has ended. A second writing of the same end finds
// nothing to do, as does that of an attempt that was fenced off.
func (k *acker) write(a *attempt) error {
	one := &ack{a, make(chan error, 1)}
	k.mu.Lock()
	k.waiting = append(k.waiting, one)
	k.mu.Unlock()
	select {
	case k.arrived <- struct{}{}:
	default:
	}
	select {
	case err := <-one.done:
		return err
	case <-k.quit:
		return errQuit
	}
}

func (k *acker) run() {
	for {
		select {
		case <-k.quit:
			return
		case <-k.arrived:
		}
		for batch := k.take(); len(batch) > 0; batch = k.take() {
			k.deliver(batch)
		}
	}
}

func (k *acker) take() []*ack {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(len(k.waiting), ackBatch)
	batch := k.waiting[:n:n]
	k.waiting = k.waiting[n:]
	return batch
}

// deliver writes a batch, with a call for each queue, until all of it is written.
func (k *acker) deliver(batch []*ack) {
	byQueue := make(map[string][]*ack, 1)
	for _, one := range batch {
		byQueue[one.attempt.queue] = append(byQueue[one.attempt.queue], one)
	}
	for queue, acks := range byQueue {
		for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
			err := k.writeAll(queue, acks)
			if err == nil {
				break
			}
			k.logger.Warn("ends of tasks not written yet", "queue", queue, "tasks", len(acks), "error", err)
			if !sleep(k.quit, wait) {
				return
			}
		}
	}
}

func (k *acker) writeAll(queue string, acks []*ack) error {
	now := time.Now()
	args := make([]any, 0, 11*len(acks))
	for _, one := range acks {
		args = one.attempt.appendFinish(args, now)
	}
	outcomes, err := finishScript.run(context.Background(), k.rdb, queue,
		[]string{activeKey(queue), leaseKey(queue)}, args...).StringSlice()
	if err != nil {
		return err
	}
	for i, one := range acks {
		if outcomes[i] == "" {
			k.logger.Warn("attempt came too late and changed nothing", "task", one.attempt.id, "attempt", one.attempt.number)
		}
		k.count(one.attempt, task.State(outcomes[i]))
		one.done <- nil
	}
	return nil
}

// count tells the meter what an attempt came to by the word of Redis: of one that was fenced off, or whose end was written
// before and the answer lost, that is nothing.
func (k *acker) count(a *attempt, outcome task.State) {
	taskType := a.message.Type
	switch {
	case outcome == task.Retrying:
		k.meter.Retried(taskType, a.queue)
	case outcome.Terminal():
		k.meter.Ended(taskType, a.queue, outcome)
	default:
		return
	}
	if d, ok := a.took(); ok {
		k.meter.Ran(taskType, a.queue, d)
	}
}

// sleep waits, and reports false as soon as quit is closed.
func sleep(quit <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-quit:
		return false
	}
}
