package setup

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/luascript"
)

//go:embed lua/rights.lua
var rightsSource string

var rightsScript = luascript.New(rightsSource)

// channels are those that the programs publish on, including the beat's in internal/redisstore.
var channels = []string{
	wire.AsynqCancelChannel, wire.WatchedChannel, wire.WakeChannel, wire.DueChannel, wire.OutboxChannel, "backbeat:changes", "backbeat:resigned",
}

// Error is a defect of a Redis, or of the programs' user there, that a retry cannot mend.
type Error struct{ text string }

// Error says what is wrong and how to correct it.
func (e *Error) Error() string { return e.text }

func errorf(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// checkRights returns an *Error that lists the rights that the user lacks, nil if it lacks none.
func checkRights(ctx context.Context, rdb redis.UniversalClient) error {
	keys := []string{wire.OwnPrefix("backbeat") + "rights", wire.AsynqPrefix("backbeat") + "rights"}
	args := make([]any, len(channels))
	for i, channel := range channels {
		args[i] = channel
	}
	refused, err := rightsScript.Run(ctx, rdb, keys, args...).StringSlice()
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		return lacking(ctx, rdb, []string{firstLine(err)})
	case err != nil:
		return setupErrorOf(err)
	}
	err = checkSubscribe(ctx, rdb)
	if redis.HasErrorPrefix(err, "NOPERM") {
		refused = append(refused, "subscribe")
	} else if err != nil {
		return err
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		return lacking(ctx, rdb, slices.Compact(refused))
	}
	return nil
}

// checkSubscribe subscribes to all channels and closes the subscription.
func checkSubscribe(ctx context.Context, rdb redis.UniversalClient) error {
	pubsub := rdb.Subscribe(ctx, channels...)
	defer pubsub.Close()
	_, err := pubsub.ReceiveTimeout(ctx, 5*time.Second)
	return err
}

func lacking(ctx context.Context, rdb redis.UniversalClient, refused []string) error {
	user, err := rdb.Do(ctx, "ACL", "WHOAMI").Text()
	if err != nil {
		user = "NAME" // it has no right to ACL WHOAMI
	}
	return errorf("the redis user %s lacks rights: %s; to give it all that is needed: "+
		"ACL SETUSER %s ~asynq:* ~backbeat:* &asynq:* &backbeat:* +@all -@dangerous +info", user, strings.Join(refused, " "), user)
}

// setupErrorOf returns an *Error for a reply that reports a wrong user, password or database, and other errors unchanged.
func setupErrorOf(err error) error {
	if _, ok := errors.AsType[redis.Error](err); !ok {
		return err
	}
	text := firstLine(err)
	switch lower := strings.ToLower(text); {
	case strings.Contains(text, "NOPERM"):
		return errorf("the redis user lacks a right: %s", text)
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"), strings.Contains(lower, "invalid password"),
		strings.Contains(lower, "without any password configured"):
		return errorf("redis refuses the user or the password of redis.url: %s", text)
	case strings.Contains(lower, "db index is out of range"), strings.Contains(lower, "select is not allowed in cluster mode"),
		strings.Contains(lower, "invalid db index"):
		return errorf("redis has no such database as redis.url names: %s", text)
	}
	return err
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
