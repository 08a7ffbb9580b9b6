// Package client is a client of Backbeat's HTTP API: it enqueues tasks, follows them, returns their results, and manages
// schedules and queues.
//
//	c, err := client.New("https://backbeat.example.com", client.WithKey(os.Getenv("BACKBEAT_KEY")))
//	…
//	out, err := client.Run(ctx, c, tasks.HTTPRequest, tasks.HTTPRequestIn{URL: "https://example.com/hook"})
//
// [Run], [Enqueue] and [Result] get the Go types of payload and result from a task definition, such as those of package
// tasks. The methods of [Client] take a type's name and any JSON instead.
//
// # Errors
//
// A request that the API refuses results in an [*Error] with the reason and the invalid fields; errors.Is matches it with
// [ErrNotFound], [ErrConflict] and the other errors listed there. A task that finished without success is a [*TaskError].
//
// A call is repeated after a broken connection, while the API shuts down, and over a rate limit: up to five attempts in
// all, with increasing pauses or after the time that the API asks for, until its context ends. This applies to calls that
// can be made twice without harm: reads, and enqueueing tasks, because each request has a key by which the API recognizes
// a repetition. Other calls are repeated only if the API certainly did not execute them. Waiting for a task and following
// it survive an outage of about a minute.
package client
