package broker

import (
	"context"
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/internal/task"
)

// progressInterval is how often the progress of one attempt is stored at most.
const progressInterval = 100 * time.Millisecond

// reporter stores an attempt's progress: the first report at once, later ones at most once an interval, the
// newest always. The last one goes with the acknowledgement.
type reporter struct {
	attempt *attempt
	store   func(report task.Report)

	mu     sync.Mutex
	last   time.Time
	timer  *time.Timer // runs while a report is held back
	closed bool
}

func (r *reporter) report(p task.Report) {
	r.attempt.mu.Lock()
	r.attempt.progress = &p
	r.attempt.mu.Unlock()

	r.mu.Lock()
	if r.closed || r.timer != nil {
		r.mu.Unlock()
		return
	}
	if wait := progressInterval - time.Since(r.last); wait > 0 {
		r.timer = time.AfterFunc(wait, r.flush)
		r.mu.Unlock()
		return
	}
	r.last = time.Now()
	r.mu.Unlock()
	r.store(p)
}

func (r *reporter) flush() {
	r.mu.Lock()
	r.timer = nil
	closed := r.closed
	r.last = time.Now()
	r.mu.Unlock()
	if closed {
		return
	}
	r.attempt.mu.Lock()
	p := *r.attempt.progress
	r.attempt.mu.Unlock()
	r.store(p)
}

func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// storeProgress writes a report, unless the attempt is over or was fenced off. A report that gets lost is
// replaced by the next.
func (s *Server) storeProgress(ctx context.Context, a *attempt, p task.Report) {
	err := progressScript.run(ctx, s.rdb, a.queue, time.Now(), []string{taskKey(a.queue, a.id)},
		a.number, encodeProgress(p)).Err()
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Debug("progress not stored", "task", a.id, "error", err)
	}
}
