package redisstore

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/batch"
	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/task"
)

// auditKept is how many entries there are at most.
const auditKept = 10_000

// auditBatch and auditBytes bound the entries of a pipeline.
const (
	auditBatch = 1000
	auditBytes = 1 << 20
)

const auditField = "entry" // of an element of the stream; its value is JSON

// Audit keeps the newest entries of the audit log, in the order in which they reached Redis. Entries that are added while
// others are being written make one pipeline, so a busy API does not pay for a round trip each.
type Audit struct {
	rdb    redis.UniversalClient
	writes batch.Batcher[*auditWrite]
}

// auditWrite is an entry that is to be written.
type auditWrite struct {
	data []byte
	done chan error
}

// NewAudit returns the audit log in a Redis. Close it before the client of Redis.
func NewAudit(rdb redis.UniversalClient) *Audit {
	a := &Audit{rdb: rdb}
	a.writes.MaxItems, a.writes.MaxBytes = auditBatch, auditBytes
	a.writes.Weigh = func(w *auditWrite) int { return len(w.data) }
	a.writes.Write = a.write
	return a
}

// Close waits until all entries are written.
func (a *Audit) Close() { a.writes.Close() }

// Record adds an entry, and drops the oldest beyond 10,000. If ctx ends first, the entry may be written all the same.
// Errors: CodeUnavailable.
func (a *Audit) Record(ctx context.Context, e *audit.Entry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	own := &auditWrite{data, make(chan error, 1)}
	a.writes.Add(own)
	select {
	case err := <-own.done:
		return redisconn.Coded(err)
	case <-ctx.Done():
		return redisconn.Coded(ctx.Err())
	}
}

func (a *Audit) write(list []*auditWrite) {
	_, err := a.rdb.Pipelined(context.Background(), func(p redis.Pipeliner) error {
		for _, w := range list {
			p.XAdd(context.Background(), &redis.XAddArgs{Stream: auditKey, MaxLen: auditKept, Values: []any{auditField, w.data}})
		}
		return nil
	})
	for _, w := range list {
		w.done <- err
	}
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
