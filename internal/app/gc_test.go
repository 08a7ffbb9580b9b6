package app

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 16 << 20: 400, 32 << 20: 400, 64 << 20: 200, 100 << 20: 100, 1 << 30: 100, 1 << 40: 100,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d MiB live: %d, want %d", live>>20, got, want)
		}
	}
	runtime.GC()
	if liveHeap() == 0 {
		t.Error("the runtime does not say how much lives")
	}
}

// The runtime by itself collects nothing for two minutes.
func TestIdleProgramGivesMemoryBack(t *testing.T) {
	burst := make([][]byte, 32)
	for i := range burst {
		burst[i] = make([]byte, 8<<20)
	}
	if heldHeap() < roomyHeap {
		t.Fatal("the burst does not show in what the heap holds")
	}
	runtime.KeepAlive(burst)
	release := newBackground(func(ctx context.Context) { releaseIdle(ctx, time.Millisecond) })
	if err := release.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer release.stop()
	for end := time.Now().Add(time.Minute); heldHeap() > roomyHeap; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the heap still holds %d MiB", heldHeap()>>20)
		}
	}
}
