package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

func (c *cli) scheduleCommand() *cobra.Command {
	return group(cobra.Command{Use: "schedule", Short: "Manage schedules", Aliases: []string{"schedules"}},
		c.scheduleListCommand(), c.scheduleGetCommand(), c.schedulePutCommand(), c.scheduleDeleteCommand(), c.scheduleTriggerCommand(),
		c.scheduleRunsCommand(), c.schedulePreviewCommand(),
		c.oneSchedule("pause", "Pause a schedule: it enqueues no tasks until it is resumed", func(ctx context.Context, id string) error {
			return c.showSchedule(c.api.PauseSchedule(ctx, id))
		}),
		c.oneSchedule("resume", "Resume a paused schedule; missed ticks do not run", func(ctx context.Context, id string) error {
			return c.showSchedule(c.api.ResumeSchedule(ctx, id))
		}),
	)
}

// oneSchedule returns a command that takes the ID of a schedule.
func (c *cli) oneSchedule(verb, short string, act func(ctx context.Context, id string) error) *cobra.Command {
	return c.command(cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: first(c.completeSchedules()),
	}, func(ctx context.Context, args []string) error { return act(ctx, args[0]) })
}

func (c *cli) scheduleListCommand() *cobra.Command {
	return c.command(cobra.Command{Use: "list", Short: "List schedules", Args: cobra.NoArgs}, func(ctx context.Context, _ []string) error {
		return list(c.out, c.api.Schedules(ctx), "ID TRIGGER TYPE NEXT LAST STATE RUNS", func(s *client.Schedule) []any {
			next := clock(s.NextRunAt)
			if s.Paused {
				next = "paused"
			}
			return []any{s.ID, triggerText(&s.Trigger), s.Task.Type, next, clock(s.LastRunAt), s.LastState, s.RunCount}
		})
	})
}

func (c *cli) scheduleGetCommand() *cobra.Command {
	return c.oneSchedule("get", "Show a schedule", func(ctx context.Context, id string) error {
		return c.showSchedule(c.api.Schedule(ctx, id))
	})
}

func (c *cli) scheduleDeleteCommand() *cobra.Command {
	return c.oneSchedule("delete", "Delete a schedule, but not its tasks", func(ctx context.Context, id string) error {
		return c.api.DeleteSchedule(ctx, id)
	})
}

func (c *cli) scheduleTriggerCommand() *cobra.Command {
	return c.oneSchedule("trigger", "Enqueue one task of the schedule now", func(ctx context.Context, id string) error {
		t, err := c.api.TriggerSchedule(ctx, id)
		if err != nil {
			return err
		}
		return c.showTask(t)
	})
}

func (c *cli) scheduleRunsCommand() *cobra.Command {
	var limit int
	cmd := c.oneSchedule("runs", "List the outcomes of ticks, newest first", func(ctx context.Context, id string) error {
		return list(c.out, all(c.api.ScheduleRuns(ctx, id, limit)), "TICK OUTCOME REASON LATE TASK STATE", func(r client.ScheduleRun) []any {
			return []any{clock(r.Tick), r.Outcome, r.Reason, time.Duration(r.LatenessMS) * time.Millisecond, r.TaskID, r.State}
		})
	})
	cmd.Flags().IntVar(&limit, "limit", 20, "most runs to list, up to 200")
	return cmd
}

// triggerFlags set the trigger of a schedule.
type triggerFlags struct {
	cron, at, timezone string
	every              time.Duration
}

func (f *triggerFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.cron, "cron", "", "cron expression of five fields, or six with seconds first")
	cmd.Flags().DurationVar(&f.every, "every", 0, "interval, at least 1s")
	cmd.Flags().StringVar(&f.at, "at", "", "once, at this time, such as 2026-12-01T09:00:00+08:00")
	cmd.Flags().StringVar(&f.timezone, "timezone", "", "time zone of the cron expression; default: UTC")
}

func (f *triggerFlags) trigger() (client.Trigger, error) {
	at, err := parseTime("at", f.at)
	return client.Trigger{Cron: f.cron, Every: client.Duration(f.every), At: at, Timezone: f.timezone}, err
}

func (c *cli) schedulePreviewCommand() *cobra.Command {
	var f triggerFlags
	var after string
	var count int
	cmd := c.command(cobra.Command{
		Use: "preview", Short: "List the times at which a trigger would fire", Args: cobra.NoArgs,
		Example: `  backbeat schedule preview --cron '30 2 * * *' --timezone Europe/Berlin --after 2026-03-28T12:00:00Z`,
	}, func(ctx context.Context, _ []string) error {
		trigger, err := f.trigger()
		if err != nil {
			return err
		}
		from, err := parseTime("after", after)
		if err != nil {
			return err
		}
		times, err := c.api.PreviewSchedule(ctx, client.PreviewRequest{Trigger: trigger, After: from, Count: count})
		return list(c.out, all(times, err), "TIME", func(t time.Time) []any { return []any{t.Format(time.RFC3339)} })
	})
	f.addTo(cmd)
	cmd.Flags().StringVar(&after, "after", "", "list times after this one; default: now")
	cmd.Flags().IntVar(&count, "count", 10, "most times to list, up to 1000")
	return cmd
}

func triggerText(t *client.Trigger) string {
	switch {
	case t.Cron != "":
		return t.Cron + " " + t.Timezone
	case t.Every != 0:
		return "every " + t.Every.String()
	default:
		return "at " + clock(t.At)
	}
}

func (c *cli) showSchedule(s *client.Schedule, err error) error {
	if err != nil {
		return err
	}
	paused := ""
	if s.Paused {
		paused = "by " + s.PausedReason
	}
	last := clock(s.LastRunAt)
	if last != "" {
		last += fmt.Sprintf(", task %s %s", s.LastTaskID, s.LastState)
	}
	return c.out.document(s, [][2]string{
		{"id", s.ID},
		{"trigger", triggerText(&s.Trigger)},
		{"type", s.Task.Type},
		{"payload", noNull(s.Task.Payload)},
		{"queue", s.Task.Queue},
		{"paused", paused},
		{"next run", clock(s.NextRunAt)},
		{"last run", last},
		{"ticks", fmt.Sprintf("%d run, %d missed, %d skipped", s.RunCount, s.MissedCount, s.SkippedCount)},
		{"failed in a row", fmt.Sprint(s.FailureStreak)},
		{"origin", s.Origin},
		{"updated", clock(s.UpdatedAt)},
	})
}
