package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

var takeScript = scripts.Script("take")

// Buckets holds callers to a rate, however many processes they call. The clock is that of Redis.
type Buckets struct{ rdb redis.UniversalClient }

// NewBuckets returns the buckets at rdb. A client that sends no command twice by itself never charges anybody twice.
func NewBuckets(rdb redis.UniversalClient) *Buckets { return &Buckets{rdb} }

// Take takes a charge out of a caller's bucket, if that holds enough. It returns an error with task.CodeUnavailable if
// Redis does not answer.
func (b *Buckets) Take(ctx context.Context, caller string, rate ratelimit.Rate, charge ratelimit.Charge) (ratelimit.Decision, error) {
	keys := []string{bucketKey(caller)}
	reply, err := takeScript.Run(ctx, b.rdb, keys, rate.Burst, rate.PerSecond(), charge.Cost, charge.Need).Slice()
	if err != nil {
		return ratelimit.Decision{}, redisconn.Coded(err)
	}
	tokens, err := strconv.ParseFloat(fmt.Sprint(reply[1]), 64)
	if err != nil {
		return ratelimit.Decision{}, redisconn.Coded(err)
	}
	return ratelimit.Decision{Allowed: reply[0] == int64(1), Tokens: tokens}, nil
}
