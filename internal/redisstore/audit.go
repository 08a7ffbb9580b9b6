package redisstore

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// auditKept is how many entries there are at most.
const auditKept = 10_000

const auditField = "entry" // of an element of the stream; its value is JSON

// Audit keeps the newest entries of the audit log, in the order in which they reached Redis. Entries that come while
// others are on their way go together, as one pipeline: a busy API does not pay for a round trip each.
type Audit struct {
	rdb    redis.UniversalClient
	flying sync.WaitGroup

	mu      sync.Mutex
	waiting []*auditWrite
	flies   bool // a pipeline is on its way, and takes along what waits when it is back
}

// auditWrite is an entry that is to be written.
type auditWrite struct {
	data []byte
	done chan error
}

// NewAudit returns the audit log in a Redis. Close it before the client of Redis.
func NewAudit(rdb redis.UniversalClient) *Audit { return &Audit{rdb: rdb} }

// Close waits for what is being written.
func (a *Audit) Close() { a.flying.Wait() }

// Record adds an entry, and drops the oldest beyond 10,000. If ctx ends first, the entry may come to be there all the same.
// Errors: CodeUnavailable.
func (a *Audit) Record(ctx context.Context, e *audit.Entry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	own := &auditWrite{data, make(chan error, 1)}
	a.mu.Lock()
	a.waiting = append(a.waiting, own)
	if !a.flies {
		a.flies = true
		a.flying.Go(a.fly)
	}
	a.mu.Unlock()
	select {
	case err := <-own.done:
		return redisconn.Coded(err)
	case <-ctx.Done():
		return redisconn.Coded(ctx.Err())
	}
}

func (a *Audit) fly() {
	for batch := a.take(); len(batch) > 0; batch = a.take() {
		_, err := a.rdb.Pipelined(context.Background(), func(p redis.Pipeliner) error {
			for _, w := range batch {
				p.XAdd(context.Background(), &redis.XAddArgs{Stream: auditKey, MaxLen: auditKept, Values: []any{auditField, w.data}})
			}
			return nil
		})
		for _, w := range batch {
			w.done <- err
		}
	}
}

func (a *Audit) take() []*auditWrite {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := a.waiting
	a.waiting = nil
	a.flies = len(batch) > 0
	return batch
}

// Entries returns up to limit entries, newest first, from a cursor on, which is "" for the newest; and the cursor of the
// next page, "" if there is none. Errors: CodeInvalid for a bad cursor, CodeUnavailable.
func (a *Audit) Entries(ctx context.Context, cursor string, limit int) (entries []audit.Entry, next string, err error) {
	from := "+"
	if cursor != "" {
		if !isStreamID(cursor) {
			return nil, "", task.Invalid(task.ValidationError{Location: "cursor", Message: "is not a cursor of this list; begin without one"})
		}
		from = "(" + cursor
	}
	found, err := a.rdb.XRevRangeN(ctx, auditKey, from, "-", int64(limit)+1).Result()
	if err != nil {
		return nil, "", redisconn.Coded(err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].ID
	}
	for _, element := range found {
		var e audit.Entry
		text, _ := element.Values[auditField].(string)
		if json.Unmarshal([]byte(text), &e) == nil { // nobody else writes here
			entries = append(entries, e)
		}
	}
	return entries, next, nil
}

// isStreamID reports whether Redis can read an id.
func isStreamID(id string) bool {
	ms, seq, ok := strings.Cut(id, "-")
	_, badMS := strconv.ParseUint(ms, 10, 64)
	_, badSeq := strconv.ParseUint(seq, 10, 64)
	return ok && badMS == nil && badSeq == nil
}
