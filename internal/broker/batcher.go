package broker

import (
	"maps"
	"sync"
)

// batcher lets those go together who come at the same time. While one batch is on its way, what comes meanwhile makes the
// next: batches are as large as the load is, and one that comes alone goes at once.
type batcher[T any] struct {
	most  int             // how many a batch holds
	bytes int             // how much a batch weighs, after which no more are taken
	weigh func(T) int     // in bytes; nil: nothing
	write func(batch []T) // takes a batch where it goes

	flying  sync.WaitGroup
	mu      sync.Mutex
	waiting []T
	flights int // batches under way: one, and a second while there is enough for a full one
}

// add puts an item on its way.
func (b *batcher[T]) add(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, item)
	if b.flights == 0 || b.flights == 1 && len(b.waiting) >= b.most {
		b.flights++
		b.flying.Go(b.fly)
	}
}

// close waits for what is under way.
func (b *batcher[T]) close() { b.flying.Wait() }

func (b *batcher[T]) fly() {
	for batch := b.take(); len(batch) > 0; batch = b.take() {
		b.write(batch)
		clear(batch) // what is done is kept by nobody
	}
}

// take returns the next batch. When there is none, the flight is over.
func (b *batcher[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), b.most)
	if b.weigh != nil {
		n = within(b.waiting[:n], b.bytes, b.weigh)
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if n == 0 {
		b.flights--
		b.waiting = nil // and with it what it was cut from
	}
	return batch
}

// within returns how many of the items, from the first on, go together: no more are taken once they weigh that many bytes.
func within[T any](items []T, bytes int, weigh func(T) int) (n int) {
	for ; n < len(items) && bytes > 0; n++ {
		bytes -= weigh(items[n])
	}
	return n
}

// batchers holds a batcher for each queue that has needed one: a queue that is slow or out of reach holds up no other.
type batchers[T any] struct {
	make func(queue string) *batcher[T]

	mu      sync.Mutex
	byQueue map[string]*batcher[T]
}

func newBatchers[T any](make func(queue string) *batcher[T]) *batchers[T] {
	return &batchers[T]{make: make, byQueue: map[string]*batcher[T]{}}
}

func (b *batchers[T]) of(queue string) *batcher[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.byQueue[queue]
	if one == nil {
		one = b.make(queue)
		b.byQueue[queue] = one
	}
	return one
}

// close waits for what is under way.
func (b *batchers[T]) close() {
	b.mu.Lock()
	all := maps.Clone(b.byQueue)
	b.mu.Unlock()
	for _, one := range all {
		one.close()
	}
}
