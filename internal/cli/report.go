package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

// usageError is wrong use that only shows once a command runs.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errReported ends the program with exitFailed when all has been said.
var errReported = errors.New("reported")

// report says what went wrong, and what to do about it, and returns the exit code.
func (c *cli) report(ctx context.Context, command *cobra.Command, err error) int {
	_, wrongUse := errors.AsType[*usageError](err)
	switch {
	case err == nil:
		return exitOK
	case wrongUse || !c.began:
		c.say("%s\nSee %s --help.", err, command.CommandPath())
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	case !errors.Is(err, errReported):
		c.say("%s", c.explain(err))
	}
	return exitFailed
}

// say writes to standard error, without what could steer a terminal: messages come from servers and tasks.
func (c *cli) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for line := range strings.Lines("backbeat: " + text) {
		fmt.Fprintln(c.stderr, plain(strings.TrimSuffix(line, "\n")))
	}
}

// explain tells what to do about an error, where something can be.
func (c *cli) explain(err error) string {
	refused, isRefused := errors.AsType[*client.Error](err)
	unreachable, isUnreachable := errors.AsType[*url.Error](err)
	switch {
	case isUnreachable:
		return c.explainUnreachable(unreachable)
	case !isRefused:
		return err.Error()
	case errors.Is(err, client.ErrUnauthorized):
		return fmt.Sprintf("the API at %s wants a good key: %s.\nGive one with --key-file, BACKBEAT_KEY or a profile.", c.server, refused.Detail)
	case refused.Detail == "":
		return err.Error()
	}
	var b strings.Builder
	b.WriteString(refused.Detail)
	for _, f := range refused.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", strings.TrimPrefix(f.Location, "body."), f.Message)
	}
	return b.String()
}

func (c *cli) explainUnreachable(err *url.Error) string {
	cause := err.Err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		cause = op.Err.Error()
		if system, ok := errors.AsType[*os.SyscallError](op); ok {
			cause = system.Err.Error()
		}
	}
	return fmt.Sprintf("no API answers at %s: %s.\n"+
		"Start one with backbeat-standalone, or say where there is one with --server, BACKBEAT_SERVER or a profile.", c.server, cause)
}
