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

// usageError is a usage error that is found while a command runs.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errReported ends the program with exitFailed after the errors have been printed.
var errReported = errors.New("reported")

// report prints an error and how to correct it, and returns the exit code.
func (c *cli) report(ctx context.Context, command *cobra.Command, err error) int {
	_, isUsage := errors.AsType[*usageError](err)
	switch {
	case err == nil:
		return exitOK
	case isUsage || !c.began:
		c.print("%s\nSee %s --help.", err, command.CommandPath())
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	case !errors.Is(err, errReported):
		c.print("%s", c.explain(err))
	}
	return exitFailed
}

// print prints a message to standard error, without control characters: messages contain text from servers and tasks.
func (c *cli) print(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for line := range strings.Lines("backbeat: " + text) {
		fmt.Fprintln(c.stderr, plain(strings.TrimSuffix(line, "\n")))
	}
}

// explain returns the text of an error and, if possible, how to correct it.
func (c *cli) explain(err error) string {
	refused, isRefused := errors.AsType[*client.Error](err)
	unreachable, isUnreachable := errors.AsType[*url.Error](err)
	switch {
	case isUnreachable:
		return c.explainUnreachable(unreachable)
	case !isRefused:
		return err.Error()
	case errors.Is(err, client.ErrUnauthorized):
		return fmt.Sprintf("the API at %s requires a valid key: %s.\nSet one with --key-file, BACKBEAT_KEY or a profile.", c.server, refused.Detail)
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
	return fmt.Sprintf("cannot reach the API at %s: %s.\n"+
		"Start one with backbeat-standalone, or set the URL of another with --server, BACKBEAT_SERVER or a profile.", c.server, cause)
}
