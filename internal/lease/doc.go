// Package lease elects one of several processes as the leader.
//
// Every process runs an Elector on the same Store. The process that holds the lease leads and renews the lease
// periodically; the others stand by. Each time a process becomes the leader, a new Term begins, whose number is greater
// than that of every term before:
//
//	                 Acquire: granted
//	     ┌────────────────────────────────────▶┐
//	standing by                              leading ──┐ renewed from a timer of its own,
//	     ▲                                     │   ▲    │ every TTL/4: trusted for longer
//	     │                                     │   └────┘
//	     │                   trust has expired,│
//	     │                   another leads, or │
//	     │                   lead has returned ▼
//	     └──────────────────────────────── stepping down: the term's context has ended,
//	        lead has returned                Run waits for lead to return
//
// # Trust
//
// The store drops the lease one TTL after granting it. The holder cannot know exactly when the store granted it, only
// that this was between sending the request and receiving the answer. So it trusts the lease for 4/5 of the TTL, counted
// from sending the request. The last fifth covers steps that are in progress and clocks that run at different speeds.
// When the trust has expired the term is over, and an answer that arrives later does not revive it.
//
// The trust expires as soon as either of two clocks says so. Setting the wall clock does not affect the monotonic clock,
// and the wall clock advances while the machine is suspended. A process that resumes may run for a while before its
// timers fire; therefore Term.Valid reads the clocks, and must be called before each step that only a leader may do. If a
// process is suspended between that call and the step, no clock can help: such a step carries the number of its term,
// and the store that it changes refuses steps of older terms.
//
// # Failures
//
//   - the leader is killed: the lease expires, at most one TTL after the kill, and a standby takes it within
//     milliseconds, because the store has told the standbys when it expires.
//   - the leader is stopped: the context of its term ends, lead returns, the lease is resigned and the standbys are
//     notified at once.
//   - the leader is suspended for longer than its lease and resumes: Valid returns false, the context ends, and the
//     process stands by when lead has returned.
//   - lead returns before its context ends: the lease is resigned, because another process may succeed, and this process
//     stands by after a pause.
//   - lead does not return after its context has ended: this is logged, and the process neither renews the lease nor
//     begins another term until lead returns.
//   - the store does not answer: the leader continues while it trusts its lease. Then no process leads until the store
//     answers again. The start and the end of the outage are logged, one line each.
//   - an answer is lost: a Candidate sends the terms that it knows, so that the store can distinguish a process that
//     repeats a request from one whose term is over.
//   - the store loses its data: candidates send the highest term that they have seen. A store whose own highest term is
//     lower has lost the leader, and keeps the lease vacant for one TTL, in which only the leader of that term can renew
//     it. If all candidates have just been started, none knows the term: numbering starts again, and a leader from before
//     steps down at its next renewal.
package lease
