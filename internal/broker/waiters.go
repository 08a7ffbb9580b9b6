package broker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Wait returns the task as soon as it is over, or as it is when ctx ends, which is no error. The end of the task
// wakes it: whoever waits marks the task, and the script that ends a marked task says so on a channel. Errors:
// CodeNotFound, CodeUnavailable.
func (c *Client) Wait(ctx context.Context, id string) (*task.Task, error) {
	r, err := c.find(ctx, id)
	if err != nil || r.taskState().Terminal() {
		return r.taskOrNil(), err
	}
	one := c.waiters.join(ref{r.queue, id})
	defer c.waiters.leave(one)
	c.waiters.hear(ctx)

	// Only now, when the end cannot go unheard any more, is the task marked and looked at again.
	state, err := awaitScript.run(ctx, c.rdb, r.queue, time.Now(), []string{taskKey(r.queue, id)}).Text()
	switch {
	case err != nil && ctx.Err() == nil:
		return nil, wrap(err)
	case err == nil && state == "":
		return nil, task.NotFound("task %q was dropped", id)
	case isOver(state):
		return c.Get(ctx, id) // it ended just before it was marked
	}
	select {
	case <-ctx.Done():
	case end := <-one.wake:
		return c.ended(r, end)
	}
	// The caller gets an answer although its context has ended.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return c.Get(late, id)
}

func (r *record) taskOrNil() *task.Task {
	if r == nil {
		return nil
	}
	return r.task()
}

// ended reads a task that is over; of one that was dropped at once it tells what the announcement tells.
func (c *Client) ended(r *record, end ending) (*task.Task, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	t, err := c.Get(ctx, r.id)
	if task.CodeOf(err) != task.CodeNotFound || !end.State.Terminal() {
		return t, err
	}
	t = r.task()
	t.State = end.State
	t.FinishedAt = parseMillis(end.FinishedAt)
	t.Result = jsonOrString([]byte(end.Result))
	t.CancelRequested = end.State == task.Canceled
	if end.State == task.Failed {
		t.Error = &task.Failure{Message: end.Message, Kind: task.ErrorKind(end.Kind)}
	}
	return t, nil
}

// ending is the announcement that a task is over. Its state is empty when the announcement itself was missed.
type ending struct {
	ID         string     `json:"id"`
	State      task.State `json:"state"` // or "deleted"
	FinishedAt string     `json:"finished_at"`
	Result     string     `json:"result"`
	Kind       string     `json:"kind"`
	Message    string     `json:"message"`
}

// recheckInterval is how soon a waiter learns of an end that nobody announced: a stock asynq server does not.
const recheckInterval = 2 * time.Second

// waiters holds those of one process who wait for tasks, and the one subscription that serves them all.
type waiters struct {
	rdb   redis.UniversalClient
	begin sync.Once
	stop  context.CancelFunc // nil until the loops run
	loops sync.WaitGroup

	hears     chan struct{} // closed when announcements are heard for the first time
	firstHear sync.Once

	mu     sync.Mutex
	byTask map[string]map[*waiter]struct{} // by task id
}

// waiter is one who waits.
type waiter struct {
	ref
	wake chan ending // holds one
	gone bool        // the last look found no task
}

func newWaiters(rdb redis.UniversalClient) *waiters {
	return &waiters{rdb: rdb, hears: make(chan struct{}), byTask: make(map[string]map[*waiter]struct{})}
}

func (w *waiters) close() {
	w.begin.Do(func() {}) // from now on nobody starts the loops
	if w.stop != nil {
		w.stop()
		w.loops.Wait()
	}
}

// join registers somebody who waits for the task. The first one starts the subscription.
func (w *waiters) join(task ref) *waiter {
	w.begin.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		w.stop = stop
		w.loops.Go(func() { w.listen(ctx) })
		w.loops.Go(func() { w.recheck(ctx) })
	})
	one := &waiter{ref: task, wake: make(chan ending, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byTask[task.id] == nil {
		w.byTask[task.id] = make(map[*waiter]struct{})
	}
	w.byTask[task.id][one] = struct{}{}
	return one
}

// hear waits until announcements are heard. While Redis is away, whoever waits finds that out by itself.
func (w *waiters) hear(ctx context.Context) {
	timer := time.NewTimer(recheckInterval)
	defer timer.Stop()
	select {
	case <-w.hears:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (w *waiters) leave(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byTask[one.id], one)
	if len(w.byTask[one.id]) == 0 {
		delete(w.byTask, one.id)
	}
}

func (w *waiters) wake(end ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.byTask[end.ID] {
		select {
		case one.wake <- end:
		default: // it is awake already
		}
	}
}

// listen hands announcements on. go-redis subscribes again after a lost connection, and says so: what ended in
// between was missed, so everybody looks.
func (w *waiters) listen(ctx context.Context) {
	pubsub := w.rdb.Subscribe(ctx, finishedChannel)
	defer pubsub.Close()
	// Receive does not watch its context while it reads.
	defer context.AfterFunc(ctx, func() { pubsub.Close() })()
	for ctx.Err() == nil {
		received, err := pubsub.Receive(ctx)
		switch m := received.(type) {
		case *redis.Subscription:
			w.firstHear.Do(func() { close(w.hears) })
			w.look(ctx)
		case *redis.Message:
			var end ending
			if json.Unmarshal([]byte(m.Payload), &end) == nil {
				w.wake(end)
			}
		}
		if err != nil {
			pause(ctx, 100*time.Millisecond) // Redis is away
		}
	}
}

func (w *waiters) recheck(ctx context.Context) {
	for pause(ctx, recheckInterval) {
		w.look(ctx)
	}
}

// look wakes those whose task is over or gone. Nobody waits most of the time, and then it asks nothing.
func (w *waiters) look(ctx context.Context) {
	w.mu.Lock()
	tasks := make(map[ref]*redis.StringCmd, len(w.byTask))
	for _, set := range w.byTask {
		for one := range set {
			tasks[one.ref] = nil
		}
	}
	w.mu.Unlock()
	if len(tasks) == 0 {
		return
	}
	// An error of one command, such as a nil reply, is looked at below.
	_, _ = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for task := range tasks {
			tasks[task] = p.HGet(ctx, taskKey(task.queue, task.id), fieldState)
		}
		return nil
	})
	for task, cmd := range tasks {
		state, err := cmd.Result()
		switch {
		case errors.Is(err, redis.Nil):
			w.miss(task)
		case isOver(state):
			w.wake(ending{ID: task.id})
		}
	}
}

// isOver reports whether one of asynq's states is that of a task that has ended.
func isOver(state string) bool { return state == "completed" || state == "archived" }

// miss notes that a task is gone. The announcement, which tells how a task ended that is dropped at once, may still
// be on its way; whoever is missed twice is woken without one.
func (w *waiters) miss(task ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.byTask[task.id] {
		if one.ref != task {
			continue
		}
		if one.gone {
			select {
			case one.wake <- ending{ID: task.id}:
			default:
			}
		}
		one.gone = true
	}
}

// pause waits for d and reports true, or false as soon as ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
