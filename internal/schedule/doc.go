// Package schedule decides when tasks repeat, and what becomes of a time that could not be kept.
//
// A Schedule is what somebody asked for, its Spec, and how far it has come, its State. The trigger of the Spec names
// instants, its ticks. Plan looks at a schedule and the time and decides each tick that is owed, once and for good;
// each decision is a Run:
//
//	Spec ──Put──▶ Schedule ──Plan(now)──▶ Runs ─┬─ fired   ──Schedule.Task──▶ task.Task {schedule}@{tick}
//	                 ▲  State.Next moves on     ├─ missed
//	                 └───────────────────────── └─ skipped
//
// All here is pure but for Store and Journal, which others implement: no function reads a clock to decide about a tick,
// and the same schedule at the same time gives the same plan. So a leader that dies between planning and committing does
// no harm: the next one plans the same, and a task that was made already has the id that it would have again.
//
// # Ticks
//
// State.Next is the next tick that is not decided, and State.Due when that is to happen: at the tick, or later by its
// jitter. Jitter is computed from the schedule's id and the tick, so all who ask agree on it. Ticks are decided in their
// order. Where jitter is longer than the interval a tick may be put off past the next one; then that waits, and this does
// not count as its being late.
//
// Ticks of Every are State.Anchor + k × Every. Nothing is ever added to the time at which beat happened to look, and so
// nothing drifts. StartAt and EndAt are ticks themselves if the trigger has them.
//
// # The rules, in the order in which they apply
//
//  1. MisfireGraceTime: a tick that is found later than this after it was due is missed.
//  2. Coalesce: of the others only the newest is left, and the rest is missed. Without Coalesce the newest 1000 are left,
//     to run oldest first.
//  3. MaxRuns: when it is reached the schedule is complete. What is left of its ticks is nobody's.
//  4. MaxInstances: with so many tasks unfinished the tick is skipped. Otherwise it fires.
//
// A tick that fires counts as a run and as an unfinished task, until Ended tells how it went. One that is missed or
// skipped only counts as that. Trigger makes a task beside the ticks: it counts as unfinished and not as a run.
//
// After a long downtime the first 100,000 owed ticks are counted one by one, and then those that jitter and grace time
// may still let run. Those in between are missed without being counted.
//
// # Changes
//
// Put, Pause and Resume make a new Schedule and leave the old one alone. What they do to the next tick:
//
//	put, trigger, start_at and end_at as they were   the next tick stays, also one that is owed at this moment
//	put, another trigger                             an owed tick stays if the new trigger has it too; else the first
//	                                                 tick after now
//	put, another at                                  that instant; in the past it runs within the grace time
//	put, another jitter                              the next tick stays; it is due by the new jitter, but is not late
//	                                                 by the change
//	pause                                            none
//	resume, also by a put                            the first tick after now
//
// Every counts from where it did, unless Every or StartAt changes. The counters outlast all changes. A streak of failures
// ends with a success and with a resumption; canceled and expired tasks neither lengthen nor end it.
//
// # What the stores promise
//
// Store.Update and Journal.Commit both write a schedule only over the version that the change was made from. An editor and
// the leader who meet at the same tick never both win: either the tick is decided, and the editor's change is made
// again from what has become of it, or it is not, and the leader plans the edited schedule. Journal.Commit writes the new
// State and the tasks that it owes in one step, so no tick is decided without its task being certain; it refuses a leader
// who has been deposed.
package schedule
