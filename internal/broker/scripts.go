package broker

import (
	"context"
	_ "embed"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/fleet"
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
	enqueueScript  = newScript(enqueueSource)
	fetchScript    = newScript(fetchSource)
	finishScript   = newScript(finishSource)
	progressScript = newScript(progressSource)
	cancelScript   = newScript(cancelSource)
	retryScript    = newScript(retrySource)
	runScript      = newScript(runSource)
	deleteScript   = newScript(deleteSource)
	forwardScript  = newScript(forwardSource)
	recoverScript  = newScript(recoverSource)
	sweepScript    = newScript(sweepSource)
	adoptScript    = newScript(adoptSource)
	awaitScript    = newScript(awaitSource)
	fenceScript    = newScript(fenceSource)
	tickScript     = newScript(tickSource)
	forgetScript   = newScript(forgetSource)
	endsScript     = newScript(endsSource)
	promisesScript = newScript(promisesSource)
	glanceScript   = newScript(glanceSource)
	groupsScript   = newScript(groupsSource)
)

// bulkScripts do to many tasks what the scripts of single tasks do to one.
var bulkScripts = map[fleet.Action]script{
	fleet.ActionCancel: newBulkScript(cancelSource),
	fleet.ActionRetry:  newBulkScript(retrySource),
	fleet.ActionDelete: newBulkScript(deleteSource),
}

// script is a Lua script on the keys of one queue. Its ARGV begins with what the prelude reads.
type script struct{ *redis.Script }

func newScript(source string) script { return script{redis.NewScript(withPreludeOf(source))} }

// newBulkScript makes a function of the source of a script, whose KEYS and ARGV become parameters.
func newBulkScript(source string) script {
	act := "local function act(KEYS, ARGV)\n" + source + "\nend"
	return newScript(strings.Replace(bulkSource, "-- ACT", act, 1))
}

func (s script) run(
	ctx context.Context, rdb redis.Scripter, queue string, keys []string, args ...any,
) *redis.Cmd {
	return s.Run(ctx, rdb, keys, withPrelude(queue, args)...)
}

// queue puts the script into a pipeline. Whoever runs it must be ready for NOSCRIPT.
func (s script) queue(
	ctx context.Context, pipe redis.Pipeliner, queue string, keys []string, args ...any,
) *redis.Cmd {
	return s.EvalSha(ctx, pipe, keys, withPrelude(queue, args)...)
}

func withPrelude(queue string, args []any) []any {
	return append([]any{asynqPrefix(queue), ownPrefix(queue)}, args...)
}
