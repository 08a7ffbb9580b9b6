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
	d   time.Duration // 0: as long as it takes
}

const waitForever = "forever"

func (f *waitFlag) addTo(cmd *cobra.Command) {
	cmd.Flags().Var(f, "wait", "wait until the task is over, or for a time such as --wait=30s")
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

// oneArg demands one argument, and knows why there often are two.
func oneArg(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("%s is missing", name)
		case len(args) == 1:
			return nil
		}
		if _, err := time.ParseDuration(args[1]); err == nil {
			return usagef("%q is too much; a time to wait is written --wait=%[1]s", args[1])
		}
		return usagef("%q is too much", args[1])
	}
}

// await waits for the task that begin returns, shows it, and fails unless it has succeeded.
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
		c.say("task %s goes on; this is how to come back to it: backbeat status %[1]s --wait", id)
		return ctx.Err()
	case bounded.Err() != nil:
		return c.awaitedInVain(ctx, id, wait.d)
	case err != nil:
		return err
	}
	if err := c.showTask(t); err != nil {
		return err
	}
	return t.Err()
}

func (c *cli) awaitedInVain(ctx context.Context, id string, d time.Duration) error {
	t, err := c.api.Task(ctx, id)
	if err != nil {
		return err
	}
	if err := c.showTask(t); err != nil {
		return err
	}
	return fmt.Errorf("task %s is not over after %s; this is how to come back to it: backbeat status %[1]s --wait", id, d)
}

// follow waits for a task, with a bar for those who sit before a terminal.
func (c *cli) follow(ctx context.Context, id string) (t *client.Task, err error) {
	if !isTerminal(c.stderr) {
		return c.api.Wait(ctx, id)
	}
	defer fmt.Fprint(c.stderr, clearLine)
	for t, err = range c.api.Events(ctx, id) {
		if err != nil {
			return c.api.Wait(ctx, id) // it needs no stream, which an older API or a proxy may not have
		}
		fmt.Fprint(c.stderr, clearLine+progressLine(t))
	}
	return t, nil
}
