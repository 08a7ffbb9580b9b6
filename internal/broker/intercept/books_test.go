package intercept

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// books are what Redis holds of a queue.
type books struct {
	lists  map[string][]string          // by the name of the key without its prefix
	hashes map[string]map[string]string // by id
	totals [2]int                       // processed and failed
	outbox []string                     // of callbacks: id and outcome
}

func (w *world) read(queue string) books {
	b := books{lists: make(map[string][]string), hashes: make(map[string]map[string]string)}
	ctx := w.t.Context()
	keys, err := w.rdb.Keys(ctx, wire.AsynqPrefix(queue)+"t:*").Result()
	w.must(err)
	lists := make(map[string]*redis.StringSliceCmd)
	hashes := make(map[string]*redis.MapStringStringCmd)
	var callbacks *redis.XMessageSliceCmd
	totals := make([]*redis.StringCmd, 2)
	_, err = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		totals[0], totals[1] = p.Get(ctx, wire.ProcessedKey(queue)), p.Get(ctx, wire.FailedTotalKey(queue))
		for _, name := range []string{"pending", "active"} {
			lists[name] = p.LRange(ctx, wire.AsynqPrefix(queue)+name, 0, -1)
		}
		for _, name := range []string{"lease", "scheduled", "retry", "completed", "archived"} {
			lists[name] = p.ZRange(ctx, wire.AsynqPrefix(queue)+name, 0, -1)
		}
		for _, name := range []string{"failed", "canceled", "expired", "expires", "due"} {
			lists["own "+name] = p.ZRange(ctx, wire.OwnPrefix(queue)+name, 0, -1)
		}
		callbacks = p.XRange(ctx, wire.CallbacksKey(queue), "-", "+")
		lists["own canceling"] = p.SMembers(ctx, wire.CancelingKey(queue))
		for _, key := range keys {
			hashes[strings.TrimPrefix(key, wire.AsynqPrefix(queue)+"t:")] = p.HGetAll(ctx, key)
		}
		return nil
	})
	w.must(redisconn.Coded(err)) // there may be no totals yet
	b.totals = [2]int{number(totals[0].Val()), number(totals[1].Val())}
	for name, cmd := range lists {
		b.lists[name] = slices.Sorted(slices.Values(cmd.Val()))
	}
	for id, cmd := range hashes {
		b.hashes[id] = cmd.Val()
	}
	for _, p := range callbacks.Val() {
		b.outbox = append(b.outbox, fmt.Sprint(p.Values["id"], " ", p.Values[wire.FieldOutcome]))
	}
	slices.Sort(b.outbox)
	return b
}

// checkBooks checks that each task is where it must be, and nowhere else.
func (w *world) checkBooks() {
	w.t.Helper()
	for _, q := range propertyQueues {
		got, want := w.read(q.Name), w.expectLists(q.Name)
		for name, ids := range got.lists {
			if !slices.Equal(ids, want[name]) {
				w.t.Errorf("queue %s: %s is %q, want %q", q.Name, name, ids, want[name])
			}
		}
		for id, hash := range got.hashes {
			w.checkHash(id, hash)
		}
		if want := w.expectCallbacks(q.Name); !slices.Equal(got.outbox, want) {
			w.t.Errorf("queue %s: the outbox has callbacks of %q, want %q", q.Name, got.outbox, want)
		}
		for id, e := range w.tasks {
			if _, ok := got.hashes[id]; e.queue == q.Name && ok == e.gone() {
				w.t.Errorf("%s exists: %t, want %t", id, ok, !e.gone())
			}
		}
		if total := [2]int{w.processed[q.Name], w.failed[q.Name]}; got.totals != total {
			w.t.Errorf("queue %s: processed and failed are %d, want %d", q.Name, got.totals, total)
		}
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// gone reports whether nothing is kept of the task.
func (e *expected) gone() bool { return e.place == over && e.retention == 0 }

// state is the list that asynq keeps the task on.
func (e *expected) state() string {
	switch {
	case e.place == waiting:
		return "pending"
	case e.place == active:
		return "active"
	case e.place == delayed:
		return "retry"
	case e.outcome == task.Succeeded:
		return "completed"
	default:
		return "archived"
	}
}

func (w *world) expectLists(queue string) map[string][]string {
	lists := make(map[string][]string)
	for _, id := range slices.Sorted(slices.Values(w.order)) {
		e := w.tasks[id]
		if e.queue != queue || e.gone() {
			continue
		}
		for _, name := range e.lists() {
			lists[name] = append(lists[name], id)
		}
	}
	return lists
}

// expectCallbacks returns the callbacks that the outbox must hold after the ends so far.
func (w *world) expectCallbacks(queue string) (entries []string) {
	for id, e := range w.tasks {
		if e.queue == queue && e.place == over && e.callback != nil && slices.Contains(e.callback.Events, e.outcome) {
			entries = append(entries, fmt.Sprint(id, " ", e.outcome))
		}
	}
	slices.Sort(entries)
	return entries
}

// lists are the names of all lists that the task must be on.
func (e *expected) lists() []string {
	names := []string{e.state()}
	switch {
	case e.place == active:
		names = append(names, "lease")
	case e.place == delayed:
		names = append(names, "own due")
	case e.state() == "archived":
		names = append(names, "own "+string(e.outcome))
	case e.place == waiting && e.expires && e.begun == 0:
		names = append(names, "own expires") // one that has begun no longer expires
	}
	if e.cancel && e.place != over {
		names = append(names, "own canceling")
	}
	return names
}

func (w *world) checkHash(id string, hash map[string]string) {
	e := w.tasks[id]
	if e == nil {
		w.t.Errorf("%s is nobody's: %q", id, hash)
		return
	}
	m, err := wire.DecodeMessage([]byte(hash[wire.FieldMessage]))
	if err != nil || m.ID != id || m.Type != "any" || m.Retried != e.retried {
		w.t.Errorf("the message of %s is %+v, error %v; want %d retries spent", id, m, err, e.retried)
	}
	if hash[wire.FieldState] != e.state() || number(hash[wire.FieldAttempt]) != e.begun {
		w.t.Errorf("%s is %s after %s attempts, want %s after %d", id, hash[wire.FieldState], hash[wire.FieldAttempt], e.state(), e.begun)
	}
	if (e.state() == "archived") != (hash[wire.FieldOutcome] == string(e.outcome) && hash[wire.FieldOutcome] != "") {
		w.t.Errorf("%s is %s and ended as %q, want %s", id, e.state(), hash[wire.FieldOutcome], e.outcome)
	}
	if (hash[wire.FieldResult] != "") != (e.state() == "completed") {
		w.t.Errorf("%s is %s and its result is %q", id, e.state(), hash[wire.FieldResult])
	}
}

// dump is all that Redis holds, by key. Redis's own DUMP differs for equal hashes.
func (w *world) dump() map[string]string {
	ctx := w.t.Context()
	keys, err := w.rdb.Keys(ctx, "*").Result()
	w.must(err)
	types := make([]*redis.StatusCmd, len(keys))
	_, err = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			types[i] = p.Type(ctx, key)
		}
		return nil
	})
	w.must(err)
	values := make([]redis.Cmder, len(keys))
	_, err = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			values[i] = readAny(ctx, p, key, types[i].Val())
		}
		return nil
	})
	w.must(err)
	all := make(map[string]string, len(keys))
	for i, key := range keys {
		all[key] = text(values[i])
	}
	return all
}

func readAny(ctx context.Context, p redis.Pipeliner, key, kind string) redis.Cmder {
	switch kind {
	case "hash":
		return p.HGetAll(ctx, key)
	case "list":
		return p.LRange(ctx, key, 0, -1)
	case "zset":
		return p.ZRangeWithScores(ctx, key, 0, -1)
	case "set":
		return p.SMembersMap(ctx, key)
	case "stream":
		return p.XRange(ctx, key, "-", "+")
	default:
		return p.Get(ctx, key)
	}
}

// text writes a value so that equal ones look the same; fmt prints maps in order.
func text(cmd redis.Cmder) string {
	switch c := cmd.(type) {
	case *redis.MapStringStringCmd:
		return fmt.Sprintf("%q", c.Val())
	case *redis.StringSliceCmd:
		return fmt.Sprintf("%q", c.Val())
	case *redis.StringStructMapCmd:
		return fmt.Sprintf("%q", c.Val())
	case *redis.ZSliceCmd:
		return fmt.Sprint(c.Val())
	case *redis.StringCmd:
		return c.Val()
	default:
		return cmd.String()
	}
}

// number reads a decimal number, 0 if there is none.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
