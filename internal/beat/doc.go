// Package beat turns schedules into tasks, each tick into exactly one, even if processes die.
//
// Any number of processes run a Beat; internal/lease lets one of them lead. Correctness does not depend on a single
// leader: a leader that was stopped, or cut off, may wake up and believe for a moment that it still leads. Its writes
// then fail, because Redis knows a later term.
//
// # The path of a tick
//
//	          ┌──────┐ 10 s ahead ┌──────┐ commit ┌─────────┐        ┌─────┐
//	store ──▶ │ load │ ─────────▶ │ fire │ ─────▶ │ enqueue │ ─────▶ │ ack │
//	          └──────┘            └──────┘        └─────────┘        └─────┘
//	changes, ends of tasks ─────────▲  schedule.Plan    a task in its queue   out of the outbox, into the history
//
// load reads schedules before they are due. fire holds them in a heap by due time. When they are due, schedule.Plan
// decides which ticks run, are missed or skipped, and one script commits that: it moves the schedules on, each unless
// it has been changed since it was read, and adds the ticks that run to the outbox as one batch, under an id that no
// other batch ever has. enqueue makes tasks of a batch, in one step for each queue. ack removes the batch from the
// outbox and updates the index by which load finds its schedules. The parts work at the same time; ack waits while
// it would make due ticks late.
//
// Only fire changes the held schedules. It also reads changed schedules again, and notes how tasks ended: for
// failure_streak, max_instances and the history. The scripts that finish tasks add these ends to a list in each queue.
//
// # What happens on failure
//
//   - The leader dies before the commit: nothing has changed; the next leader plans the same ticks, later.
//   - The leader dies after the commit: the ticks are in the outbox. The next leader first enqueues the outbox.
//   - The leader dies between enqueue and ack: the ticks are in the outbox although they are tasks already. The id of
//     the batch is in a set beside the queue until the batch is acknowledged, so enqueuing it again does nothing, even
//     if the tasks have been run and dropped since. If only some of the queues know the id, the others get the tasks.
//   - The leader dies before ack: the index still has the old due times. The next leader acknowledges the outbox, which
//     updates the index.
//   - The leader is stopped, and wakes up when another leads: commit and enqueue check the term. The new leader has
//     fenced all queues with its term before it reads the outbox. A queue that was unreachable then is fenced with the
//     first ticks that are put into it.
//   - The store does not answer, or a commit or an acknowledgement fails: the term ends. Whether the step was written is
//     unknown and does not matter: the next term begins with the outbox.
//   - A queue is unreachable, or accepts no tasks: its batches wait and are retried every second. Schedules that use the
//     queue are not moved on meanwhile; their ticks are late after that. A batch has one queue, so batches of other
//     queues go on.
//   - Ticks are large or many: a step writes 4 MiB of them at most, unless it is a single tick. The rest of a schedule's
//     ticks comes with the next step. At most 128 MiB are committed and not yet acknowledged.
//   - The store refuses a step of a schedule repeatedly: the schedule is paused as invalid, and this is logged.
//   - A user changes, pauses or deletes a schedule when it is due: if the commit was first, the change applies to its
//     result; otherwise the commit finds another version, does nothing, and the schedule is read again. A deletion waits
//     until the batches that contain the schedule have been enqueued, so that no task is made after its answer.
//   - A notification of a change may have been missed, because the connection was lost or not made yet: load reads all
//     schedules that are due soon again. If one is missed all the same, it is found when it is overdue by a second or two.
//   - A stored schedule cannot be read, or its task type is gone: it is paused as invalid, and this is logged; the others
//     go on.
//   - Clocks differ: all beats use the clock of Redis. If that is set back, time goes on from the earlier value, slower,
//     until Redis has caught up; see redisstore.Clock. If it is set back by more than a day, the term ends, and the next
//     one plans all schedules again.
//   - The rules of a time zone change: the next term plans the affected schedules again.
//
// # Configuration
//
// Schedules of the configuration file are written to the store when a term begins; stored schedules that came from the
// file and are no longer in it are deleted. Unchanged ones are left alone, including pauses. If the store loses them, as
// by FLUSHALL, they are restored within seconds.
package beat
