package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// The heap may grow fivefold between two collections while it is small, and twofold, as is usual, when it is large.
const (
	fastGCPercent  = 400
	usualGCPercent = 100
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

func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
