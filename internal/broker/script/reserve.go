package script

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
)

var (
	reserveScript  = named("reserve")
	withdrawScript = named("withdraw")
	claimScript    = scripts.Script("claim")
)

// Reserve reserves ids of a queue under a token for a time, or for longer if the token has them. It returns for each whether
// it is reserved: another token may have it.
func Reserve(ctx context.Context, rdb redis.Scripter, queue string, ids []string, token string, d time.Duration) ([]bool, error) {
	return reserveScript.run(ctx, rdb, queue, reservedKeys(queue, ids), token, d.Milliseconds()).BoolSlice()
}

// Withdraw ends reservations of a token.
func Withdraw(ctx context.Context, rdb redis.Scripter, queue string, ids []string, token string) error {
	return withdrawScript.run(ctx, rdb, queue, reservedKeys(queue, ids), token).Err()
}

func reservedKeys(queue string, ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = wire.ReservedKey(queue, id)
	}
	return keys
}

// Claim puts a claim under an idempotency key, unless there is one, for a time. It returns the claim that is there then. The key
// belongs to no queue.
func Claim(ctx context.Context, rdb redis.Scripter, hash string, claim []byte, d time.Duration) (held string, err error) {
	return claimScript.Run(ctx, rdb, []string{wire.IdempotencyKey(hash)}, claim, d.Milliseconds()).Text()
}
