package tasks

import (
	"context"

	"github.com/backbeat-go/backbeat/task"
)

// DebugNoop does nothing, and is not retained.
var DebugNoop = define("debug.noop", (*deps).debugNoop,
	task.Describe("Does nothing, and is not retained."), task.Retention(0), task.Debug())

func (*deps) debugNoop(context.Context, task.None) (task.None, error) { return task.None{}, nil }
