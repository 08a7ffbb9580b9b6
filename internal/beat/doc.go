// Package beat turns schedules into tasks, each tick into exactly one, whatever dies when.
//
// Any number of processes run a Beat; internal/lease lets one of them lead. Nothing here relies on there being only one:
// a leader that was stopped, or cut off, may wake up and believe for a moment that it still leads. What it does then
// fails, because Redis knows a later term.
//
// # The way of a tick
//
//	          ┌──────┐ 10 s ahead ┌──────┐ commit ┌─────────┐        ┌────────┐
//	store ──▶ │ load │ ─────────▶ │ fire │ ─────▶ │ enqueue │ ─────▶ │ strike │
//	          └──────┘            └──────┘        └─────────┘        └────────┘
//	changes, ends of tasks ─────────▲  schedule.Plan    a task in its queue   off the list, into the history
//
// load reads schedules before they are due. fire holds them, in a heap by the time at which they are. When that has come,
// schedule.Plan decides which ticks run, are missed or skipped, and one script commits that: it moves the schedules
// on, each unless somebody has changed it since it was read, and writes the ticks that run to a list of what is owed: as one
// batch, under an id that no other batch ever has. enqueue makes tasks of a batch, in one step for each queue, and strike
// takes it off the list and moves its schedules in the index by which load finds them. The parts work at the same time;
// strike waits while there are ticks that would be late for it.
//
// fire alone changes what is held. It also reads anew what somebody has changed, and notes how tasks ended: for
// failure_streak, max_instances and the history. The scripts that end tasks write that to a list in each queue.
//
// # What happens when
//
//   - the leader dies before the commit: nothing has happened; the next one plans the same ticks, later.
//   - it dies after the commit: the ticks are owed. The next leader makes tasks of what is owed before anything else.
//   - it dies between enqueue and strike: the ticks are owed although they are tasks. The id of the batch is in a set
//     beside the queue until it is struck off, so that enqueuing it again does nothing, even if the tasks have long been
//     run and dropped. It may be known in one queue and not yet in another, and then is enqueued there.
//   - it dies before the strike: the index says that schedules are due when they were before. The next leader strikes
//     off what is owed, and with that the index is true.
//   - it is stopped, and wakes up when another leads: a commit checks the term, and so does enqueuing: the new leader
//     has fenced all queues with its term before it read what was owed, or does so with the first ticks that it puts into
//     a queue that could not be reached then.
//   - the store does not answer, or a commit or a strike fails: the term ends. Whether a step was taken cannot be known
//     then, and does not matter: the next term begins with what is owed.
//   - a queue cannot be reached, or takes no tasks: its batches wait, and are tried every second. Schedules that make tasks
//     for it are not moved on meanwhile; their ticks count as found late after that. A batch is of one queue, and so
//     those of other queues go on.
//   - ticks are large, or there are many: a step writes 4 MiB of them at most, unless it is one tick alone. The rest of a
//     schedule's ticks comes with the next step. Of what is committed and not yet struck off there are 128 MiB at most.
//   - the store refuses a step of a schedule again and again: the schedule is paused as invalid, with a line in the log.
//   - somebody changes, pauses or deletes a schedule at the moment when it is due: either the commit was first, and the
//     change is made to what came of it; or the commit finds another version, does nothing, and the schedule is read anew.
//     A deletion waits until the batches that the schedule is in have become tasks, so that none does so after its answer.
//   - the word of a change may have been missed, because the connection was lost or there was none yet: load reads all
//     that is due soon once more. Should one be lost all the same, the schedule is found when it is overdue by a second or two.
//   - a stored schedule cannot be read, or its task type is gone: it is set aside, paused as invalid, with a line in the
//     log; the others go on.
//   - clocks differ: all go by that of Redis. It is set back: the time goes on from what it was, slower, until Redis has
//     caught up; see redisstore.Clock. By more than a day: the term ends, and the next one plans all schedules anew.
//   - the rules of a time zone change: the next term plans the schedules concerned anew.
//
// # Configuration
//
// Schedules of the configuration file are written to the store when a term begins; those that came from it and are not
// in it any more are dropped. What did not change is left alone, pauses included. Those that the store loses, as by
// FLUSHALL, are put back within seconds.
package beat
