package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

func (c *cli) bulkCommand() *cobra.Command {
	return group(cobra.Command{
		Use: "bulk", Short: "Cancel, retry or delete all tasks that a filter selects",
		Example: `  backbeat bulk retry --type http.request --state failed --dry-run
  backbeat bulk delete --queue low --state succeeded --older-than 24h`,
	},
		c.bulkAction(client.BulkCancel, "Cancel all tasks that a filter selects"),
		c.bulkAction(client.BulkRetry, "Retry all failed, canceled or expired tasks that a filter selects"),
		c.bulkAction(client.BulkDelete, "Delete all tasks that a filter selects"),
	)
}

func (c *cli) bulkAction(action client.BulkAction, short string) *cobra.Command {
	var f filterFlags
	var olderThan time.Duration
	var dryRun bool
	cmd := c.command(cobra.Command{Use: string(action), Short: short, Args: cobra.NoArgs}, func(ctx context.Context, _ []string) error {
		result, err := c.api.Bulk(ctx, client.BulkRequest{
			Action: action, DryRun: dryRun,
			Filter: client.BulkFilter{Queues: f.queues, States: f.stateList(), Types: f.types, OlderThan: client.Duration(olderThan)},
		})
		if err != nil {
			return err
		}
		return c.out.document(result, [][2]string{
			{"matched", strconv.Itoa(result.Matched)}, {"changed", strconv.Itoa(result.Changed)}, {"skipped", strconv.Itoa(result.Skipped)},
		})
	})
	c.addFilter(cmd, &f)
	cmd.Flags().DurationVar(&olderThan, "older-than", 0, "only tasks that are older than this")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only count the tasks")
	return cmd
}
