package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

func (c *cli) typesCommand() *cobra.Command {
	return c.command(cobra.Command{
		Use: "types", Short: "List task types", Args: cobra.NoArgs,
		Long: "Lists the task types. With -o json, the output includes the JSON Schemas of payload and result.",
	}, func(ctx context.Context, _ []string) error {
		return list(c.out, all(c.api.TaskTypes(ctx)), "TYPE QUEUE RETRIES TIMEOUT DESCRIPTION", func(t client.TaskType) []any {
			return []any{t.Type, t.Queue, t.MaxRetries, t.Timeout, t.Description}
		})
	})
}

func (c *cli) queuesCommand() *cobra.Command {
	cmd := c.command(cobra.Command{Use: "queues", Short: "List, pause and resume queues", Args: cobra.NoArgs},
		func(ctx context.Context, _ []string) error { return c.showQueues(c.api.Queues(ctx)) })
	change := func(verb, short string, act func(context.Context, string) (*client.QueueStatus, error)) *cobra.Command {
		return c.command(cobra.Command{
			Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: first(c.completeQueues()),
		}, func(ctx context.Context, args []string) error {
			q, err := act(ctx, args[0])
			if err != nil {
				return err
			}
			return c.showQueues([]client.QueueStatus{*q}, nil)
		})
	}
	cmd.AddCommand(
		change("pause", "Pause a queue: workers start no more of its tasks",
			func(ctx context.Context, name string) (*client.QueueStatus, error) {
				return c.api.PauseQueue(ctx, name)
			}),
		change("resume", "Resume a paused queue",
			func(ctx context.Context, name string) (*client.QueueStatus, error) {
				return c.api.ResumeQueue(ctx, name)
			}),
	)
	return cmd
}

func (c *cli) showQueues(queues []client.QueueStatus, err error) error {
	const head = "QUEUE WEIGHT STATE PENDING RUNNING SCHEDULED AGGREGATING RETRYING FAILED SUCCEEDED LATENCY"
	return list(c.out, all(queues, err), head, func(q client.QueueStatus) []any {
		return []any{
			q.Name, q.Weight, queueState(q), q.Pending, q.Running, q.Scheduled, q.Aggregating, q.Retrying, q.Failed, q.Succeeded,
			time.Duration(q.LatencyMS) * time.Millisecond,
		}
	})
}

func queueState(q client.QueueStatus) string {
	if q.Paused {
		return "paused"
	}
	return "open"
}

func (c *cli) workersCommand() *cobra.Command {
	return c.command(cobra.Command{Use: "workers", Short: "List live workers", Args: cobra.NoArgs}, func(ctx context.Context, _ []string) error {
		return list(c.out, all(c.api.Workers(ctx)), "WORKER QUEUES RUNNING CONCURRENCY STARTED", func(w client.Worker) []any {
			return []any{w.ID, pairs(w.Queues), len(w.Running), w.Concurrency, clock(w.StartedAt)}
		})
	})
}

func (c *cli) beatCommand() *cobra.Command {
	return c.command(cobra.Command{Use: "beat", Short: "Show the leader of the beats", Args: cobra.NoArgs}, func(ctx context.Context, _ []string) error {
		b, err := c.api.Beat(ctx)
		if err != nil {
			return err
		}
		leader := "none"
		if b.Leader != nil {
			leader = fmt.Sprintf("%s, since %s, term %d", b.Leader.ID, clock(b.Leader.Since), b.Leader.Term)
		}
		return c.out.document(b, [][2]string{
			{"leader", leader},
			{"standbys", fmt.Sprint(len(b.Standbys))},
			{"schedules", fmt.Sprint(b.Schedules)},
			{"next run", clock(b.NextRunAt)},
		})
	})
}
