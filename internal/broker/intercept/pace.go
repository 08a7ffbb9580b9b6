package intercept

import (
	"sync"
	"time"
)

const (
	// paceWindow is how long a worker looks back to know how many slots will be free soon.
	paceWindow = 20 * time.Millisecond
	// quickRun is how long an attempt may run to count: the end of a slow one does not say that the next ends soon.
	quickRun = 5 * paceWindow
)

// pace counts the quick attempts that have ended of late. Fetching ahead pays with those; with slow ones it would keep tasks
// from other workers.
type pace struct {
	mu            sync.Mutex
	begin         time.Time // of the current window
	current, last int       // ends in this window and in the one before
}

// add notes that an attempt has ended at that time.
func (p *pace) add(a *Attempt) {
	a.mu.Lock()
	begun, ended := a.begunAt, a.endedAt
	a.mu.Unlock()
	if begun.IsZero() || ended.Sub(begun) > quickRun {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(ended)
	p.current++
}

// recent returns how many attempts have ended within the last one or two windows.
func (p *pace) recent(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	return p.current + p.last
}

func (p *pace) turn(now time.Time) {
	switch age := now.Sub(p.begin); {
	case age < paceWindow:
	case age < 2*paceWindow:
		p.begin, p.last, p.current = p.begin.Add(paceWindow), p.current, 0
	default:
		p.begin, p.last, p.current = now, 0, 0
	}
}
