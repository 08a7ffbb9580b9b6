package task

import (
	"context"
	"fmt"
	"time"
)

// RunInfo tells a handler which run it is.
type RunInfo struct {
	ID         string
	Type       string
	Queue      string
	Attempt    int // 1 for the first
	MaxRetries int
	Metadata   map[string]string
	Schedule   *Tick // nil unless a schedule made the task
	CreatedAt  time.Time
}

type runKey struct{}

type run struct {
	info   RunInfo
	report func(Report)
}

// NewContext returns a context in which Info and Progress work. report is called by the handler's
// goroutines, perhaps several at once.
func NewContext(ctx context.Context, info RunInfo, report func(Report)) context.Context {
	return context.WithValue(ctx, runKey{}, &run{info, report})
}

// Info returns what the handler that was called with ctx may know of its run; the zero RunInfo outside
// of a handler.
func Info(ctx context.Context) RunInfo {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		return r.info
	}
	return RunInfo{}
}

// Progress tells how far the run has come, in percent from 0 to 100, and what it is doing. It may be
// called as often as is convenient: the newest report wins, and reports in quick succession cost no
// traffic. Outside of a handler it does nothing.
func Progress(ctx context.Context, percent float64, message string) {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		r.report(Report{Percent: min(max(percent, 0), 100), Message: message})
	}
}

func toString(v any) string {
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return fmt.Sprint(v)
}
