// Package lease lets one of many processes lead.
//
// Every process runs an Elector on the same Store. The one that holds the lease leads: it renews the lease again and
// again, and the others stand by. Each time that somebody begins to lead is a Term, with a number greater than any
// before:
//
//	                 Acquire: granted
//	     ┌────────────────────────────────────▶┐
//	standing by                              leading ──┐ renewed from a timer of its own,
//	     ▲                                     │   ▲    │ every TTL/4: trusted for longer
//	     │                                     │   └────┘
//	     │                   trust has ended,  │
//	     │                   another leads, or │
//	     │                   lead has returned ▼
//	     └──────────────────────────────── stepping down: the term's context has ended,
//	        lead has returned                lead is waited for
//
// # Trust
//
// The store forgets the lease one TTL after it has granted it. When exactly that was, the holder cannot know: somewhere
// between its question and the answer. So it trusts the lease from the moment of its question on, for 4/5 of the TTL;
// the last fifth is for work that was begun in good faith and for clocks that run at different speeds. Then the term is
// over for good, whatever an answer that comes later says.
//
// Two clocks must agree that the time has not come yet. The monotonic one is not fooled by somebody who sets the wall
// clock, and the wall clock goes on while the machine is suspended. A process that was stopped and wakes may run a
// while before its timers fire; hence Term.Valid, which looks at the clocks and is to be asked before each step that
// only a leader may do. A process that is stopped between that question and its step cannot be helped by any clock:
// such a step carries the number of its term, and the store that it changes refuses those of older terms.
//
// # What happens when
//
//   - a leader is killed: the lease ends by itself, and the first standby takes it within milliseconds, because it has
//     been told when that will be. That is one TTL after the kill at the latest.
//   - a leader is told to stop: the context of its term ends, lead returns, the lease is resigned and the standbys are
//     told at once.
//   - a leader is stopped or suspended beyond its lease and wakes: Valid says no, the context ends, and when lead has
//     returned the process stands by.
//   - lead returns of itself: the lease is resigned, for another process may have more luck, and this one stands by
//     after a pause.
//   - lead does not return when its context has ended: that is logged, and this process neither renews the lease nor
//     begins another term before it does.
//   - the store is away: the leader goes on for as long as it trusts its lease. Then nobody leads until the store is
//     back. There is one line in the log when it goes and one when it comes.
//   - an answer gets lost: a Candidate says what it knows, so that the store can tell a process that asks again from one
//     whose term is over.
//   - the store loses its data: candidates tell the store of the highest term that they have heard of. A store that
//     knows of none so high has forgotten who leads, and keeps the lease vacant for one TTL, in which nobody but the
//     leader of that term may have it. Only where no candidate knows better, since all have just been started, does the
//     count begin again, and a leader from before that still lives steps down at its next renewal.
package lease
