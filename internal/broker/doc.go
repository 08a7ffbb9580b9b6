// Package broker carries tasks over Redis with asynq. It holds the tests of its packages as a whole, and this map:
//
//	queue      Client: enqueue, claims of idempotency keys, reservations of ids, find, list, control, status
//	watch      waiters and followers of tasks
//	ticks      the queues as the leader of the beat uses them
//	worker     Server: an asynq.Server, and the maintenance of queues
//	intercept  the Redis client that asynq.Server gets: prefetch, acknowledgement, attempts
//	recovery   the tasks of dead workers
//	outbox     callbacks for the ends of tasks
//	script     the Lua scripts, one typed Go function for each
//	wire       asynq's messages, records of tasks, names of keys
//	clock      the time of Redis
//	meter      interfaces for metrics
//	setup      the check of a Redis and of its user's rights
//
// Only intercept and worker import asynq. All packages work on asynq's own keys, so stock asynq clients, servers, inspectors
// and asynqmon can share the queues:
//
//	queue.Client ─enqueue.lua─▶ asynq:{q}:pending ─fetch.lua──▶ asynq:{q}:active ─finish.lua─▶ completed
//	                  │            ▲           ▲                       │                        archived
//	                  └▶ scheduled ┴forward.lua│◀──── recover.lua ─────┤                        retry ─┐
//	                                  ▲        └─────── requeue ───────┘                               │
//	                                  └────────────────────────────────────────────────────────────────┘
//
// Attributes for which asynq has no field are further fields of the task's hash. Stock tools ignore them, and Redis deletes them
// with the task; script/lua/prelude.lua and wire list them. Attributes that a task is created with, such as its creation
// time and its metadata, travel in the headers of asynq's message.
//
// The script that ends a task also adds an entry to an outbox, a stream beside the queue, for each consequence of the end: a
// callback, which a worker makes a task of, or a line in the history of a schedule, which the leader of the beat reads.
//
// # States
//
//	scheduled  asynq scheduled          succeeded  asynq completed
//	pending    asynq pending            failed     asynq archived
//	running    asynq active             canceled   asynq archived, bb:outcome = canceled
//	retrying   asynq retry              expired    asynq archived, bb:outcome = expired
//	aggregating, as in asynq: the task is in a group, or in the aggregation set that a stock server works on
//
// A parked task, which waits for a worker that knows its type, is pending. To asynq it is scheduled for a time thousands of
// years away.
//
// # What happens on failures
//
// Packages intercept, worker, recovery and watch say what happens when workers, their machines or Redis fail. For tasks that
// are enqueued and read:
//
//   - An answer of Redis is lost. An enqueue that is sent again finds its own message and counts as done; an end that is written
//     again finds the task no longer active and changes nothing.
//   - An API dies between the claim of an idempotency key and the enqueue. The claim names the task that it stands for, and the
//     next request with the key enqueues that task. A mark that enqueue.lua leaves lets one request through.
//   - An API dies between the reservation of a chosen id and the enqueue. The reservation ends by itself after two seconds. An
//     API that is so slow that its reservation has ended enqueues nothing, and reserves the id again.
//   - A node of a cluster cannot be reached. Each queue is read by itself, and a task is found in any queue that can be reached.
//     An id that only a queue out of reach has is not known to be taken.
//   - A stock server or asynqmon archives a task. A worker adopts it within seconds, and it is dropped after its retention
//     (adopt.lua). Tasks of stock clients beyond asynq's cap of 10,000 are dropped, the oldest first.
//   - asynq's tools run, delete or archive a parked task. A task that fetch.lua does not find among the scheduled ones is no
//     longer parked.
//   - A message cannot be read. The task fails, and keeps the message.
//   - A result is late. That cannot happen, because the script that ends the task writes it.
package broker
