// Package client talks to Backbeat's HTTP API: it hands tasks in, follows them, fetches their results, and steers
// schedules and queues.
//
//	c, err := client.New("https://backbeat.example.com", client.WithKey(os.Getenv("BACKBEAT_KEY")))
//	…
//	out, err := client.Run(ctx, c, tasks.HTTPRequest, tasks.HTTPRequestIn{URL: "https://example.com/hook"})
//
// [Run], [Enqueue] and [Result] know the Go types of a task's payload and result from its definition in package tasks.
// The methods of [Client] do the same with a type's name and any JSON.
//
// # When something goes wrong
//
// What the API refuses is an [*Error], which says why and which fields are at fault; errors.Is tells it apart by
// [ErrNotFound], [ErrConflict] and the like. A task that ended without a result is a [*TaskError].
//
// A call that met a connection that broke, an API on its way down or a limit is made again, up to five times in all, with
// growing pauses or after the time that the API asks for, until its context ends. That holds for whatever does no harm
// when it is done twice: reading; and handing tasks in, because every request bears a key by which the API knows it
// again. Anything else is made again only where it surely was not done. Those who wait for a task, or follow it, sit out
// an API that is away for a minute or so.
package client
