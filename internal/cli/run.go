package cli

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

// runFlags are the flags of backbeat run.
type runFlags struct {
	payload    payloadFlags
	id, queue  string
	delay      time.Duration
	at         string
	maxRetries int
	timeout    time.Duration
	uniqueFor  time.Duration
	metadata   []string
	wait       waitFlag
	hasRetries bool
}

func (c *cli) runCommand() *cobra.Command {
	f := &runFlags{}
	var cmd *cobra.Command
	cmd = c.command(cobra.Command{
		Use:   "run TYPE",
		Short: "Enqueue a task",
		Long: `Enqueues a task. With --wait, follows it until it has finished; the exit code is 1 unless it has succeeded.

-p key=text sets a field of the payload to a string, and -p key:=JSON to any value. key=text also sets a number or boolean if
the task type allows no string; backbeat types -o json shows the allowed types.`,
		Example: `  backbeat run http.request -p url=https://example.com/hook -p 'body:={"order": 17}' --wait
  backbeat run debug.sleep -p duration=10s -p steps=5 --wait=1m --queue critical
  generate-report | backbeat run email.send --payload - --delay 10m --id report-17`,
		Args:              oneArg("TYPE"),
		ValidArgsFunction: first(c.completeTypes()),
	}, func(ctx context.Context, args []string) error {
		f.hasRetries = cmd.Flags().Changed("max-retries")
		return c.run(ctx, args[0], f)
	})
	f.payload.addTo(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.id, "id", "", "ID of the task; default: generated")
	flags.StringVar(&f.queue, "queue", "", "queue; default: that of the type")
	flags.DurationVar(&f.delay, "delay", 0, "delay before the start")
	flags.StringVar(&f.at, "at", "", "earliest start, such as 2026-12-01T09:00:00+08:00")
	flags.IntVar(&f.maxRetries, "max-retries", 0, "how often a failed task is retried; default: that of the type")
	flags.DurationVar(&f.timeout, "timeout", 0, "bound of each attempt; default: that of the type")
	flags.DurationVar(&f.uniqueFor, "unique-for", 0, "refuse another task of the same type, queue and payload for this time")
	flags.StringArrayVar(&f.metadata, "metadata", nil, "metadata of the task: key=value; may be repeated")
	f.wait.addTo(cmd)
	_ = cmd.RegisterFlagCompletionFunc("queue", c.completeQueues())
	return cmd
}

func (c *cli) run(ctx context.Context, typ string, f *runFlags) error {
	payload, err := c.payload(ctx, typ, &f.payload)
	if err != nil {
		return err
	}
	opts, err := f.options()
	if err != nil {
		return err
	}
	if !f.wait.set {
		t, err := c.api.Enqueue(ctx, typ, payload, opts...)
		if err != nil {
			return err
		}
		return c.showTask(t)
	}
	// The ID is generated here, so that it is known if the wait is interrupted before the API responds.
	if f.id == "" {
		f.id = uuid.Must(uuid.NewV7()).String()
		opts = append(opts, client.ID(f.id))
	}
	return c.await(ctx, f.id, f.wait, func(ctx context.Context) (*client.Task, error) {
		// A short task needs no progress bar, and without retention it is deleted before it could be fetched.
		return c.api.Enqueue(ctx, typ, payload, append(opts, client.Wait(time.Second))...)
	})
}

func (f *runFlags) options() (opts []client.TaskOption, err error) {
	add := func(given bool, opt client.TaskOption) {
		if given {
			opts = append(opts, opt)
		}
	}
	metadata, err := parseMetadata(f.metadata)
	if err != nil {
		return nil, err
	}
	at, err := parseTime("at", f.at)
	if err != nil {
		return nil, err
	}
	add(f.id != "", client.ID(f.id))
	add(f.queue != "", client.Queue(f.queue))
	add(f.delay != 0, client.Delay(f.delay))
	add(!at.IsZero(), client.RunAt(at))
	add(f.hasRetries, client.MaxRetries(f.maxRetries))
	add(f.timeout != 0, client.Timeout(f.timeout))
	add(f.uniqueFor != 0, client.UniqueFor(f.uniqueFor))
	add(len(metadata) > 0, client.Metadata(metadata))
	return opts, nil
}

func parseMetadata(pairs []string) (map[string]string, error) {
	parsed := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usagef("--metadata %s: write key=value", pair)
		}
		parsed[key] = value
	}
	return parsed, nil
}

// parseTime parses the value of a flag. It returns the zero time for "".
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("--%s %s: write a time such as 2026-12-01T09:00:00+08:00", flag, text)
	}
	return t, nil
}
