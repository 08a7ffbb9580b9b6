// Package schedule decides when tasks repeat, and what happens to ticks that were missed.
//
// A Schedule is a Spec, which a user defines, and a State. The trigger of the Spec defines times, its ticks. Plan decides
// each tick that is due, exactly once; each decision is a Run:
//
//	Spec ──Put──▶ Schedule ──Plan(now)──▶ Runs ─┬─ fired   ──Schedule.Task──▶ task.Task {schedule}@{tick}
//	                 ▲  State.Next moves on     ├─ missed
//	                 └───────────────────────── └─ skipped
//
// The package is pure except for Store and Journal, which other packages implement: no function reads a clock to decide
// about a tick, and the same schedule at the same time results in the same plan. So a leader that dies between planning and
// committing does no harm: the next leader makes the same plan, and a task that was already enqueued has the same ID.
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
// A tick that fires counts as a run and as an unfinished task, until Ended records its end. A missed or skipped tick counts
// only as missed or skipped. Trigger makes a task without a tick: it counts as unfinished but not as a run.
//
// After a long downtime the first 100,000 due ticks are counted one by one, and then those that may still run because of
// jitter and grace time. The ticks in between are missed without being counted.
//
// # Changes
//
// Put, Pause and Resume make a new Schedule and leave the old one alone. What they do to the next tick:
//
//	put, trigger, start_at and end_at as they were   the next tick stays, also one that is due at this moment
//	put, another trigger                             a due tick stays if the new trigger has it too; else the first
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
// # Guarantees of the stores
//
// Store.Update and Journal.Commit write a schedule only if its version is the one that the change was made from. So an edit
// and a decision about the same tick never both succeed: either the tick is decided, and the edit is repeated on the new
// version, or it is not, and the leader plans the edited schedule. Journal.Commit writes the new State and the outbox
// entries of the tasks in one step, so that every decided tick gets its task. It refuses a leader whose term is over.
package schedule
