// Package worker runs tasks and maintains queues. A Server is an asynq.Server with package intercept between it and Redis, and
// loops of its own: one subscribes to wakes, one announces the queues to asynq's tools, one repeats cancellations, and the
// maintainer maintains the queues.
//
// # Maintenance
//
// Queues need five jobs: forward tasks that are due, sweep what has expired or has been kept long enough, recover the tasks of
// dead workers, relay callbacks, and adopt what others have archived. Of the workers that serve the same queues one does them
// all, the maintainer (in a cluster one for the queues of each node): the one that holds a lock of 3 s. The lock only saves work.
// A worker that cannot reach it maintains too, since each job is a script that is safe to run twice.
//
//	            ┌──────────────── maintainer ────────────────┐
//	pub/sub ───▶│ probe ─ every second, which keys exist ─────┼─ EXISTS, one for all queues
//	            │   └▶ jobs, when a queue has something due ──┼─ forward.lua  sweep.lua  recover.lua  relay.lua
//	            └─────────────────────────────────────────────┘
//
// Each job returns in how many milliseconds the queue has something due, by the clock of Redis, and does not run before. Keys
// that exist are read every one to five seconds for members that are due earlier, at most 150 of a node a second. asynq's own
// forwarder and janitor get the answer that there is nothing to do: the jobs cover the tasks of stock clients.
//
// A job goes through many tasks in one script, each guarded by itself. It takes no step that is linear in what it does not touch,
// except where asynq's lists allow none: to take a single task out of the middle of pending or active, as cancel, delete and the
// end of an attempt do, Redis goes through the list from its tail, where the oldest are. Jobs that take many go through the list
// once, in parts.
//
// # What happens on failures
//
//   - The maintainer is killed or cut off: its lock ends, and within 4 s another worker maintains. A maintainer that stops gives up
//     its lock, and another takes it within a second. A maintainer that is stuck in a job does not extend it.
//   - A worker is killed: it no longer extends the leases of its tasks. When other workers see that those do not change any more,
//     one of them puts the tasks back at the head of their queue (recover.lua), without spending a retry, some 10 to 16 s after the
//     death. asynq's own recoverer, which would spend a retry, gets the answer that there are none.
//   - The clock of a worker is wrong: its leases end at strange times, but they change, and so it does not count as dead.
//   - A task kills its worker: that is counted. A task with which two workers have died runs apart from other such tasks, so that
//     those that merely ran beside it do not die with it a third time; the third death ends it as failed.
//   - Redis was away: no worker counts as dead before Redis has answered for 12 s, in which a live worker extends its leases.
//   - The keys of a task are damaged: the jobs drop a task whose key holds no hash from their sets, put a task with any other error
//     off for a minute, log both, and go on with the others.
//   - A worker is killed between the end of a task and its callback: the entry is in the outbox, and another worker relays it.
//   - Redis does not answer while the Server stops: Stop returns four seconds after ShutdownTimeout at the latest, and tasks that could
//     not be requeued are recovered when their leases end.
package worker
