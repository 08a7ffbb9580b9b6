package intercept

import (
	"time"

	"github.com/backbeat-go/backbeat/internal/fleet"
)

const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = time.Second
)

// queueState is what a prefetcher knows of one queue. The prefetcher's lock guards it.
type queueState struct {
	fleet.Queue
	held   []*Attempt // fetched and not started, oldest first
	empty  bool       // nothing was pending, until a wake or a poll says otherwise
	paused bool       // until a wake or a poll says otherwise
	wakes  int        // how often the queue was woken
	parked []string   // types that this worker knows and that tasks wait for; the next fetch brings those

	fetch   *fetch // in flight, or nil
	polling bool   // a poll is in flight

	failures int       // calls that failed in a row
	retryAt  time.Time // when to poll the queue after a failure
	answered bool      // a poll after the failure has found tasks
	stuck    bool      // the newest fetch left tasks in the queue because of errors
}

// ready reports whether to ask for tasks of the queue: there may be some, and nobody would wait long.
func (s *queueState) ready() bool {
	switch {
	case s.empty || s.paused:
		return false
	case s.fetch != nil:
		return !s.fetch.late
	default:
		return s.failures == 0 || s.answered
	}
}

// fail notes that a call failed, and reports whether the one before did not.
func (s *queueState) fail(now time.Time) (first bool) {
	backoff := maxBackoff
	if s.failures < 5 {
		backoff = min(backoff, firstBackoff<<s.failures)
	}
	s.failures++
	s.answered, s.retryAt = false, now.Add(backoff)
	return s.failures == 1
}

// recovered notes that a call succeeded.
func (s *queueState) recovered() { s.failures, s.answered = 0, false }

// polled notes whether the key exists that a poll looked for: the list of pending tasks, or the mark of a paused queue.
func (s *queueState) polled(exists bool) {
	switch {
	case s.failures > 0 && exists:
		s.answered, s.empty, s.paused = true, false, false
	case s.failures > 0:
		s.recovered()
		s.empty, s.paused = true, false
	case s.paused:
		s.paused = exists
	case exists:
		s.empty = false
	}
}
