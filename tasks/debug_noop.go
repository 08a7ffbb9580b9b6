package tasks

import (
	"context"

	"github.com/backbeat-go/backbeat/task"
)

// DebugNoop does nothing, as fast as that can be done.
var DebugNoop = define("debug.noop", (*deps).debugNoop,
	task.Describe("Does nothing, and leaves nothing behind."), task.Retention(0), task.Debug())

func (*deps) debugNoop(context.Context, task.None) (task.None, error) { return task.None{}, nil }
