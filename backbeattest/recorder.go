package backbeattest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/backbeat-go/backbeat"
	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/enqueue"
	"github.com/backbeat-go/backbeat/task"
)

// keyHolds is how long an idempotency key stands for its request.
const keyHolds = 24 * time.Hour

// Recorder is a client.Enqueuer in memory. It checks requests as the API does and refuses them with the same errors, records
// the tasks, and runs them with Run. It forgets no task. It is safe for concurrent use.
//
// Its clock is that of the machine, and jumps ahead when a task is run that is not due yet.
type Recorder struct {
	t testing.TB

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	types    *catalog.Catalog
	handlers map[string]*task.Handler
	ahead    time.Duration // of the machine's clock
	tasks    []*task.Task  // in the order in which they were enqueued
	byID     map[string]*task.Task
	unique   map[string]*task.Task
	keys     map[string]*claim
	attempts int
}

// claim is what an idempotency key stands for.
type claim struct {
	request string
	at      time.Time
	task    *task.Task // nil as long as it was refused
}

var _ client.Enqueuer = (*Recorder)(nil)

// NewRecorder returns an empty Recorder, which takes the options of backbeat.NewClient: without any, the queues are critical,
// default and low. Options that make no sense fail the test.
func NewRecorder(t testing.TB, opts ...backbeat.ClientOption) *Recorder {
	t.Helper()
	o := enqueue.Defaults()
	for _, opt := range opts {
		opt(&o)
	}
	types, err := o.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return &Recorder{
		t: t, types: types, changed: make(chan struct{}), handlers: make(map[string]*task.Handler),
		byID: make(map[string]*task.Task), unique: make(map[string]*task.Task), keys: make(map[string]*claim),
	}
}

// Submit records a task. With Wait it waits as Recorder.Wait does, for that time at most.
func (r *Recorder) Submit(ctx context.Context, asked client.TaskRequest) (*client.Task, error) {
	t, err := r.add(&asked)
	if err != nil || asked.Wait <= 0 {
		return t, enqueue.Error(err)
	}
	waiting, cancel := context.WithTimeout(ctx, asked.Wait)
	defer cancel()
	if done, err := r.Wait(waiting, t.ID); err == nil {
		return done, nil
	}
	return r.Task(ctx, t.ID)
}

// EnqueueBatch records many tasks. One that is refused does not hinder the others. The error is always nil.
func (r *Recorder) EnqueueBatch(_ context.Context, requests []client.TaskRequest) ([]client.BatchResult, error) {
	results := make([]client.BatchResult, len(requests))
	for i, request := range requests {
		request.IdempotencyKey = "" // batches pass over it
		t, err := r.add(&request)
		results[i] = client.BatchResult{Task: t, Err: enqueue.Error(err)}
	}
	return results, nil
}

// Task returns a task as it stands.
func (r *Recorder) Task(_ context.Context, id string) (*client.Task, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.show(id)
}

func (r *Recorder) show(id string) (*client.Task, error) {
	if t := r.byID[id]; t != nil {
		return enqueue.Task(t), nil
	}
	return nil, enqueue.Error(catalog.NoTask(id))
}

// Wait waits until a task is over. If the Recorder has handlers, Wait runs what is due before it and the task itself; else it
// waits for a call of Run elsewhere.
func (r *Recorder) Wait(ctx context.Context, id string) (*client.Task, error) {
	for {
		r.mu.Lock()
		t, err := r.show(id)
		changed := r.changed
		r.mu.Unlock()
		switch {
		case err != nil || t.State.Terminal():
			return t, err
		case ctx.Err() == nil && r.step():
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for task %s: %w", id, ctx.Err())
		}
	}
}

// Tasks returns all tasks as they stand, in the order in which they were enqueued.
func (r *Recorder) Tasks() []*client.Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*client.Task, len(r.tasks))
	for i, t := range r.tasks {
		list[i] = enqueue.Task(t)
	}
	return list
}

// now is the time by the recorder's clock. The lock is held, as in the functions below.
func (r *Recorder) now() time.Time { return time.Now().Add(r.ahead).UTC().Truncate(time.Millisecond) }

// notify wakes who waits for a change.
func (r *Recorder) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Recorder) add(asked *client.TaskRequest) (*client.Task, error) {
	request, err := enqueue.Encode(asked)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var t *task.Task
	if asked.IdempotencyKey != "" {
		t, err = r.addOnce(request)
	} else if t, err = request.Prepare(r.types, r.now()); err == nil {
		err = r.insert(t)
	}
	if err != nil {
		return nil, err
	}
	return enqueue.Task(t), nil
}

// addOnce records the task of a request with an idempotency key, or returns that of the same request before.
func (r *Recorder) addOnce(request *enqueue.Request) (*task.Task, error) {
	once, err := request.Idempotency()
	if err != nil {
		return nil, err
	}
	own := &claim{request: string(catalog.Canonical(once.Request)), at: r.now()}
	held := r.keys[once.Key]
	if held != nil && own.at.Sub(held.at) >= keyHolds {
		held = nil
	}
	if held != nil && held.request == own.request && held.task != nil {
		return held.task, nil
	}
	t, err := request.Prepare(r.types, own.at)
	switch {
	case err != nil:
		return nil, err
	case held == nil:
		held = own
		r.keys[once.Key] = own
	case held.request != own.request:
		return nil, catalog.ErrKeyReused
	}
	if err := r.insert(t); err != nil {
		return nil, err
	}
	held.task = t
	return t, nil
}

// insert records a prepared task, unless its id or its unique_for forbids it.
func (r *Recorder) insert(t *task.Task) error {
	if t.ID == "" {
		t.ID = uuid.Must(uuid.NewV7()).String()
	}
	if old := r.byID[t.ID]; old != nil && (!old.State.Terminal() || !r.now().After(old.KeptUntil)) {
		return catalog.IDTaken(t.ID)
	}
	if t.UniqueFor > 0 {
		lock := t.Type + "\x00" + t.Queue + "\x00" + string(catalog.Canonical(t.Payload))
		if holder := r.unique[lock]; holder != nil && r.now().Before(holder.UniqueUntil()) {
			return catalog.NotUnique(holder.ID)
		}
		r.unique[lock] = t
	}
	r.tasks = append(r.tasks, t)
	r.byID[t.ID] = t
	r.notify()
	return nil
}
