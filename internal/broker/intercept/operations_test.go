package intercept

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/broker/clock"
	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
)

// newOffline returns an interceptor in front of a Redis that fails the test when it is sent a command, and the errors that
// the interceptor reports.
func newOffline(t *testing.T) (*Interceptor, <-chan error) {
	t.Helper()
	rdb := newRefusals(func(err error) { t.Errorf("sent to redis: %v", err) }).client()
	t.Cleanup(func() { rdb.Close() })
	reported := make(chan error, 100)
	l := New(rdb, Config{
		Server: &wire.ServerInfo{Host: "h"}, Clock: clock.New(rdb), Queues: []fleet.Queue{{Name: "q", Weight: 1}},
		Knows: func(string) bool { return true }, Concurrency: 1, Refused: func(err error) { reported <- err },
		Logger: slog.New(slog.DiscardHandler), Meter: meter.None{},
	})
	t.Cleanup(l.StopAcks)
	return l, reported
}

// What asynq of another version may send is not sent, and reported once, for the worker must stop.
func TestUnknownCommandsAreRefused(t *testing.T) {
	queue := func(names ...string) []string {
		for i := range names {
			names[i] = "asynq:{q}:" + names[i]
		}
		return names
	}
	script := func(keys ...string) func(context.Context, *Interceptor) error {
		return func(ctx context.Context, l *Interceptor) error { return l.EvalSha(ctx, "sha", keys, "id").Err() }
	}
	for name, send := range map[string]func(context.Context, *Interceptor) error{
		"an unknown script":        script(queue("pending", "active", "lease", "future")...),
		"a dequeue of a new kind":  script(queue("pending", "paused", "active", "lease", "limits")...),
		"a shorter dequeue":        script(queue("pending", "paused", "active")...),
		"a done with another last": script(queue("active", "lease", "t:id", "processed:2026-01-01", "total")...),
		"keys of two queues":       script("asynq:{q}:scheduled", "asynq:{r}:pending"),
		"state of a new kind":      script("asynq:servers:{h:1:x}", "asynq:workers:{h:1:x}", "asynq:health:{h:1:x}"),
		"other keys":               script("other"),
		"no keys":                  script(),
		"an unknown script, by its source": func(ctx context.Context, l *Interceptor) error {
			return l.Eval(ctx, "return 1", queue("pending", "future")).Err()
		},
		"a script that only reads": func(ctx context.Context, l *Interceptor) error {
			return l.EvalShaRO(ctx, "sha", queue("lease")).Err()
		},
		"a function": func(ctx context.Context, l *Interceptor) error {
			return l.FCall(ctx, "asynq_dequeue", queue("pending", "paused", "active", "lease")).Err()
		},
		"a list of other members": func(ctx context.Context, l *Interceptor) error {
			return l.ZAdd(ctx, "asynq:future", redis.Z{Member: "m"}).Err()
		},
		"other leases":      func(ctx context.Context, l *Interceptor) error { return l.ZAddXX(ctx, "asynq:{q}:leases").Err() },
		"another unlisting": func(ctx context.Context, l *Interceptor) error { return l.ZRem(ctx, "asynq:future", "m").Err() },
		"a plain command":   func(ctx context.Context, l *Interceptor) error { return l.LPush(ctx, "asynq:{q}:pending", "id").Err() },
		"any command": func(ctx context.Context, l *Interceptor) error {
			return l.Do(ctx, "LPUSH", "asynq:{q}:pending", "id").Err()
		},
		"a command of its own": func(ctx context.Context, l *Interceptor) error { return l.Process(ctx, redis.NewCmd(ctx, "PING")) },
		"a pipeline": func(ctx context.Context, l *Interceptor) error {
			pipe := l.Pipeline()
			get := pipe.Get(ctx, "asynq:{q}:paused")
			_, err := pipe.Exec(ctx)
			return errors.Join(err, get.Err())
		},
		"a transaction": func(ctx context.Context, l *Interceptor) error {
			_, err := l.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.RPopLPush(ctx, "asynq:{q}:pending", "asynq:{q}:active").Err() })
			return err
		},
		"a watch": func(ctx context.Context, l *Interceptor) error {
			return l.Watch(ctx, func(*redis.Tx) error { return nil }, "asynq:{q}:pending")
		},
		"a watch without keys": func(ctx context.Context, l *Interceptor) error {
			return l.Watch(ctx, func(tx *redis.Tx) error { return tx.Get(ctx, "asynq:{q}:paused").Err() })
		},
		"an automatic pipeline": func(ctx context.Context, l *Interceptor) error {
			pipe, err := l.AutoPipeline()
			if err != nil {
				return err
			}
			defer pipe.Close()
			return pipe.Get(ctx, "asynq:{q}:paused").Err()
		},
		"another subscription": func(ctx context.Context, l *Interceptor) error {
			return receive(ctx, l.Subscribe(ctx, "asynq:future"))
		},
		"a subscription to a pattern": func(ctx context.Context, l *Interceptor) error {
			return receive(ctx, l.PSubscribe(ctx, "asynq:*"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, reported := newOffline(t)
			if len(reported) > 0 {
				t.Fatal("something was refused before")
			}
			err := send(t.Context(), l)
			if err == nil {
				t.Fatal("no error")
			}
			wantIncompatible(t, err)
			if err := send(t.Context(), l); err == nil {
				t.Error("no error the second time")
			}
			wantIncompatible(t, <-reported)
			if n := len(reported); n > 0 {
				t.Errorf("reported %d times more", n)
			}
		})
	}
}

func receive(ctx context.Context, sub *redis.PubSub) error {
	defer sub.Close()
	_, err := sub.Receive(ctx)
	return err
}

// After a refusal no task starts: asynq might send something else for its end too.
func TestNoTaskStartsAfterARefusal(t *testing.T) {
	l, _ := newOffline(t)
	l.prefetch.queues["q"].held = []*Attempt{{Queue: "q", ID: "id", Message: &wire.Message{}}}
	_ = l.LPush(t.Context(), "asynq:{q}:pending", "id")
	l.StopFetching()
	keys := []string{wire.PendingKey("q"), wire.PausedKey("q"), wire.ActiveKey("q"), wire.LeaseKey("q")}
	if err := l.EvalSha(t.Context(), "sha", keys).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("got %v", err)
	}
}

// asynq never ends a task by its own scripts, which know no attempts: they would write a message without its payload.
func TestScriptsThatEndTasksAreNeverSent(t *testing.T) {
	l, reported := newOffline(t)
	id := "asynq:{q}:t:id"
	for _, keys := range [][]string{
		{"asynq:{q}:active", "asynq:{q}:lease", id, "asynq:{q}:processed:2026-01-01", "asynq:{q}:processed"},
		{"asynq:{q}:active", "asynq:{q}:lease", "asynq:{q}:pending", id},
	} {
		running := &Attempt{Queue: "q", ID: "running", Message: &wire.Message{}}
		l.attempts[wire.Ref{Queue: "q", ID: "running"}] = running
		for _, args := range [][]any{{"id"}, {}, {running.ID}} {
			if len(args) > 0 && args[0] == running.ID && keys[2] == wire.PendingKey("q") {
				continue // that ends the attempt
			}
			if err := l.EvalSha(t.Context(), "sha", keys, args...).Err(); !errors.Is(err, errNotRunning) {
				t.Errorf("%v of %v: %v", keys, args, err)
			}
		}
	}
	if n := len(reported); n > 0 {
		t.Errorf("%d refusals", n)
	}
}

// Nothing closes the client that refuses, so it must not have anything to close.
func TestTheRefusingClientHasNoGoroutines(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rdb := newRefusals(func(error) {}).client()
	if rdb.Ping(t.Context()).Err() == nil || receive(t.Context(), rdb.Subscribe(t.Context(), "asynq:cancel")) == nil {
		t.Error("not refused")
	}
}

func TestRefusalsShowNoArguments(t *testing.T) {
	l, _ := newOffline(t)
	err := l.LPush(t.Context(), "asynq:{q}:pending", "a secret").Err()
	if !strings.Contains(err.Error(), "LPUSH asynq:{q}:pending") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// The table was made for the asynq that go.mod requires.
func TestKnownAsynqIsTheRequiredOne(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), asynqModule+" "+knownAsynq+"\n") {
		t.Errorf("go.mod does not require asynq %s", knownAsynq)
	}
}

func TestVersionOfAsynq(t *testing.T) {
	other := &debug.Module{Path: "example.com/other", Version: "v9.9.9"}
	for _, tt := range []struct {
		deps []*debug.Module
		want string
	}{
		{[]*debug.Module{other, {Path: asynqModule, Version: "v0.27.1"}}, "v0.27.1"},
		{[]*debug.Module{{Path: asynqModule, Version: "v0.26.0", Replace: &debug.Module{Path: "../asynq"}}}, "v0.26.0 (replaced by ../asynq)"},
		{[]*debug.Module{other}, unknownVersion},
	} {
		if got := versionIn(&debug.BuildInfo{Deps: tt.deps}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
