// Package broker carries tasks over Redis with asynq. It is the only package that knows asynq.
//
// A Client enqueues, finds, lists and steers tasks; a Server runs them. Both work on asynq's own keys, so stock
// asynq clients, servers, inspectors and asynqmon may share the queues:
//
//	Client.Enqueue ─enqueue.lua─▶ asynq:{q}:pending ─fetch.lua──▶ asynq:{q}:active ─finish.lua─▶ completed
//	                    │            ▲           ▲                       │                        archived
//	                    └▶ scheduled ┴forward.lua│◀──── recover.lua ─────┤                        retry ─┐
//	                                    ▲        └────── hand-back ──────┘                               │
//	                                    └────────────────────────────────────────────────────────────────┘
//
// The Server does not fork asynq.Server: it hands it a Redis client, the lane, which recognizes the scripts that
// take a task and give it back, and does so in batches instead. What asynq has no place for goes into further
// fields of the task's hash, which stock tools ignore and which vanish with the task; see lua/prelude.lua and
// keys.go. What a task is made with, such as its creation time and its metadata, travels in the headers of asynq's
// message; see record.go.
//
// The script that ends a task with a callback also adds an entry to the callback outbox, a stream beside the queue, and a
// Server makes a task of each entry; see promises.go.
//
// # The fast lane
//
// asynq's processor is one loop that takes one task a round trip and then sleeps for a second or so when there is
// none. Behind the lane it finds tasks at once:
//
//	           ┌────────────── lane ──────────────┐
//	asynq's    │  prefetcher ── up to 256 a call ─┼─ fetch.lua  ◀─ one call for all queues, in shares by weight
//	processor ─┤      ▲  woken by pub/sub ────────┼─ listen
//	           │  acker ─────── up to 256 a call ─┼─ finish.lua ◀─ what ended while the last batch was on its way
//	           └──────────────────────────────────┘
//
// The prefetcher takes as many tasks as there are free slots, so that each starts at once. For as many tasks as have ended
// within the last 20 to 40 ms, having run for less than 100 ms, it fetches ahead, while it hands out the last batch. A task
// that has not started within a quarter of a second is requeued. Batches are bounded in bytes as well as in tasks.
//
// The prefetcher remembers which queues are empty or paused, and forgets that when an enqueue says so (prelude.lua, wake).
// Foreign clients publish nothing, so every quarter of a second one EXISTS over all empty queues, and one over all paused ones,
// asks whether a fetch would bring something. In a cluster each queue needs an EXISTS of its own, and many are polled less
// often. So a critical task is asked for before each start of a lesser one, at no cost.
//
// In a cluster, fetches from different nodes are calls of their own. The turn of a queue waits no more than a quarter of a
// second for its fetch; a queue whose fetch failed is polled with a backoff of up to a second, and nobody waits for it.
//
// # Maintenance
//
// Queues need five jobs: forward what is due, sweep what has expired or has been kept long enough, recover the tasks of dead
// workers, relay callbacks, and adopt what others have archived. Of the workers that serve the same queues one does them
// all, the maintainer (in a cluster one for the queues of each node): the one that holds a lock of 3 s. The lock only saves
// work. A worker that cannot reach it maintains too, since each job is a script that is safe to run twice.
//
//	            ┌──────────────── maintainer ────────────────┐
//	pub/sub ───▶│ probe ─ every second, which keys are there ─┼─ EXISTS, one for all queues
//	            │   └▶ jobs, when a queue has something due ──┼─ forward.lua  sweep.lua  recover.lua  promises.lua
//	            └─────────────────────────────────────────────┘
//
// Each job says in how many milliseconds the queue has something due, by the clock of Redis, and does not run before. Keys that
// exist are read every one to five seconds for members that are due earlier, at most 150 of a node a second. asynq's own
// forwarder and janitor are told that there is nothing to do: the jobs cover the tasks of stock clients.
//
// A job goes through many tasks in one script, each guarded by itself. It takes no step that is linear in what it does not
// touch, except where asynq's lists allow none: to take a single task out of the middle of pending or active, as cancel,
// delete and the end of an attempt do, Redis goes through the list from its tail, where the oldest are. Jobs that take many
// go through the list once, in parts.
//
// # States
//
//	scheduled  asynq scheduled          succeeded  asynq completed
//	pending    asynq pending            failed     asynq archived
//	running    asynq active             canceled   asynq archived, bb:outcome = canceled
//	retrying   asynq retry              expired    asynq archived, bb:outcome = expired
//	aggregating, as asynq says: the task is in a group, or in the aggregation set that a stock server works on
//
// # What happens when
//
//   - the maintainer is killed or cut off: its lock ends, and within 4 s another worker maintains. One that stops gives its lock
//     up, and another takes it within a second. One that is stuck in a job does not extend it.
//   - a worker is killed: it no longer extends the leases of its tasks. When others see that those do not change any
//     more, one puts the tasks back at the head of their queue (recover.lua), at no cost of a retry, some 10 to 16 s
//     after the death. asynq's own recoverer, which would make them pay, is told that there are none.
//   - a worker's clock is wrong: its leases end at strange times, but they change, and so it is left alone.
//   - a task kills its worker: that is counted. A task that two workers have died with is run apart from others of
//     which that is true, so that those that merely ran beside it do not die with it a third time; the third death
//     ends it as failed.
//   - a worker is stopped and wakes after its tasks were given to others: finish.lua compares the attempt's number
//     with that in the hash and drops what comes from an older attempt.
//   - such a worker is handed a task that it is still at: it puts that aside, and gives it back after a while.
//   - a worker is told to stop: it fetches no more, waits, and hands back what does not finish in time, to the head
//     of the queue and with no retry spent.
//   - Redis is away: fetches pause and are tried again; the end of an attempt is written again and again until
//     Redis has taken it, so that work that is done is not done twice; what runs goes on, however long that lasts.
//     Afterwards nobody is taken to be dead before Redis has answered for 12 s, in which a live worker speaks.
//   - one node of a cluster is away, or the slot of one queue is on its way to another node: the other queues go on. Each reply
//     of a batch of fetches counts by itself.
//   - a task's key holds something else than a hash: fetch.lua drops the task from its queue, and the worker logs its id. Other
//     errors leave the tasks concerned in the queue. The jobs of the maintainer drop such a task from their sets, put one with any
//     other error off for a minute, and go on with the others.
//   - one worker alone is cut off: it goes on with what it runs, others take it for dead and run that as well, and the
//     fence drops what it writes of it later.
//   - fetched tasks are not started, because the worker stops or its slots are taken: they go back to the head of the
//     queue, in order, and their attempts count for nothing.
//   - an answer of Redis gets lost: an enqueue that is sent again finds its own message and counts as done; an end
//     that is written again finds the task no longer active and changes nothing.
//   - an API dies between the claim of an idempotency key and the enqueue: the claim says which task it stands for, and
//     whoever sends the request again enqueues that. The mark that enqueue.lua leaves lets one of them through.
//   - an API dies between the reservation of a chosen id and the enqueue: the reservation ends by itself in two seconds. One
//     that is so slow that its reservation has ended enqueues nothing, and reserves the id again.
//   - a node of a cluster is away: each queue is asked by itself, and a task is found wherever it is in reach. A chosen id
//     that only a queue out of reach has is not known to be taken.
//   - an end is too large for Redis, or for a slow connection: batches of ends are bounded in bytes, and one that is refused
//     goes in halves. An end that is refused alone, by a Redis that answers otherwise, is put off, and fails its task after
//     the third time.
//   - a queue is out of reach: the ends of its tasks wait; those of other queues are written meanwhile.
//   - somebody replaces the key of a task that runs: finish.lua takes it off the list of what runs; it harms no other.
//   - a worker does not know the type of a task: it parks the task by the step that gives it back, at no cost. To asynq the task
//     is scheduled for a time thousands of years away; a worker that knows its type hears of it with the next fetch, or is woken,
//     and fetches it. If tasks of 1,000 types are parked in a queue, those of further types come again every second instead.
//   - asynq's tools run, delete or archive a parked task: what fetch.lua does not find among those scheduled is parked no more.
//   - a cancellation is not heard: it stands in the hash, and the worker looks for such every second; should the
//     worker die, fetch.lua ends the task as canceled instead of handing it out.
//   - a stock server or asynqmon archives a task: a worker adopts it within seconds, and it is dropped after its retention
//     (adopt.lua). Tasks of stock clients beyond asynq's cap of 10,000 are dropped, the oldest first.
//   - a message cannot be read: the task fails, with the message kept for whoever wants to look.
//   - a worker is killed between the end of a task and its callback: the entry is in the outbox, and another worker relays it.
//   - a result is late: there is no such thing, because it is written by the script that ends the task.
package broker
