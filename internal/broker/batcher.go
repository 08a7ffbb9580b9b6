package broker

import "sync"

// batcher lets those go together who come at the same time. While one batch is on its way, what comes meanwhile makes the
// next: batches are as large as the load is, and one that comes alone goes at once.
type batcher[T any] struct {
	most  int                   // how many a batch holds
	fits  func(waiting []T) int // how many of these, most of them at the most, are not too much for one; nil: all of them
	write func(batch []T)       // takes a batch where it goes

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
	if b.fits != nil {
		n = b.fits(b.waiting[:n])
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if n == 0 {
		b.flights--
		b.waiting = nil // and with it what it was cut from
	}
	return batch
}
