// Package broker carries tasks over Redis with asynq. It is the only package that knows asynq.
//
// A Client enqueues, finds, lists and steers tasks; a Server runs them. Both work on asynq's own keys, so stock
// asynq clients, servers, inspectors and asynqmon may share the queues:
//
//	Client.Enqueue ─enqueue.lua─▶ asynq:{q}:pending ─fetch.lua──▶ asynq:{q}:active ─finish.lua─▶ completed
//	                    │                  ▲                             │                        archived
//	                    └▶ scheduled ──────┤◀── hand-back, crash ────────┤                        retry ─┐
//	                                       └───────────────────────────────────────────────────────────┘
//
// The Server does not fork asynq.Server: it hands it a Redis client, the lane, which recognizes the scripts that
// take a task and give it back, and runs fetch.lua and finish.lua instead. What asynq has no place for goes into
// further fields of the task's hash, which stock tools ignore and which vanish with the task; see
// lua/prelude.lua and keys.go. What a task is made with, such as its creation time and its metadata, travels in
// the headers of asynq's message; see record.go.
//
// # States
//
//	scheduled  asynq scheduled          succeeded  asynq completed
//	pending    asynq pending            failed     asynq archived
//	running    asynq active             canceled   asynq archived, bb:outcome = canceled
//	retrying   asynq retry              expired    asynq archived, bb:outcome = expired
//
// # What happens when
//
//   - a worker is killed: its tasks stay active; their leases, which it extended every 5 s, run out after 30 s, and
//     asynq's recoverer in any other worker puts them up for a retry.
//   - a worker is stopped and wakes after its tasks were given to others: finish.lua compares the attempt's number
//     with that in the hash and drops what comes from an older attempt.
//   - a worker is told to stop: it fetches no more, waits, and hands back what does not finish in time, to the head
//     of the queue and with no retry spent.
//   - Redis is away: fetches pause and are tried again; the end of an attempt is written again and again until
//     Redis has taken it, so that work that is done is not done twice.
//   - an answer of Redis gets lost: an enqueue that is sent again finds its own message and counts as done; an end
//     that is written again finds the task no longer active and changes nothing.
//   - a cancellation is not heard: it stands in the hash, and the worker looks for such every second; should the
//     worker die, fetch.lua ends the task as canceled instead of handing it out.
//   - a message cannot be read: the task fails, with the message kept for whoever wants to look.
//   - a result is late: there is no such thing, because it is written by the script that ends the task.
package broker
