package program

import (
	"context"
	"sync"
)

// background is a goroutine that runs from start to stop.
type background struct {
	run    func(ctx context.Context)
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newBackground(run func(ctx context.Context)) *background { return &background{run: run} }

func (b *background) start(ctx context.Context) error {
	ctx, b.cancel = context.WithCancel(ctx)
	b.wg.Go(func() { b.run(ctx) })
	return nil
}

func (b *background) stop() {
	b.cancel()
	b.wg.Wait()
}
