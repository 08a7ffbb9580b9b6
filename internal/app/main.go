// Package app puts the programs together: it is the only package that knows all others.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker"
	"github.com/backbeat-go/backbeat/internal/telemetry"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitConfig = 2 // bad configuration
)

// version is set by the linker in releases.
var version = ""

// Version is the version that the programs were built as.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Main runs a program until it is told to stop, and returns its exit code: 0 after a clean end, 1 if it could not
// go on, 2 for a bad configuration.
func Main(p config.Program, args, environ []string, stdout, stderr io.Writer) int {
	probe := len(args) > 0 && args[0] == "healthcheck"
	if probe {
		args = args[1:]
	}
	cfg, err := config.Load(p, args, environ)
	switch {
	case errors.Is(err, config.ErrHelp):
		fmt.Fprint(stdout, config.Usage(p))
		return exitOK
	case errors.Is(err, config.ErrVersion):
		fmt.Fprintf(stdout, "backbeat-%s %s\n", p, Version())
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitConfig
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if probe {
		return report(healthcheck(ctx, p, cfg), stderr)
	}
	return run(ctx, p, cfg, stderr)
}

func report(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

func run(ctx context.Context, p config.Program, cfg *config.Config, stderr io.Writer) int {
	logger := telemetry.NewLogger(stderr, cfg.Log.Level, cfg.Log.Format)
	program, err := New(p, cfg, logger)
	if faults, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintln(stderr, faults)
		return exitConfig
	}
	if err == nil {
		err = program.Run(ctx)
	}
	if setup, ok := errors.AsType[*broker.SetupError](err); ok {
		fmt.Fprintln(stderr, setup)
		return exitConfig
	}
	if err != nil {
		logger.Error("stopped", "program", string(p), "error", err)
		return exitFailed
	}
	logger.Info("stopped", "program", string(p))
	return exitOK
}
