package program

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/startstop"
)

// The runtime by itself collects nothing for two minutes.
func TestIdleProgramGivesMemoryBack(t *testing.T) {
	var pool sync.Pool // keeps what it is given through one collection
	burst := make([]byte, 4*roomyHeap)
	pool.Put(&burst)
	if heldHeap() < roomyHeap {
		t.Fatal("the burst does not show in what the heap holds")
	}
	release := startstop.Background(func(ctx context.Context) { releaseIdle(ctx, time.Millisecond) })
	if err := release.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer release.Stop(context.Background())
	for end := time.Now().Add(time.Minute); heldHeap() > roomyHeap; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the heap still holds %d MiB", heldHeap()>>20)
		}
	}
	runtime.KeepAlive(&pool)
}
