package cli

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

func (c *cli) statusCommand() *cobra.Command {
	var wait waitFlag
	cmd := c.command(cobra.Command{
		Use: "status ID", Short: "Show a task",
		Long: "Shows a task. With --wait, follows it until it has finished; the exit code is 1 unless it has succeeded.",
		Args: oneArg("ID"),
	}, func(ctx context.Context, args []string) error {
		get := func(ctx context.Context) (*client.Task, error) { return c.api.Task(ctx, args[0]) }
		if wait.set {
			return c.await(ctx, args[0], wait, get)
		}
		t, err := get(ctx)
		if err != nil {
			return err
		}
		return c.showTask(t)
	})
	wait.addTo(cmd)
	return cmd
}

func (c *cli) listCommand() *cobra.Command {
	var f filterFlags
	var limit int
	cmd := c.command(cobra.Command{
		Use: "list", Short: "List tasks", Args: cobra.NoArgs,
		Long: "Lists tasks by queue, within a queue by state, and within a state newest first.",
	}, func(ctx context.Context, _ []string) error {
		if limit < 1 {
			return usagef("--limit %d: write 1 or more", limit)
		}
		filter := client.TaskFilter{Queues: f.queues, States: f.stateList(), Types: f.types, PageSize: min(limit, 1000)}
		tasks := take(c.api.Tasks(ctx, filter), limit)
		return list(c.out, tasks, "ID TYPE QUEUE STATE ATTEMPT CREATED", func(t *client.Task) []any {
			return []any{t.ID, t.Type, t.Queue, t.State, t.Attempt, clock(t.CreatedAt)}
		})
	})
	c.addFilter(cmd, &f)
	cmd.Flags().IntVar(&limit, "limit", 50, "most tasks to list")
	return cmd
}

// filterFlags select tasks.
type filterFlags struct{ queues, states, types []string }

func (f *filterFlags) stateList() []client.State {
	var list []client.State
	for _, name := range f.states {
		list = append(list, client.State(name))
	}
	return list
}

func (c *cli) addFilter(cmd *cobra.Command, f *filterFlags) {
	cmd.Flags().StringSliceVar(&f.queues, "queue", nil, "only tasks of this queue; comma-separated or repeated for several")
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "only tasks in this state; comma-separated or repeated for several")
	cmd.Flags().StringSliceVar(&f.types, "type", nil, "only tasks of this type; comma-separated or repeated for several")
	_ = cmd.RegisterFlagCompletionFunc("queue", c.completeQueues())
	_ = cmd.RegisterFlagCompletionFunc("state", completeStates())
	_ = cmd.RegisterFlagCompletionFunc("type", c.completeTypes())
}

func take[T any](items iter.Seq2[T, error], limit int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		for item, err := range items {
			if n++; !yield(item, err) || n == limit {
				return
			}
		}
	}
}

func (c *cli) cancelCommand() *cobra.Command {
	return c.eachTask("cancel", "Cancel tasks", func(ctx context.Context, id string) (*client.Task, error) { return c.api.Cancel(ctx, id) })
}

func (c *cli) retryCommand() *cobra.Command {
	return c.eachTask("retry", "Retry failed, canceled or expired tasks",
		func(ctx context.Context, id string) (*client.Task, error) { return c.api.Retry(ctx, id) })
}

func (c *cli) deleteCommand() *cobra.Command {
	return c.eachTask("delete", "Delete tasks and their results",
		func(ctx context.Context, id string) (*client.Task, error) { return nil, c.api.Delete(ctx, id) })
}

// eachTask returns a command that acts on each given task. An error for one task does not stop it.
func (c *cli) eachTask(verb, short string, act func(context.Context, string) (*client.Task, error)) *cobra.Command {
	return c.command(cobra.Command{
		Use: verb + " ID...", Short: short, Args: cobra.MinimumNArgs(1),
	}, func(ctx context.Context, ids []string) error {
		var failed error
		tasks := func(yield func(*client.Task, error) bool) {
			for _, id := range ids {
				t, err := act(ctx, id)
				switch {
				case err != nil:
					c.print("%s: %s", id, c.explain(err))
					failed = errReported
				case t != nil && !yield(t, nil):
					return
				}
			}
		}
		if err := list(c.out, tasks, "ID TYPE QUEUE STATE", func(t *client.Task) []any {
			state := string(t.State)
			if t.CancelRequested && !t.State.Terminal() {
				state += ", canceling"
			}
			return []any{t.ID, t.Type, t.Queue, state}
		}); err != nil {
			return err
		}
		return failed
	})
}

// showTask prints all fields of a task.
func (c *cli) showTask(t *client.Task) error {
	fields := [][2]string{
		{"id", t.ID},
		{"type", t.Type},
		{"queue", t.Queue},
		{"state", string(t.State)},
		{"attempt", attempts(t)},
		{"payload", noNull(t.Payload)},
		{"result", noNull(t.Result)},
	}
	if t.Error != nil {
		fields = append(fields, [2]string{"error", fmt.Sprintf("%s (%s)", t.Error.Message, t.Error.Kind)})
	}
	if t.Progress != nil {
		fields = append(fields, [2]string{"progress", fmt.Sprintf("%.0f%% %s", t.Progress.Percent, t.Progress.Message)})
	}
	if t.Schedule != nil {
		fields = append(fields, [2]string{"schedule", t.Schedule.ScheduleID + ", for " + clock(t.Schedule.Tick)})
	}
	fields = append(fields,
		[2]string{"metadata", pairs(t.Metadata)},
		[2]string{"worker", t.Worker},
		[2]string{"created", clock(t.CreatedAt)},
		[2]string{"run at", clock(t.RunAt)},
		[2]string{"started", clock(t.StartedAt)},
		[2]string{"finished", clock(t.FinishedAt)},
		[2]string{"timeout", duration(t.Timeout)},
		[2]string{"deadline", clock(t.Deadline)},
		[2]string{"expires", clock(t.ExpiresAt)},
		[2]string{"retention", duration(t.Retention)},
		[2]string{"kept until", clock(t.KeptUntil)},
		[2]string{"unique until", clock(t.UniqueUntil)},
	)
	return c.out.document(t, fields)
}

// attempts returns the attempts since the last retry by a caller and, if there were earlier ones, the total.
func attempts(t *client.Task) string {
	text := outOf(t.Attempt, t.MaxRetries+1)
	if t.TotalAttempts > t.Attempt {
		text += fmt.Sprintf(", %d in total", t.TotalAttempts)
	}
	return text
}

// duration returns "" for 0, as clock does for the zero time.
func duration(d client.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func noNull(raw []byte) string {
	if string(raw) == "null" {
		return ""
	}
	return string(raw)
}

func pairs[V any](m map[string]V) string {
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		texts = append(texts, fmt.Sprintf("%s=%v", key, m[key]))
	}
	return strings.Join(texts, " ")
}
