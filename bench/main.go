// Command bench measures Backbeat beside stock asynq: the same work, on one redis-server, in one run, so that the
// ratios hold whatever machine it is. make bench runs it; docs/performance.md holds one run.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"text/tabwriter"
)

// figure is one line of the answer.
type figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Stock float64 `json:"stock"`
	Ours  float64 `json:"ours"`
	// Ratio says how many times better ours is.
	Ratio float64 `json:"ratio"`
}

// options say what to measure, and how to tell.
type options struct {
	json      bool
	scale     float64
	only      string
	skipAsynq bool
	profile   string
}

func main() {
	var o options
	flag.BoolVar(&o.json, "json", false, "print JSON, not a table")
	flag.Float64Var(&o.scale, "scale", 1, "how much work to measure; less is quicker and less exact")
	flag.StringVar(&o.only, "run", "", "measure only what has this in its name")
	flag.BoolVar(&o.skipAsynq, "skip-asynq", false, "measure Backbeat only, to profile it")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
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
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"cpus": runtime.NumCPU(), "go": runtime.Version(), "figures": figures})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d CPUs, %s\t asynq\t Backbeat\t \t better\t\n", runtime.NumCPU(), runtime.Version())
	for _, f := range figures {
		fmt.Fprintf(w, "%s\t %.4g\t %.4g\t %s\t %.1f x\t\n", f.Name, f.Stock, f.Ours, f.Unit, f.Ratio)
	}
	return w.Flush()
}
