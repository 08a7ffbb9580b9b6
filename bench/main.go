// Command bench measures Backbeat beside stock asynq: the same work, on one redis-server, in one run, so that the
// ratios hold whatever machine it is. make bench runs it; docs/performance.md holds one run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// options say what to measure, and how to tell.
type options struct {
	json      bool
	scale     float64
	only      string
	skipAsynq bool
	profile   string
	worker    string
	bare      bool
	redis     string
}

func main() {
	var o options
	flag.BoolVar(&o.json, "json", false, "print JSON, not a table")
	flag.Float64Var(&o.scale, "scale", 1, "how much work to measure, as a factor; 0.1 is quicker and less exact")
	flag.StringVar(&o.only, "run", "", "measure only the lines that have this in their names")
	flag.BoolVar(&o.skipAsynq, "skip-asynq", false, "measure Backbeat only, to profile it")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.StringVar(&o.worker, "worker", "", "measure nothing, be a worker of this system, stock or ours; the benchmark starts itself so to see its memory")
	flag.BoolVar(&o.bare, "bare", false, "measure nothing, be the API of a few lines that Backbeat's is compared with")
	flag.StringVar(&o.redis, "redis", "", "address of the Redis that -worker and -bare work on")
	flag.Usage = help
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // the process ends, and with it what stop would end
	}
}

func help() {
	fmt.Fprint(flag.CommandLine.Output(), `bench measures Backbeat beside stock asynq on a redis-server of its own, and prints a table of both, how many times
better Backbeat is, and whether that meets the goal, where there is one. A whole run takes about ten minutes; let the
machine do nothing else meanwhile. The exit code tells whether it could measure, whatever the figures.

Flags:
`)
	flag.PrintDefaults()
}

func run(ctx context.Context, o options) error {
	if o.worker != "" {
		return beWorker(ctx, o.worker, o.redis)
	}
	if o.bare {
		return beBare(ctx, o.redis)
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	redis, err := startRedis(ctx)
	if err != nil {
		return err
	}
	defer redis.stop()
	figures, err := measure(ctx, redis, o)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(os.Stdout, figures)
	}
	return printTable(os.Stdout, figures)
}
