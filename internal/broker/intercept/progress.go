package intercept

import (
	"sync"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// progressInterval is how often the progress of one attempt is stored at most.
const progressInterval = 100 * time.Millisecond

// Reporter stores an attempt's progress beside the handler, which does not wait for it: the first report at once, later
// ones at most once an interval, the newest always. The last one goes with the acknowledgement.
type Reporter struct {
	attempt *Attempt
	store   func(report task.Report)

	mu     sync.Mutex
	last   time.Time   // when a report was stored
	timer  *time.Timer // until the newest report is stored; nil if that is done
	newer  bool        // there is one that came while another was being stored
	closed bool
}

// NewReporter returns the Reporter of an attempt. store writes a report.
func NewReporter(a *Attempt, store func(task.Report)) *Reporter {
	return &Reporter{attempt: a, store: store}
}

// Report notes the newest report, which is stored soon.
func (r *Reporter) Report(p task.Report) {
	r.attempt.mu.Lock()
	r.attempt.progress = &p
	r.attempt.mu.Unlock()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.newer = true
	r.schedule()
}

// schedule sees to it that the newest report is stored, unless somebody is at it: while Redis is slow, reports do not
// pile up. The lock is held.
func (r *Reporter) schedule() {
	if r.newer && !r.closed && r.timer == nil {
		r.timer = time.AfterFunc(progressInterval-time.Since(r.last), r.flush)
	}
}

func (r *Reporter) flush() {
	r.mu.Lock()
	r.newer = false
	r.last = time.Now()
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return
	}
	r.attempt.mu.Lock()
	p := *r.attempt.progress
	r.attempt.mu.Unlock()
	r.store(p)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = nil
	r.schedule()
}

// Close ends the storing of reports. The newest one goes with the end of the attempt.
func (r *Reporter) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
}
