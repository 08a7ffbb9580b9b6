package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"
)

// replay measures what Redis can do with asynq's own scripts when nobody ever waits for it: the dequeue and the done that
// a stock worker sends, sent again in pipelines, with no worker between them. It is the mark that a worker without
// scripts of its own could at best come near to.
func replay(ctx context.Context, b *bench, s system) ([]float64, error) {
	defer raiseGCTarget()() // it must not lose for want of what ours has
	scripts, err := recordScripts(ctx, b, s)
	if err != nil {
		return nil, err
	}
	best := 0.0
	for _, connections := range []int{1, 2, 4} {
		for _, batch := range []int{20, 100} {
			rate, err := scripts.drain(ctx, b, s, connections, batch)
			if err != nil {
				return nil, err
			}
			best = max(best, rate)
		}
	}
	return []float64{best}, nil
}

// recorder is a hook that keeps the newest call of each of two scripts, as it went to Redis.
type recorder struct {
	mu            sync.Mutex
	id            string
	dequeue, done []any // EVALSHA, its hash, the number of keys, keys, arguments
}

// DialHook is part of redis.Hook.
func (*recorder) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook is part of redis.Hook.
func (*recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook is part of redis.Hook. A dequeue that finds nothing, or a script that Redis does not have yet, is an error
// here and is not kept.
func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && cmd.Name() == "evalsha" {
			r.keep(cmd.Args())
		}
		return err
	}
}

func (r *recorder) keep(call []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch call[3] {
	case pendingKey:
		r.dequeue = slices.Clone(call)
	case activeKey:
		r.done = slices.Clone(call)
		r.id, _ = call[3+call[2].(int)].(string)
	}
}

const (
	pendingKey = "asynq:{" + queueName + "}:pending"
	activeKey  = "asynq:{" + queueName + "}:active"
)

// recordScripts lets a stock worker run a few tasks: Redis may not have its scripts at first.
func recordScripts(ctx context.Context, b *bench, s system) (*recorder, error) {
	const n = 3
	if err := fill(ctx, s, n, nil, false); err != nil {
		return nil, err
	}
	rdb := redis.NewClient(&redis.Options{Addr: b.redis.addr})
	defer rdb.Close()
	r := &recorder{}
	rdb.AddHook(r)
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: 1, Queues: map[string]int{queueName: 1}, LogLevel: asynq.FatalLevel,
	})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		return nil, err
	}
	err := b.awaitProcessed(ctx, n)
	server.Shutdown() // after which nothing is recorded any more
	if err == nil && (r.dequeue == nil || r.done == nil || r.id == "") {
		err = errors.New("asynq's scripts were not recognized: they are not those of asynq v0.26")
	}
	return r, err
}

// doneFor returns the call that ends the task of that id.
func (r *recorder) doneFor(id string) []any {
	call := slices.Clone(r.done)
	for i, arg := range call {
		if text, ok := arg.(string); ok {
			call[i] = strings.ReplaceAll(text, r.id, id)
		}
	}
	return call
}

// drain empties a full queue with the recorded calls, and returns the tasks a second.
func (r *recorder) drain(ctx context.Context, b *bench, s system, connections, batch int) (float64, error) {
	n := b.scaled(30_000)
	if err := b.redis.rdb.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	if err := fill(ctx, s, n, nil, false); err != nil {
		return 0, err
	}
	errs := make(chan error, connections)
	start := time.Now()
	for range connections {
		go func() { errs <- r.drainAlone(ctx, b.redis.rdb, batch) }()
	}
	var err error
	for range connections {
		err = errors.Join(err, <-errs)
	}
	took := time.Since(start)
	if processed := b.redis.rdb.Get(ctx, "asynq:{"+queueName+"}:processed").Val(); err == nil && processed != fmt.Sprint(n) {
		err = fmt.Errorf("%s tasks of %d were done", processed, n)
	}
	return float64(n) / took.Seconds(), err
}

// drainAlone does batch after batch over one connection at a time, until the queue is empty.
func (r *recorder) drainAlone(ctx context.Context, rdb *redis.Client, batch int) error {
	for {
		pipe := rdb.Pipeline()
		for range batch {
			pipe.Do(ctx, r.dequeue...)
		}
		cmds, err := pipe.Exec(ctx)
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		for _, cmd := range cmds {
			if message, err := cmd.(*redis.Cmd).Text(); err == nil {
				pipe.Do(ctx, r.doneFor(messageID(message))...)
			}
		}
		if pipe.Len() == 0 {
			return nil
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
}

// messageID reads the id, which is field 3, out of asynq's message.
func messageID(message string) string {
	for data := []byte(message); len(data) > 0; {
		num, wire, tag := protowire.ConsumeTag(data)
		if num == 3 {
			id, _ := protowire.ConsumeString(data[tag:])
			return id
		}
		n := protowire.ConsumeFieldValue(num, wire, data[max(tag, 0):])
		if tag < 0 || n < 0 {
			break
		}
		data = data[tag+n:]
	}
	return ""
}
