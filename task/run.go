package task

import (
	"context"
	"fmt"
	"time"
)

// RunInfo describes an attempt to its handler.
type RunInfo struct {
	ID         string
	Type       string
	Queue      string
	Attempt    int // 1 for the first
	MaxRetries int
	Metadata   map[string]string
	Schedule   *Tick // nil unless a schedule enqueued the task
	CreatedAt  time.Time
}

type runKey struct{}

type run struct {
	info   RunInfo
	report func(Report)
}

// NewContext returns a context for which Info and Progress work. Progress calls report, perhaps from several goroutines at
// once.
func NewContext(ctx context.Context, info RunInfo, report func(Report)) context.Context {
	return context.WithValue(ctx, runKey{}, &run{info, report})
}

// Info returns the RunInfo of the attempt whose handler was called with ctx, and the zero RunInfo outside of a handler.
func Info(ctx context.Context) RunInfo {
	if r, ok := ctx.Value(runKey{}).(*run); ok {
		return r.info
	}
	return RunInfo{}
}

// Progress reports the progress of the attempt in percent, from 0 to 100, with a message. It may be called often: reports in
// quick succession are combined, and the last one wins. Outside of a handler it does nothing.
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
