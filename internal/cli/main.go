package cli

import (
	"context"
	"io"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1   // the task or the call failed
	exitUsage       = 2   // invalid arguments
	exitInterrupted = 130 // Ctrl-C; the shell's code for a process that SIGINT ended
)

// cli is one run of the program.
type cli struct {
	env    map[string]string
	stdin  io.Reader
	stderr io.Writer
	out    *printer

	settings settings
	server   string         // the URL of api
	api      *client.Client // connected before a command runs
	// began is true once a command runs. Errors before that are usage errors.
	began bool
}

// Main runs the command line and returns its exit code. An empty version means the one that the go command recorded in
// the build.
func Main(version string, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c := &cli{env: parseEnviron(environ), stdin: stdin, stderr: stderr, out: &printer{w: stdout}}
	root := c.root(version)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	return c.report(ctx, command, err)
}

func parseEnviron(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}

func (c *cli) root(version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "backbeat",
		Short: "Enqueue tasks, follow them, and manage schedules and queues",
		Long: `backbeat is a client of Backbeat's HTTP API.

It prints tables on a terminal, and JSON otherwise, one document per line.
The API is at http://127.0.0.1:8080 unless --server, BACKBEAT_SERVER or a profile sets another URL. Profiles are in
~/.config/backbeat/config.yaml:

  profiles:
    default: {server: https://backbeat.example.com, key_file: /home/ada/.backbeat-key}
    staging: {server: http://127.0.0.1:9000}

Exit codes: 0 success, 1 the task or the call failed, 2 invalid arguments.`,
		Example: `  backbeat run http.request -p url=https://example.com/hook --wait
  backbeat list --state failed
  backbeat schedule put nightly --cron '0 2 * * *' --type http.request -p url=https://example.com/crawl`,
		Version:       buildVersion(version),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("backbeat {{.Version}}\n")
	c.settings.addFlags(root)
	c.out.addFlags(root)
	root.AddCommand(
		c.runCommand(), c.statusCommand(), c.listCommand(), c.cancelCommand(), c.retryCommand(), c.deleteCommand(), c.bulkCommand(),
		c.typesCommand(), c.scheduleCommand(), c.queuesCommand(), c.workersCommand(), c.beatCommand(), c.topCommand(),
	)
	return root
}

// buildVersion returns the version of the build.
func buildVersion(linked string) string {
	if linked != "" {
		return linked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// command returns a command that calls the API.
func (c *cli) command(cmd cobra.Command, run func(ctx context.Context, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.began = true
		if err := c.connect(); err != nil {
			return err
		}
		return run(cmd.Context(), args)
	}
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	return &cmd
}

// group returns a command that has only subcommands.
func group(cmd cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("a subcommand is missing")
		}
		return usagef("%q is not a subcommand of %s", args[0], cmd.CommandPath())
	}
	cmd.AddCommand(commands...)
	return &cmd
}
