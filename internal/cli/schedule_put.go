package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/backbeat-go/backbeat/client"
)

// putFlags are the flags of backbeat schedule put.
type putFlags struct {
	file       string
	trigger    triggerFlags
	typ, queue string
	payload    payloadFlags
	maxRetries int
	hasRetries bool
	timeout    time.Duration
	paused     bool
}

func (c *cli) schedulePutCommand() *cobra.Command {
	f := &putFlags{}
	var cmd *cobra.Command
	cmd = c.oneSchedule("put", "Create or replace a schedule", func(ctx context.Context, id string) error {
		f.hasRetries = cmd.Flags().Changed("max-retries")
		return c.putSchedule(ctx, id, f)
	})
	cmd.Long = `Creates a schedule, or replaces its definition and keeps its counters.

There are flags for the most used settings. --file takes the whole document of PUT /v1/schedules/{id}, as JSON or, in a file
named *.yaml or *.yml, as YAML.`
	cmd.Example = `  backbeat schedule put crawl --every 90s --type http.request -p url=https://example.com/crawl
  backbeat schedule put nightly --cron '0 2 * * *' --timezone Europe/Berlin --type debug.sleep -p duration=10s
  backbeat schedule put nightly --file nightly.yaml`
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "file with the schedule; - for standard input")
	f.trigger.addTo(cmd)
	flags.StringVar(&f.typ, "type", "", "task type")
	f.payload.addTo(cmd)
	flags.StringVar(&f.queue, "queue", "", "queue; default: that of the type")
	flags.IntVar(&f.maxRetries, "max-retries", 0, "how often a failed task is retried; default: that of the type")
	flags.DurationVar(&f.timeout, "timeout", 0, "bound of each attempt; default: that of the type")
	flags.BoolVar(&f.paused, "paused", false, "create it paused")
	for _, name := range []string{"cron", "every", "at", "timezone", "type", "param", "payload", "queue", "max-retries", "timeout", "paused"} {
		cmd.MarkFlagsMutuallyExclusive("file", name)
	}
	_ = cmd.RegisterFlagCompletionFunc("type", c.completeTypes())
	_ = cmd.RegisterFlagCompletionFunc("queue", c.completeQueues())
	return cmd
}

func (c *cli) putSchedule(ctx context.Context, id string, f *putFlags) error {
	document, err := c.scheduleFile(f.file)
	if f.file == "" {
		document, err = c.scheduleSpec(ctx, f)
	}
	if err != nil {
		return err
	}
	return c.showSchedule(c.api.PutScheduleDocument(ctx, id, document))
}

func (c *cli) scheduleSpec(ctx context.Context, f *putFlags) (any, error) {
	if f.typ == "" {
		return nil, usagef("--type or --file is missing")
	}
	trigger, err := f.trigger.trigger()
	if err != nil {
		return nil, err
	}
	payload, err := c.payload(ctx, f.typ, &f.payload)
	if err != nil {
		return nil, err
	}
	spec := client.ScheduleSpec{
		Trigger: trigger, Paused: f.paused,
		Task: client.TaskTemplate{Type: f.typ, Payload: payload, Queue: f.queue, Timeout: client.Duration(f.timeout)},
	}
	if f.hasRetries {
		spec.Task.MaxRetries = &f.maxRetries
	}
	return spec, nil
}

// scheduleFile reads the document of a schedule. The API validates it.
func (c *cli) scheduleFile(path string) (any, error) {
	if path == "" {
		return nil, nil
	}
	data, err := c.readFile(path)
	if err != nil {
		return nil, err
	}
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		var document any
		if err := yaml.Unmarshal(data, &document); err != nil {
			return nil, usagef("%s is not YAML: %v", path, err)
		}
		return document, nil
	}
	if !json.Valid(data) {
		return nil, usagef("%s is not JSON", path)
	}
	return json.RawMessage(data), nil
}
