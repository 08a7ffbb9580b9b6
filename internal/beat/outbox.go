package beat

import (
	"context"
	"sync/atomic"
)

// outboxRoom bounds the bytes of ticks that are committed and not yet acknowledged: they are in the memory of Redis and of
// this process.
const outboxRoom = 128 << 20

// outbox counts the bytes of ticks that are committed, or are being committed, and not yet acknowledged.
type outbox struct {
	bytes atomic.Int64
	freed chan struct{} // there are fewer
}

func newOutbox() *outbox { return &outbox{freed: make(chan struct{}, 1)} }

func (o *outbox) add(n int) { o.bytes.Add(int64(n)) }

func (o *outbox) remove(n int) {
	o.bytes.Add(int64(-n))
	select {
	case o.freed <- struct{}{}:
	default:
	}
}

// full reports whether no more ticks should be committed, halfFull whether to acknowledge some now.
func (o *outbox) full() bool     { return o.bytes.Load() >= outboxRoom }
func (o *outbox) halfFull() bool { return o.bytes.Load() >= outboxRoom/2 }

// wait waits until there is room, or ctx ends.
func (o *outbox) wait(ctx context.Context) {
	for o.full() {
		select {
		case <-o.freed:
		case <-ctx.Done():
			return
		}
	}
}
