package intercept

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/batch"
	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// ackBatch is how many ends of attempts go to Redis at once.
	ackBatch = 256
	// ackBytes bounds what they weigh, after which no more are taken: a tenth of a second on a link of 100 Mbit/s, and far
	// below what Redis takes of a client at once.
	ackBytes = 1 << 20
	// ackRefusals is how often Redis, which answers otherwise, must have refused an end alone before it is given up.
	ackRefusals = 3
	// refusalPause is how long an end waits that was refused.
	refusalPause = time.Second
	// largeAck is from how many bytes on the size of an end may be why it is refused.
	largeAck = 64 << 10
	// ackStopWait bounds the wait for calls under way when the acker stops.
	ackStopWait = time.Second
)

var errQuit = errors.New("the worker is stopping, and Redis does not answer")

// acker writes the ends of attempts, queue by queue: a queue whose node is away holds up no other. While one batch is
// under way, the ends that come together meanwhile make the next, so that batches are as large as the load is, and a
// single end goes at once.
type acker struct {
	rdb    redis.UniversalClient
	logger *slog.Logger
	meter  meter.Worker
	quit   chan struct{} // closed when even acknowledgements have no time any more

	mu     sync.Mutex // held while an end is added, and while quit is closed
	queues *batch.ByQueue[*ack]
}

// ack is an end that is to be written.
type ack struct {
	attempt  *Attempt
	refusals int // how often it was refused while Redis answered
	done     chan error
}

func newAcker(rdb redis.UniversalClient, cfg Config) *acker {
	k := &acker{rdb: rdb, logger: cfg.Logger, meter: cfg.Meter, quit: make(chan struct{})}
	k.queues = batch.NewByQueue(func(queue string) *batch.Batcher[*ack] {
		return &batch.Batcher[*ack]{
			MaxItems: ackBatch, MaxBytes: ackBytes, Weigh: (*ack).weight, Write: func(batch []*ack) { k.deliver(queue, batch) },
		}
	})
	return k
}

func (one *ack) weight() int { return one.attempt.weight() }

// stop ends the writing. What waits then is not written any more. A call that Redis does not answer is abandoned: it ends
// with its time-out, or when the client is closed.
func (k *acker) stop() {
	k.mu.Lock()
	close(k.quit)
	k.mu.Unlock()
	done := make(chan struct{})
	go func() {
		k.queues.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(ackStopWait):
	}
}

// write writes the end of an attempt, and tries until Redis has taken it: the work is done, and must not be done again
// because of an outage. asynq would try with a context that has ended. A second writing of the same end finds
// nothing to do, as does that of an attempt that was fenced off.
func (k *acker) write(a *Attempt) error {
	select {
	case err := <-k.submit(a):
		return err
	case <-k.quit:
		return errQuit
	}
}

// submit puts the end of an attempt on its way. The channel tells when it is written.
func (k *acker) submit(a *Attempt) <-chan error {
	one := &ack{attempt: a, done: make(chan error, 1)}
	k.put(one)
	return one.done
}

// put adds an end to those that wait, unless the acker stops.
func (k *acker) put(one *ack) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopping() {
		k.queues.Of(one.attempt.Queue).Add(one)
	}
}

// deliver writes a batch until all of it is written. While Redis is away it waits; a batch that is refused by a Redis
// that answers goes in halves, down to the one end that cannot be written.
func (k *acker) deliver(queue string, batch []*ack) {
	most := len(batch)
	for wait := 20 * time.Millisecond; len(batch) > 0; wait = min(2*wait, time.Second) {
		if k.stopping() {
			return
		}
		n := min(most, len(batch))
		err := k.writeAll(queue, batch[:n])
		if err == nil {
			batch, most, wait = batch[n:], min(2*most, ackBatch), 20*time.Millisecond
			continue
		}
		k.logger.Warn("ends of tasks not written yet", "queue", queue, "tasks", n, "error", err)
		if !sleep(k.quit, wait) {
			return
		}
		if !k.answers(queue) {
			continue
		}
		if most = max(1, n/2); n == 1 && k.refused(batch[0], err) {
			batch = batch[1:]
		}
	}
}

// answers reports whether Redis can be reached for the queue.
func (k *acker) answers(queue string) bool {
	return k.rdb.Exists(context.Background(), wire.LeaseKey(queue)).Err() == nil
}

// refused counts a refusal of a large end by a Redis that answers, and puts the end off, so that others go first. After
// some refusals the task fails. It returns false for an end whose size cannot be the reason.
func (k *acker) refused(one *ack, err error) bool {
	if _, worded := errors.AsType[redis.Error](err); worded && !redis.HasErrorPrefix(err, "ERR Protocol error") {
		return false // short of memory, read-only or the like: that passes, and says nothing of this end
	}
	if one.weight() < largeAck {
		return false
	}
	if one.refusals++; one.refusals%ackRefusals == 0 {
		k.logger.Error("the end of a task cannot be written, and the task fails", "task", one.attempt.ID, "error", err)
		one.attempt.giveUp(fmt.Sprintf("how it ended (%d bytes) cannot be written to redis: %v", one.weight(), err))
	}
	time.AfterFunc(refusalPause, func() { k.put(one) })
	return true
}

func (k *acker) stopping() bool { return isClosed(k.quit) }

func (k *acker) writeAll(queue string, acks []*ack) error {
	now := time.Now()
	ends := make([]script.End, len(acks))
	for i, one := range acks {
		ends[i] = one.attempt.end(now)
	}
	ended, err := script.Finish(context.Background(), k.rdb, queue, ends)
	if err != nil {
		return err
	}
	for i, one := range acks {
		k.written(one.attempt, ended[i])
		one.done <- nil
	}
	return nil
}

// written logs and counts what became of an attempt.
func (k *acker) written(a *Attempt, ended script.Ended) {
	if ended.Damaged != "" {
		k.logger.Error("the end of a task cannot be written: its keys are damaged", "task", a.ID, "queue", a.Queue, "error", ended.Damaged)
		return
	}
	if ended.Outcome == "" {
		k.logger.Warn("attempt came too late and changed nothing", "task", a.ID, "attempt", a.Number)
	}
	k.count(a, ended.Outcome)
}

// count tells the meter what an attempt came to by the word of Redis: of one that was fenced off, or whose end was written
// before and the answer lost, that is nothing.
func (k *acker) count(a *Attempt, outcome task.State) {
	taskType := a.Message.Type
	switch {
	case outcome == task.Retrying:
		k.meter.Retried(taskType, a.Queue)
	case outcome.Terminal():
		k.meter.Ended(taskType, a.Queue, outcome)
	default:
		return
	}
	if d, ok := a.took(); ok {
		k.meter.Ran(taskType, a.Queue, d)
	}
}

// isClosed reports whether a channel is closed that nothing is ever sent to.
func isClosed(quit <-chan struct{}) bool {
	select {
	case <-quit:
		return true
	default:
		return false
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
