package intercept

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	asynqModule = "github.com/hibiken/asynq"
	// knownAsynq is the version that the table of operations was made for.
	knownAsynq = "v0.26.0"
)

// incompatible is the error of a worker whose asynq does what the table of operations does not list.
func incompatible(what string) error {
	return fmt.Errorf("asynq %s is not compatible with this version of backbeat: %s; backbeat knows asynq %s, "+
		"so pin it (go get %s@%s) or use a version of backbeat that knows yours",
		asynqVersion(), what, knownAsynq, asynqModule, knownAsynq)
}

// asynqVersion returns the version of asynq that the program is built with.
func asynqVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknownVersion
	}
	return versionIn(info)
}

const unknownVersion = "of an unknown version" // as in a test, which has no list of modules

func versionIn(info *debug.BuildInfo) string {
	i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == asynqModule })
	if i < 0 {
		return unknownVersion
	}
	m := info.Deps[i]
	if m.Replace != nil {
		return fmt.Sprintf("%s (replaced by %s)", m.Version, strings.TrimSpace(m.Replace.Path+" "+m.Replace.Version))
	}
	return m.Version
}

// refusals refuses commands. The first one is reported, because the worker must stop: asynq would go on with a view of its
// tasks that is not that of Redis.
type refusals struct {
	report func(error)
	once   sync.Once
	first  chan struct{} // closed at the first refusal
}

func newRefusals(report func(error)) *refusals {
	return &refusals{report: report, first: make(chan struct{})}
}

// refuse returns the error of a command that is not sent.
func (r *refusals) refuse(what string, keys ...string) error {
	if len(keys) > 0 {
		what += " with the keys " + strings.Join(keys, ", ")
	}
	err := incompatible("it sends an unknown " + what)
	r.once.Do(func() {
		close(r.first)
		r.report(err)
	})
	return err
}

// client returns a client that sends nothing and refuses everything: commands, pipelines, transactions and subscriptions.
// An interceptor embeds it, so that a method of redis.UniversalClient which the interceptor does not have is refused.
func (r *refusals) client() *redis.Client {
	rdb := newUnconnected(func(context.Context, string, string) (net.Conn, error) { return nil, r.refuse("kind of connection") })
	rdb.AddHook(refusingHook{r})
	return rdb
}

// newUnconnected returns a client that has no goroutines of its own, and connections only if dial makes them.
func newUnconnected(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *redis.Client {
	return redis.NewClient(&redis.Options{
		Dialer: dial, DialerRetries: 1, MaxRetries: -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

type refusingHook struct{ *refusals }

// DialHook implements redis.Hook.
func (h refusingHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h refusingHook) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error { return h.refuseCommands(cmd) }
}

// ProcessPipelineHook implements redis.Hook.
func (h refusingHook) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		err := h.refuseCommands(cmds...)
		for _, cmd := range cmds {
			cmd.SetErr(err)
		}
		return err
	}
}

// refuseCommands names commands by what begins them. Later arguments may be payloads.
func (h refusingHook) refuseCommands(cmds ...redis.Cmder) error {
	names := make([]string, 0, len(cmds))
	for _, cmd := range cmds {
		name := strings.ToUpper(cmd.FullName())
		if args := cmd.Args(); len(args) > 1 {
			if key, ok := args[1].(string); ok {
				name += " " + key
			}
		}
		names = append(names, name)
	}
	return h.refuse("command " + strings.Join(names, ", "))
}
