package script

import (
	"context"

	"github.com/backbeat-go/backbeat/internal/broker/wire"

	_ "embed"
	"strings"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/enqueue.lua
	enqueueSource string
	//go:embed lua/fetch.lua
	fetchSource string
	//go:embed lua/finish.lua
	finishSource string
	//go:embed lua/progress.lua
	progressSource string
	//go:embed lua/cancel.lua
	cancelSource string
	//go:embed lua/retry.lua
	retrySource string
	//go:embed lua/run.lua
	runSource string
	//go:embed lua/delete.lua
	deleteSource string
	//go:embed lua/forward.lua
	forwardSource string
	//go:embed lua/recover.lua
	recoverSource string
	//go:embed lua/sweep.lua
	sweepSource string
	//go:embed lua/adopt.lua
	adoptSource string
	//go:embed lua/await.lua
	awaitSource string
	//go:embed lua/fence.lua
	fenceSource string
	//go:embed lua/tick.lua
	tickSource string
	//go:embed lua/forget.lua
	forgetSource string
	//go:embed lua/ends.lua
	endsSource string
	//go:embed lua/promises.lua
	promisesSource string
	//go:embed lua/glance.lua
	glanceSource string
	//go:embed lua/groups.lua
	groupsSource string
	//go:embed lua/bulk.lua
	bulkSource string
)

var (
	EnqueueScript  = newScript(enqueueSource)
	FetchScript    = newScript(fetchSource)
	FinishScript   = newScript(finishSource)
	ProgressScript = newScript(progressSource)
	CancelScript   = newScript(cancelSource)
	RetryScript    = newScript(retrySource)
	RunScript      = newScript(runSource)
	DeleteScript   = newScript(deleteSource)
	ForwardScript  = newScript(forwardSource)
	RecoverScript  = newScript(recoverSource)
	sweepScript    = newScript(sweepSource)
	adoptScript    = newScript(adoptSource)
	AwaitScript    = newScript(awaitSource)
	FenceScript    = newScript(fenceSource)
	TickScript     = newScript(tickSource)
	ForgetScript   = newScript(forgetSource)
	EndsScript     = newScript(endsSource)
	PromisesScript = newScript(promisesSource)
	GlanceScript   = newScript(glanceSource)
	GroupsScript   = newScript(groupsSource)
)

// bulkScripts do to many tasks what the scripts of single tasks do to one.
var BulkScripts = map[fleet.Action]Script{
	fleet.ActionCancel: newBulkScript(cancelSource),
	fleet.ActionRetry:  newBulkScript(retrySource),
	fleet.ActionDelete: newBulkScript(deleteSource),
}

// script is a Lua script on the keys of one queue. Its ARGV begins with what the prelude reads.
type Script struct{ *redis.Script }

func newScript(source string) Script { return Script{redis.NewScript(withPreludeOf(source))} }

// newBulkScript makes a function of the source of a script, whose KEYS and ARGV become parameters.
func newBulkScript(source string) Script {
	act := "local function act(KEYS, ARGV)\n" + source + "\nend"
	return newScript(strings.Replace(bulkSource, "-- ACT", act, 1))
}

func (s Script) Run(
	ctx context.Context, rdb redis.Scripter, queue string, keys []string, args ...any,
) *redis.Cmd {
	return s.Script.Run(ctx, rdb, keys, withPrelude(queue, args)...)
}

// queue puts the script into a pipeline. Whoever runs it must be ready for NOSCRIPT.
func (s Script) Pipe(
	ctx context.Context, pipe redis.Pipeliner, queue string, keys []string, args ...any,
) *redis.Cmd {
	return s.EvalSha(ctx, pipe, keys, withPrelude(queue, args)...)
}

func withPrelude(queue string, args []any) []any {
	return append([]any{wire.AsynqPrefix(queue), wire.OwnPrefix(queue)}, args...)
}
