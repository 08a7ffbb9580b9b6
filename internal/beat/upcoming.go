package beat

import (
	"container/heap"
	"time"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

// upcoming holds the schedules that are due soon, by when they are.
type upcoming struct {
	byID map[string]*item
	heap items
}

type item struct {
	*schedule.Loaded
	index int
}

func newUpcoming() *upcoming { return &upcoming{byID: make(map[string]*item)} }

// held returns the schedule if it is held, and nil if not.
func (u *upcoming) held(id string) *schedule.Loaded {
	if it := u.byID[id]; it != nil {
		return it.Loaded
	}
	return nil
}

// put holds the schedule in place of what is held under its id. One that is not due at any time is not held.
func (u *upcoming) put(loaded *schedule.Loaded) {
	u.drop(loaded.ID)
	if loaded.Due.IsZero() && loaded.Broken == nil {
		return
	}
	it := &item{Loaded: loaded}
	u.byID[loaded.ID] = it
	heap.Push(&u.heap, it)
}

func (u *upcoming) drop(id string) {
	if it := u.byID[id]; it != nil {
		heap.Remove(&u.heap, it.index)
		delete(u.byID, id)
	}
}

// takeDue takes out up to limit schedules that are due at now. A broken one is due at once.
func (u *upcoming) takeDue(now time.Time, limit int) []*schedule.Loaded {
	var due []*schedule.Loaded
	for len(due) < limit && len(u.heap) > 0 && !u.heap[0].Due.After(now) {
		it, _ := heap.Pop(&u.heap).(*item)
		delete(u.byID, it.ID)
		due = append(due, it.Loaded)
	}
	return due
}

// next returns when the earliest is due, if there is one.
func (u *upcoming) next() (time.Time, bool) {
	if len(u.heap) == 0 {
		return time.Time{}, false
	}
	return u.heap[0].Due, true
}

// items is a heap by Due.
type items []*item

func (h items) Len() int           { return len(h) }
func (h items) Less(i, j int) bool { return h[i].Due.Before(h[j].Due) }
func (h items) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push appends an item, for container/heap.
func (h *items) Push(x any) {
	it, _ := x.(*item)
	it.index = len(*h)
	*h = append(*h, it)
}

// Pop removes the last item, for container/heap.
func (h *items) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}
