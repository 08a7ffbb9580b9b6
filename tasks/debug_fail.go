package tasks

import (
	"context"
	"errors"
	"os"

	"github.com/backbeat-go/backbeat/task"
)

// DebugFail fails in a chosen way.
var DebugFail = define("debug.fail", (*deps).debugFail,
	task.Describe("Fails, always or a number of times, in one of several ways."), task.Debug())

// DebugFailIn sets how often it fails, and how.
type DebugFailIn struct {
	Times *int   `json:"times,omitempty" minimum:"0" doc:"How many attempts fail. Default: all."`
	Kind  string `json:"kind,omitempty" enum:"error,permanent,panic,exit" default:"error" doc:"How they fail; exit ends the worker's process."`
}

// DebugFailOut is the number of attempts until it succeeded.
type DebugFailOut struct {
	Attempts int `json:"attempts"`
}

func (*deps) debugFail(ctx context.Context, in DebugFailIn) (DebugFailOut, error) {
	attempt := task.Info(ctx).Attempt
	if in.Times != nil && attempt > *in.Times {
		return DebugFailOut{attempt}, nil
	}
	err := errors.New("failed as asked")
	switch in.Kind {
	case "permanent":
		return DebugFailOut{}, task.Permanent(err)
	case "panic":
		panic("panicked as asked")
	case "exit":
		os.Exit(3)
	}
	return DebugFailOut{}, err
}
