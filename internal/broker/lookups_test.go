package broker_test

import (
	"sync"
	"testing"

	"github.com/backbeat-go/backbeat/task"
)

// Many ask at once, for tasks that are there, that are not, and whose key somebody has spoilt. Each gets its own answer.
func TestManyLookupsAtOnce(t *testing.T) {
	f := newFleet(t)
	for _, id := range []string{"a", "b"} {
		f.enqueue(task.Request{Type: "echo", ID: id, Queue: map[string]string{"a": "default", "b": "low"}[id]})
	}
	f.must(f.rdb.Set(t.Context(), "asynq:{default}:t:spoilt", "no hash", 0).Err())
	want := map[string]task.Code{"a": "", "b": "", "gone": task.CodeNotFound, "spoilt": task.CodeUnavailable}
	var asking sync.WaitGroup
	for id, code := range want {
		for range 200 {
			asking.Go(func() {
				got, err := f.client.Get(t.Context(), id)
				if code == "" && (err != nil || got.ID != id) || code != "" && task.CodeOf(err) != code {
					t.Errorf("%s: %+v, %v", id, got, err)
				}
			})
		}
	}
	asking.Wait()
}
