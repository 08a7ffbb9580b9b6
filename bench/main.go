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

func main() {
	asJSON := flag.Bool("json", false, "print JSON, not a table")
	scale := flag.Float64("scale", 1, "how much work to measure; less is quicker and less exact")
	skip := flag.Bool("skip-asynq", false, "measure Backbeat only, to profile it")
	only := flag.String("run", "", "measure only what has this in its name")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *asJSON, *scale, *only, *skip); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, asJSON bool, scale float64, only string, skip bool) error {
	redis, err := startRedis(ctx)
	if err != nil {
		return err
	}
	defer redis.stop()
	figures, err := measure(ctx, redis, scale, only, skip)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"cpus": runtime.NumCPU(), "go": runtime.Version(), "figures": figures})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d CPUs, %s\t asynq\t Backbeat\t \t better\t\n", runtime.NumCPU(), runtime.Version())
	for _, f := range figures {
		fmt.Fprintf(w, "%s\t %.4g\t %.4g\t %s\t %.1f x\t\n", f.Name, f.Stock, f.Ours, f.Unit, f.Ratio)
	}
	return w.Flush()
}
