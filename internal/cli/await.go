package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

// waitFlag is --wait, or --wait=30s.
type waitFlag struct {
	set bool
	d   time.Duration // 0: no limit
}

const waitForever = "forever"

func (f *waitFlag) addTo(cmd *cobra.Command) {
	cmd.Flags().Var(f, "wait", "wait until the task has finished, or at most for a time such as --wait=30s")
	cmd.Flags().Lookup("wait").NoOptDefVal = waitForever
}

func (f *waitFlag) String() string { return "" }
func (f *waitFlag) Type() string   { return "duration" }

func (f *waitFlag) Set(text string) (err error) {
	f.set = true
	if text != waitForever {
		f.d, err = time.ParseDuration(text)
	}
	return err
}

// oneArg requires exactly one argument. For a second one that is a duration, the error suggests --wait=DURATION.
func oneArg(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("%s is missing", name)
		case len(args) == 1:
			return nil
		}
		if _, err := time.ParseDuration(args[1]); err == nil {
			return usagef("unexpected argument %q; to wait for that time, write --wait=%[1]s", args[1])
		}
		return usagef("unexpected argument %q", args[1])
	}
}

// await waits for the task that begin returns and shows it. It returns an error unless the task has succeeded.
func (c *cli) await(ctx context.Context, id string, wait waitFlag, begin func(context.Context) (*client.Task, error)) error {
	bounded := ctx
	if wait.d > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, wait.d)
		defer cancel()
	}
	t, err := begin(ctx)
	if err == nil && !t.State.Terminal() {
		t, err = c.follow(bounded, id)
	}
	switch {
	case ctx.Err() != nil:
		c.print("task %s continues; to wait for it again: backbeat status %[1]s --wait", id)
		return ctx.Err()
	case bounded.Err() != nil:
		return c.unfinished(ctx, id, wait.d)
	case err != nil:
		return err
	}
	if err := c.showTask(t); err != nil {
		return err
	}
	return t.Err()
}

// unfinished shows a task that has not finished within d, and returns an error.
func (c *cli) unfinished(ctx context.Context, id string, d time.Duration) error {
	t, err := c.api.Task(ctx, id)
	if err != nil {
		return err
	}
	if err := c.showTask(t); err != nil {
		return err
	}
	return fmt.Errorf("task %s has not finished after %s; to wait for it again: backbeat status %[1]s --wait", id, d)
}

// follow waits for a task, and shows a progress bar on a terminal.
func (c *cli) follow(ctx context.Context, id string) (t *client.Task, err error) {
	if !isTerminal(c.stderr) {
		return c.api.Wait(ctx, id)
	}
	defer fmt.Fprint(c.stderr, clearLine)
	for t, err = range c.api.Events(ctx, id) {
		if err != nil {
			return c.api.Wait(ctx, id) // in case an older API or a proxy does not support streams
		}
		fmt.Fprint(c.stderr, clearLine+progressLine(t))
	}
	return t, nil
}
