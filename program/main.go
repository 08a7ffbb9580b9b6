// Package program is whole programs with task types of your own: the API, the worker, the beat, and all three in one process, with
// flags, environment, configuration file, logs, metrics, health and a drain at the end, as the programs in cmd have them.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/broker/setup"
	"github.com/backbeat-go/backbeat/internal/startstop"
	"github.com/backbeat-go/backbeat/internal/telemetry"
	"github.com/backbeat-go/backbeat/task"
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

// Program is one of the programs.
type Program = config.Program

// The programs.
const (
	API        = config.APIProgram
	Worker     = config.WorkerProgram
	Beat       = config.BeatProgram
	Standalone = config.Standalone // all three, and a Redis of its own where none is configured
)

// Main is the main function of a program with the task types of sets: it reads flags, the environment and the file, runs until
// it is told to stop, and exits. See Execute.
func Main(p Program, sets ...task.Set) {
	os.Exit(Execute(p, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, sets...))
}

// Execute runs a program until it is told to stop, and returns its exit code: 0 after a clean end, 1 if it could not
// go on, 2 for a bad configuration. SIGINT, SIGTERM and SIGHUP tell it to stop; a second one ends it at once.
func Execute(p Program, args, environ []string, stdout, stderr io.Writer, sets ...task.Set) int {
	signal.Ignore(syscall.SIGPIPE) // who reads the log may go, and the program works on
	probe := len(args) > 0 && args[0] == "healthcheck"
	if probe {
		args = args[1:]
	}
	o := newOptions(sets)
	cfg, err := config.Load(p, args, environ, o.check)
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
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal has its default effect again, and ends the program
	if probe {
		return report(healthcheck(ctx, p, cfg), stderr)
	}
	return run(ctx, p, cfg, stderr, o)
}

// stopSignals are the signals that tell a program to stop. One that nohup has it ignore stays ignored.
func stopSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func report(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

// run runs a program with options that have been checked.
func run(ctx context.Context, p Program, cfg *config.Config, stderr io.Writer, o options) int {
	logger := telemetry.NewLogger(stderr, cfg.Log.Level, cfg.Log.Format)
	redis.SetLogger(quietRedis{logger}) // go-redis has one for the whole process
	if o.logger == nil {
		o.logger = logger
	}
	app, err := assemble(cfg, p, o)
	if err == nil {
		if p == API || p == Worker || p == Standalone {
			raiseGCTarget()
		}
		app.parts.Add("memory", startstop.Background(func(ctx context.Context) { releaseIdle(ctx, releaseEvery) }))
		err = app.Run(ctx)
	}
	if faults, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintln(stderr, faults)
		return exitConfig
	}
	if setup, ok := errors.AsType[*setup.Error](err); ok {
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
