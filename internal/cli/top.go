package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

const (
	topInterval = time.Second
	// The alternate screen preserves the content of the terminal.
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	clearScreen = "\x1b[H\x1b[2J"
)

func (c *cli) topCommand() *cobra.Command {
	return c.command(cobra.Command{
		Use: "top", Short: "Watch queues and workers", Args: cobra.NoArgs,
		Long: "Shows queues with their throughput, and workers, every second until Ctrl-C. If the output is not a terminal, it shows them once.",
	}, c.top)
}

func (c *cli) top(ctx context.Context, _ []string) error {
	before, err := c.sample(ctx)
	if err != nil {
		return err
	}
	if !c.out.asTable() {
		return c.out.json(before)
	}
	if !isTerminal(c.out.w) {
		return before.write(c, nil)
	}
	fmt.Fprint(c.out.w, enterScreen)
	defer fmt.Fprint(c.out.w, leaveScreen)
	var last *sample
	for now := before; ctx.Err() == nil; {
		fmt.Fprint(c.out.w, clearScreen)
		if err := now.write(c, last); err != nil {
			return err
		}
		select {
		case <-time.After(topInterval):
		case <-ctx.Done(): // Ctrl-C
			return nil
		}
		last = now
		if now, err = c.sample(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// sample is one set of values that top shows.
type sample struct {
	Time    time.Time            `json:"time"`
	Queues  []client.QueueStatus `json:"queues"`
	Workers []client.Worker      `json:"workers"`
}

func (c *cli) sample(ctx context.Context) (s *sample, err error) {
	s = &sample{Time: time.Now()}
	if s.Queues, err = c.api.Queues(ctx); err != nil {
		return nil, err
	}
	s.Workers, err = c.api.Workers(ctx)
	return s, err
}

// rate returns the number of attempts of a queue that ended per second since an earlier sample. The counters restart at
// midnight.
func (s *sample) rate(q client.QueueStatus, earlier *sample) string {
	if earlier == nil {
		return ""
	}
	for _, before := range earlier.Queues {
		if before.Name == q.Name {
			n := max(q.ProcessedToday-before.ProcessedToday, 0)
			return fmt.Sprintf("%.1f", float64(n)/s.Time.Sub(earlier.Time).Seconds())
		}
	}
	return ""
}

func (s *sample) write(c *cli, earlier *sample) error {
	w := tabwriter.NewWriter(c.out.w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s  %s\n\n", plain(c.server), clock(s.Time))
	fmt.Fprintln(w, strings.ReplaceAll("QUEUE STATE PENDING RUNNING SCHEDULED AGGREGATING RETRYING LATENCY DONE/S DONE-TODAY FAILED-TODAY", " ", "\t"))
	for _, q := range s.Queues {
		fmt.Fprintln(w, tableRow([]any{
			q.Name, queueState(q), q.Pending, q.Running, q.Scheduled, q.Aggregating, q.Retrying,
			time.Duration(q.LatencyMS) * time.Millisecond, s.rate(q, earlier), q.ProcessedToday, q.FailedToday,
		}))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nWORKER\tRUNNING\tCONCURRENCY\tSTARTED")
	for _, k := range s.Workers {
		fmt.Fprintln(w, tableRow([]any{k.ID, len(k.Running), k.Concurrency, clock(k.StartedAt)}))
	}
	return w.Flush()
}
