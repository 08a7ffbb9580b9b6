package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backbeat-go/backbeat/client"
)

// completeTimeout bounds a completion: a longer delay would annoy the user of the shell.
const completeTimeout = time.Second

// complete returns a completion function for names from the API. If the API is unreachable, there are none.
func (c *cli) complete(names func(ctx context.Context) ([]string, error)) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		if c.connect() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, _ := names(ctx) // the names before an error are useful, too
		var matching []string
		for _, name := range found {
			if strings.HasPrefix(name, prefix) {
				matching = append(matching, name)
			}
		}
		return matching, cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes only the first argument.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, prefix)
	}
}

func (c *cli) completeTypes() cobra.CompletionFunc {
	return c.complete(func(ctx context.Context) ([]string, error) {
		types, err := c.api.TaskTypes(ctx)
		var names []string
		for _, t := range types {
			names = append(names, plain(t.Type)+"\t"+plain(t.Description))
		}
		return names, err
	})
}

func (c *cli) completeQueues() cobra.CompletionFunc {
	return c.complete(func(ctx context.Context) ([]string, error) {
		queues, err := c.api.Queues(ctx)
		var names []string
		for _, q := range queues {
			names = append(names, plain(q.Name))
		}
		return names, err
	})
}

// maxCompletions bounds the number of completions: a longer list is of no use.
const maxCompletions = 200

func (c *cli) completeSchedules() cobra.CompletionFunc {
	return c.complete(func(ctx context.Context) (ids []string, err error) {
		for s, err := range c.api.Schedules(ctx) {
			if err != nil || len(ids) == maxCompletions {
				return ids, err
			}
			ids = append(ids, plain(s.ID))
		}
		return ids, nil
	})
}

func completeStates() cobra.CompletionFunc {
	states := []client.State{
		client.Scheduled, client.Aggregating, client.Pending, client.Running, client.Retrying,
		client.Succeeded, client.Failed, client.Canceled, client.Expired,
	}
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	return cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)
}
