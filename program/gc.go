package program

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// busyGCPercent is by how much the heap, with the ballast, may grow between two collections.
	busyGCPercent = 50
	ballastBytes  = 64 << 20
	// releaseEvery is how often a program looks whether it is idle with memory that it does not need.
	releaseEvery = 5 * time.Second
	// roomyHeap is what the heap may hold, beside the ballast, of a program that is idle.
	roomyHeap = 64 << 20
)

var (
	raiseOnce sync.Once
	// ballast is never written to, so it takes no memory of the machine. It only counts as live.
	ballast []byte
)

// raiseGCTarget collects garbage less often while little lives, and more often while much does, unless GOGC says otherwise.
// What lives in an API or a worker is small, some 10 to 20 MB, and what each request or task leaves behind is collected all
// the oftener: a fleet that is busy does about a tenth more with a larger target. When much lives, such as results of 10 MB
// that end together, a target of a multiple of it would be gigabytes. With a ballast the target is right before the
// first large allocation; a percentage that follows the heap comes too late for that (a worker came to 6.5 times the size of
// its results, now and then). GOMEMLIMIT still holds.
func raiseGCTarget() {
	if os.Getenv("GOGC") != "" {
		return
	}
	raiseOnce.Do(func() {
		ballast = make([]byte, ballastBytes)
		debug.SetGCPercent(busyGCPercent)
	})
}

// releaseIdle gives back to the system what a burst of large tasks has left, until ctx ends. A program that is idle allocates
// nothing, so nothing is collected but every two minutes, and what is free is given back slowly after that.
func releaseIdle(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for before, released := uint64(0), uint64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := collections()
		if now == before && now != released && heldHeap() > roomyHeap {
			runtime.GC() // what lies in a sync.Pool, such as the buffers of encoding/json, outlives one collection
			debug.FreeOSMemory()
			released = collections() // if that much lives, it is not tried again before the next collection
		}
		before = collections()
	}
}

func collections() uint64 { return sum("/gc/cycles/total:gc-cycles") }

// heldHeap is what the heap has of the system's memory, without the ballast.
func heldHeap() uint64 {
	held := sum("/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes")
	return held - uint64(len(ballast))
}

func sum(names ...string) (total uint64) {
	for _, name := range names {
		sample := []metrics.Sample{{Name: name}}
		metrics.Read(sample)
		if sample[0].Value.Kind() == metrics.KindUint64 {
			total += sample[0].Value.Uint64()
		}
	}
	return total
}
