package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/tasks"
)

// In these examples, server is the address of an API, such as http://127.0.0.1:8080.

func ExampleRun() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	out, err := client.Run(ctx, c, tasks.DebugSleep, tasks.DebugSleepIn{Duration: client.Duration(20 * time.Millisecond)})
	fmt.Println(out.Slept, err)
	// Output: 20ms <nil>
}

func ExampleTaskError() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Run(context.Background(), c, tasks.DebugFail, tasks.DebugFailIn{Kind: "permanent"})
	if failed, ok := errors.AsType[*client.TaskError](err); ok {
		fmt.Printf("%s: %s (%s)\n", failed.State, failed.Message, failed.Kind)
	}
	// Output: failed: failed as asked (permanent)
}

func ExampleEnqueue() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	// Hand it in now…
	task, err := client.Enqueue(ctx, c, tasks.DebugSleep, tasks.DebugSleepIn{Duration: client.Duration(time.Millisecond)},
		client.Queue("critical"), client.MaxRetries(5), client.Delay(10*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.State)

	// …and come back for the result, perhaps in another process.
	task, err = c.Wait(ctx, task.ID)
	if err != nil {
		log.Fatal(err)
	}
	out, err := client.Result(tasks.DebugSleep, task)
	fmt.Println(out.Slept, err)
	// Output:
	// scheduled
	// 1ms <nil>
}

func ExampleClient_Enqueue() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Enqueue(context.Background(), "http.request", map[string]any{"url": "ftp://example.com"}, client.Queue("urgent"))
	if refused, ok := errors.AsType[*client.Error](err); ok && errors.Is(err, client.ErrInvalid) {
		for _, fault := range refused.Errors {
			fmt.Printf("%s: %s\n", fault.Location, fault.Message)
		}
	}
	// Output:
	// body.queue: "urgent" is not a known queue; there are ["critical" "default" "low"]
	// body.payload.url: must be an http or https URL with a host
}

func ExampleClient_EnqueueBatch() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	results, err := c.EnqueueBatch(context.Background(), []client.TaskRequest{
		client.Request(tasks.DebugSleep, tasks.DebugSleepIn{Duration: client.Duration(time.Millisecond)}),
		{Type: "debug.echo", Payload: map[string]any{"n": 2}, Queue: "low"},
		{Type: "debug.unknown"},
	})
	for _, r := range results {
		if r.Err != nil {
			fmt.Println(r.Err)
			continue
		}
		fmt.Println(r.Task.Type, r.Task.Queue)
	}
	fmt.Println(err)
	// Output:
	// debug.sleep default
	// debug.echo low
	// POST /v1/tasks/batch: 422 Unprocessable Entity: the request is not valid; body.tasks[2].type: "debug.unknown" is not a known task type; GET /v1/task-types lists them
	// <nil>
}

func ExampleClient_Tasks() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for n := range 3 {
		if _, err := c.Enqueue(ctx, "debug.echo", map[string]int{"n": n}, client.Queue("low"), client.Delay(time.Hour)); err != nil {
			log.Fatal(err)
		}
	}
	scheduled := 0
	for task, err := range c.Tasks(ctx, client.TaskFilter{Queues: []string{"low"}, States: []client.State{client.Scheduled}}) {
		if err != nil {
			log.Fatal(err)
		}
		if _, err := c.Cancel(ctx, task.ID); err == nil {
			scheduled++
		}
	}
	fmt.Println(scheduled, "canceled")
	// Output: 3 canceled
}

func ExampleClient_PutSchedule() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	s, err := c.PutSchedule(ctx, "example-crawl", client.ScheduleSpec{
		Trigger: client.Trigger{Cron: "0 2 * * *", Timezone: "Europe/Berlin"},
		Task:    client.TaskTemplate{Type: "debug.echo", Payload: map[string]any{"site": 1}},
	})
	if err != nil {
		log.Fatal(err)
	}

	// Change it, unless somebody else has done so meanwhile.
	if _, err := c.PauseSchedule(ctx, "example-crawl"); err != nil {
		log.Fatal(err)
	}
	_, err = c.PatchSchedule(ctx, "example-crawl", map[string]any{"cron": "0 3 * * *"}, client.IfMatch(s.ETag))
	fmt.Println(errors.Is(err, client.ErrPreconditionFailed))

	task, err := c.TriggerSchedule(ctx, "example-crawl")
	if err != nil {
		log.Fatal(err)
	}
	task, err = c.Wait(ctx, task.ID)
	fmt.Println(task.State, string(task.Result), err)
	if err := c.DeleteSchedule(ctx, "example-crawl"); err != nil {
		log.Fatal(err)
	}
	// Output:
	// true
	// succeeded {"site":1} <nil>
}

func ExampleClient_PreviewSchedule() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	// The night in which clocks go forward has no 02:30.
	runs, err := c.PreviewSchedule(context.Background(), client.PreviewRequest{
		Trigger: client.Trigger{Cron: "30 2 * * *", Timezone: "Europe/Berlin"},
		After:   time.Date(2026, time.March, 28, 12, 0, 0, 0, time.UTC),
		Count:   2,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, run := range runs {
		fmt.Println(run.Format(time.RFC3339))
	}
	// Output:
	// 2026-03-29T03:00:00+02:00
	// 2026-03-30T02:30:00+02:00
}
