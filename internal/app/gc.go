package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// The heap may grow fivefold between two collections while it is small, and twofold, as is usual, when it is large.
const (
	fastGCPercent  = 400
	usualGCPercent = 100
	// releaseEvery is how often a program looks whether it is idle with memory that it does not need.
	releaseEvery = 5 * time.Second
	// roomyHeap is how much garbage may pile up before the percentage falls.
	roomyHeap = 128 << 20
)

var raiseOnce sync.Once

// raiseGCTarget collects garbage less often than usual, unless GOGC says otherwise. What lives in an API or a worker is
// small, some 10 to 20 MB, and what each request or task leaves behind is collected all the oftener: a fleet that is busy
// does about a tenth more so, for some tens of megabytes more in each. When much lives, ten thousand requests that wait
// for example, the percentage falls with it, for then fivefold would be gigabytes. GOMEMLIMIT still holds.
func raiseGCTarget() {
	if os.Getenv("GOGC") != "" {
		return
	}
	raiseOnce.Do(func() {
		debug.SetGCPercent(fastGCPercent)
		afterEachGC(fastGCPercent)
	})
}

// afterEachGC adapts the percentage at the end of each collection, which finds that the object it makes is not used.
func afterEachGC(percent int) {
	type canary struct{ _ [16]byte } // so large that it is not allocated together with others
	runtime.AddCleanup(new(canary), func(percent int) {
		if next := gcPercent(liveHeap()); next != percent {
			debug.SetGCPercent(next)
			percent = next
		}
		afterEachGC(percent)
	}, percent)
}

// gcPercent returns the percentage for a heap of which so many bytes live, in steps, since a change stops the world.
func gcPercent(live uint64) int {
	const step = 50
	percent := uint64(fastGCPercent)
	if live > 0 {
		percent = min(percent, roomyHeap*100/live)
	}
	return max(usualGCPercent, int(percent)/step*step)
}

func liveHeap() uint64 { return sum("/gc/heap/live:bytes") }

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
			debug.FreeOSMemory()
			released = collections() // if that much lives, it is not tried again before the next collection
		}
		before = collections()
	}
}

func collections() uint64 { return sum("/gc/cycles/total:gc-cycles") }

// heldHeap is what the heap has of the system's memory.
func heldHeap() uint64 {
	return sum("/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes")
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
