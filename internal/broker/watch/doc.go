// Package watch notifies callers that wait for the end of a task or follow its changes.
//
// A caller adds a Watcher and marks the task in Redis (await.lua). Scripts that change or end a marked task publish an
// announcement on wire.WatchedChannel; each process with a watcher of the task reads it and sends it to its watchers:
//
//	script ── PUBLISH ─▶ listen ─▶ unread ─▶ readLoop ─▶ group of watchers ─▶ Updates
//	                                  ▲
//	           recheck, every 2 s ────┘  changes that were not announced
//
// # What happens when
//
//   - an announcement is lost, or a stock asynq server, which publishes none, changes the task: the next check finds the change.
//   - the connection ends: Redis is subscribed to again, and then all watched tasks are checked.
//   - a read fails: all reads pause for 100 ms; the tasks of the batch are then read again.
//   - a watcher is slow: it misses states in between, never the newest.
//   - a task is deleted: its watchers' channels are closed, at once if that is announced, otherwise when two checks have missed
//     the task. A task that is dropped at its end is kept under another key for a while, so that its outcome can still be read.
package watch
