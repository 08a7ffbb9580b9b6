// Package batch collects items that arrive at the same time into batches.
package batch

import (
	"maps"
	"sync"
)

// Batcher collects items into batches. Items that are added while a batch is being written make the next batch, so the size
// of batches follows the load, and a single item is written at once. Set the fields before the first Add; only Weigh is optional.
type Batcher[T any] struct {
	MaxItems int             // the limit of items in a batch
	MaxBytes int             // a batch gets no further item once it weighs this much
	Weigh    func(T) int     // the size of an item in bytes; nil: MaxBytes has no effect
	Write    func(batch []T) // writes a batch; it must not keep the slice

	running sync.WaitGroup
	mu      sync.Mutex
	waiting []T
	batches int // batches in flight: at most one, or two while the second is full
}

// Add adds an item to the next batch. It does not wait for the write.
func (b *Batcher[T]) Add(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, item)
	if b.batches == 0 || b.batches == 1 && len(b.waiting) >= b.MaxItems {
		b.batches++
		b.running.Go(b.run)
	}
}

// Close waits until all added items are written.
func (b *Batcher[T]) Close() { b.running.Wait() }

func (b *Batcher[T]) run() {
	for batch := b.take(); len(batch) > 0; batch = b.take() {
		b.Write(batch)
		clear(batch) // lets the garbage collector free the items
	}
}

// take returns the next batch. If there is none, it counts one batch in flight less.
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
		b.waiting = nil // frees the underlying array
	}
	return batch
}

// Within returns how many of the first items make a batch: it adds items until they weigh at least that many bytes.
func Within[T any](items []T, bytes int, weigh func(T) int) (n int) {
	for ; n < len(items) && bytes > 0; n++ {
		bytes -= weigh(items[n])
	}
	return n
}

// ByQueue holds a Batcher for each queue, made at its first use, so that a queue that is slow or unavailable delays no other.
type ByQueue[T any] struct {
	make func(queue string) *Batcher[T]

	mu      sync.Mutex
	byQueue map[string]*Batcher[T]
}

// NewByQueue returns a ByQueue that makes the Batcher of a queue with make.
func NewByQueue[T any](make func(queue string) *Batcher[T]) *ByQueue[T] {
	return &ByQueue[T]{make: make, byQueue: map[string]*Batcher[T]{}}
}

// Of returns the Batcher of a queue.
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

// Close waits until all added items are written.
func (b *ByQueue[T]) Close() {
	b.mu.Lock()
	all := maps.Clone(b.byQueue)
	b.mu.Unlock()
	for _, one := range all {
		one.Close()
	}
}
