package batch

import (
	"maps"
	"sync"
)

// batcher lets those go together who come at the same time. While one batch is on its way, what comes meanwhile makes the
// next: batches are as large as the load is, and one that comes alone goes at once.
type Batcher[T any] struct {
	MaxItems int             // how many a batch holds
	MaxBytes int             // how much a batch weighs, after which no more are taken
	Weigh    func(T) int     // in bytes; nil: nothing
	Write    func(batch []T) // takes a batch where it goes

	running sync.WaitGroup
	mu      sync.Mutex
	waiting []T
	batches int // batches under way: one, and a second while there is enough for a full one
}

// add puts an item on its way.
func (b *Batcher[T]) Add(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, item)
	if b.batches == 0 || b.batches == 1 && len(b.waiting) >= b.MaxItems {
		b.batches++
		b.running.Go(b.run)
	}
}

// close waits for what is under way.
func (b *Batcher[T]) close() { b.running.Wait() }

func (b *Batcher[T]) run() {
	for batch := b.take(); len(batch) > 0; batch = b.take() {
		b.Write(batch)
		clear(batch) // what is done is kept by nobody
	}
}

// take returns the next batch. When there is none, the flight is over.
func (b *Batcher[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), b.MaxItems)
	if b.Weigh != nil {
		n = Within(b.waiting[:n], b.MaxBytes, b.Weigh)
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if n == 0 {
		b.batches--
		b.waiting = nil // and with it what it was cut from
	}
	return batch
}

// within returns how many of the items, from the first on, go together: no more are taken once they weigh that many bytes.
func Within[T any](items []T, bytes int, weigh func(T) int) (n int) {
	for ; n < len(items) && bytes > 0; n++ {
		bytes -= weigh(items[n])
	}
	return n
}

// batchers holds a batcher for each queue that has needed one: a queue that is slow or out of reach holds up no other.
type ByQueue[T any] struct {
	make func(queue string) *Batcher[T]

	mu      sync.Mutex
	byQueue map[string]*Batcher[T]
}

func NewByQueue[T any](make func(queue string) *Batcher[T]) *ByQueue[T] {
	return &ByQueue[T]{make: make, byQueue: map[string]*Batcher[T]{}}
}

func (b *ByQueue[T]) Of(queue string) *Batcher[T] {
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
func (b *ByQueue[T]) Close() {
	b.mu.Lock()
	all := maps.Clone(b.byQueue)
	b.mu.Unlock()
	for _, one := range all {
		one.close()
	}
}
