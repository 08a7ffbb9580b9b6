package redisstore

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/audit"
	"github.com/backbeat-go/backbeat/internal/task"
)

// auditKept is how many entries there are at most.
const auditKept = 10_000

const auditField = "entry" // of an element of the stream; its value is JSON

// Audit keeps the newest entries of the audit log, in the order in which they reached Redis.
type Audit struct{ rdb redis.UniversalClient }

// NewAudit returns the audit log in a Redis.
func NewAudit(rdb redis.UniversalClient) *Audit { return &Audit{rdb} }

// Record adds an entry, and drops the oldest beyond 10,000. Errors: CodeUnavailable.
func (a *Audit) Record(ctx context.Context, e *audit.Entry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return unavailable(a.rdb.XAdd(ctx, &redis.XAddArgs{
		Stream: auditKey, MaxLen: auditKept, Values: []any{auditField, data},
	}).Err())
}

// Entries returns up to limit entries, newest first, from a cursor on, which is "" for the newest; and the cursor of the
// next page, "" if there is none. Errors: CodeInvalid for a bad cursor, CodeUnavailable.
func (a *Audit) Entries(ctx context.Context, cursor string, limit int) (entries []audit.Entry, next string, err error) {
	from := "+"
	if cursor != "" {
		if !isStreamID(cursor) {
			return nil, "", task.Invalid(task.Fault{Location: "cursor", Message: "is not a cursor of this list; begin without one"})
		}
		from = "(" + cursor
	}
	found, err := a.rdb.XRevRangeN(ctx, auditKey, from, "-", int64(limit)+1).Result()
	if err != nil {
		return nil, "", unavailable(err)
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
