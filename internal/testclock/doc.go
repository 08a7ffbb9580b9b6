// Package testclock moves the time of a deployment under test. The time of a deployment is that of its Redis, whose clock nobody
// can set: a Clock makes scripts and programs see a later one.
//
//   - Scripts: a hook of the Redis clients sends scripts that ask for TIME in a form that adds the value of a key
//     (aheadKey) to the answer. So all scripts see a move at the same instant.
//   - Keys with a TTL, which Redis ends by its own clock: lua/move.lua takes the time off their TTLs, in the step that sets that
//     key.
//   - Programs: their clocks count from this machine's monotonic clock, and a Clock tells them what to add (Ahead).
//
// What tells that a process lives is moved along, so that no move looks like the death of a process: the leases of running tasks,
// the lists of workers, the leader of the beat. Timers of processes are not moved: the time-out of a running handler, the
// renewal of leases.
//
// Production code pays nothing for it: the hook exists only on clients that a Clock has made.
package testclock
