// Package notifier wakes a loop.
package notifier

// Notifier is a channel that a loop receives from. Notifications that come while one is waiting count as one.
type Notifier chan struct{}

// New returns a Notifier without a notification.
func New() Notifier { return make(Notifier, 1) }

// Notify wakes the loop, now or the next time that it waits. It does not block.
func (n Notifier) Notify() {
	select {
	case n <- struct{}{}:
	default: // it is notified already
	}
}
