// Package intercept is the Redis client that an asynq.Server works with. It does not fork asynq: it recognizes the commands by
// which asynq fetches tasks and ends attempts (operations.go), and does both in batches instead.
//
// asynq's processor is one loop that fetches one task in a round trip, and sleeps for about a second when there is none.
// With the interceptor it finds tasks at once:
//
//	           ┌────────── interceptor ───────────┐
//	asynq's    │  prefetcher ── up to 256 a call ─┼─ fetch.lua  ◀─ one call for all queues, in shares by weight
//	processor ─┤      ▲  woken by pub/sub ────────┼─ package worker subscribes
//	           │  acker ─────── up to 256 a call ─┼─ finish.lua ◀─ attempts that ended while the last batch was sent
//	           └──────────────────────────────────┘
//
// The prefetcher takes as many tasks as there are free slots, so that each starts at once. For as many tasks as have ended
// within the last 20 to 40 ms, having run for less than 100 ms, it fetches ahead while it hands out the last batch. A task that
// has not started within a quarter of a second is requeued. Batches are bounded in bytes as well as in tasks.
//
// The prefetcher remembers which queues are empty or paused, until an enqueue says otherwise (wake in prelude.lua). Foreign
// clients publish nothing, so every quarter of a second one EXISTS over all empty queues, and one over all paused ones, finds
// out whether a fetch would bring something. In a cluster each queue needs an EXISTS of its own, and many queues are polled
// less often. So a critical task is looked for before each start of a lesser one, at no cost.
//
// In a cluster, fetches from different nodes are calls of their own. The turn of a queue waits at most a quarter of a second
// for its fetch; a queue whose fetch failed is polled with a backoff of up to a second, and delays no other.
//
// # What happens on failures
//
//   - asynq sends a command that is not in the table of operations, as another version may: it is refused, and the worker stops
//     with an error that names the version. A self-test when the first worker of a process starts runs an asynq.Server against
//     a recorder through every end of a task. It cannot cover the extension of leases, which asynq first sends after 5 s.
//   - Redis is away: fetches pause and are tried again; the end of an attempt is written again and again until Redis has
//     accepted it, so that finished work is not repeated. Handlers go on, however long that lasts.
//   - One node of a cluster is away, or the slot of a queue is being moved to another node: the other queues go on. Each reply of a
//     batch of fetches counts by itself, and the ends of tasks of one queue do not wait for those of another.
//   - The key of a task holds something else than a hash: fetch.lua drops the task from its queue, and the worker logs its id. After
//     other errors the tasks concerned stay in the queue. If the key is replaced while the task runs, finish.lua takes the
//     task off the list of running tasks; that harms no other.
//   - Fetched tasks are not started, because the worker stops or its slots are taken: they go back to the head of the queue, in
//     order, and their attempts do not count.
//   - The worker is told to stop: it fetches no more, waits, and requeues what does not finish in time, at the head of the queue
//     and without spending a retry.
//   - A worker was suspended and wakes after its tasks were given to others: finish.lua compares the number of the attempt with
//     that in the hash and ignores an older attempt. If the worker fetches a task of which it still runs an older attempt, it
//     puts the task aside and requeues it after two seconds.
//   - A worker alone is cut off: it goes on with its running tasks, other workers take it for dead and run them as well, and the
//     fence ignores what it writes later.
//   - An end is too large for Redis, or for a slow connection: batches of ends are bounded in bytes, and a batch that is refused
//     is split in halves. A single end that is refused by a Redis that answers otherwise is put off, and fails its task after
//     the third time.
//   - A worker does not know the type of a task: it parks the task in the step that would requeue it, at no cost. A worker that
//     knows the type learns of the task with its next fetch, or is woken, and fetches it. If tasks of 1,000 types are parked in a
//     queue, those of further types come again every second instead.
//   - The message of a cancellation is lost: the flag stands in the hash, and the worker polls it every second; if the worker dies,
//     fetch.lua ends the task as canceled instead of handing it out.
package intercept
