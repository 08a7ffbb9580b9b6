// Package redisstore keeps in Redis what beat needs to know: the schedules, who leads, and what time it is. It also keeps
// how much callers of the API have asked for, and the audit log.
//
// Everything is in keys that keys.go spells, what beat needs in one hash slot, and is changed by the scripts in lua/, each of which
// states what it takes and what it answers. Times in Redis are milliseconds of the Unix epoch, and the scripts take the
// current time from Redis: the clocks of the machines that ask may differ by any amount.
//
// Schedules is a schedule.Store, which the API and people work with, and a schedule.Journal, which the leader works with.
// Of a schedule there are two parts: what somebody has put, and its state, which ticks change. The state is one string.
// Whoever changes anything of a schedule sends the string that was read, and a script does nothing if it is another by now.
// So no change undoes another, and the leader may work on what it read seconds ago. What the leader writes is also held
// against its term.
//
//	update.lua   API:    state, spec, due time ◀─ if the state is the one that was read
//	commit.lua   leader: state, outbox, history ◀─ the same, for hundreds of schedules, and the term
//	ack.lua   leader: outbox ─▶ history, due time, once the batch is in its queue
//	delete.lua   API:    deletes everything except the outbox
//	drop_ticks.lua   API:    waits until the outbox has none of its ticks; drops them and begins a new term if there is no leader
//
// The ticks of a commit are one value in the outbox, a batch: its rows one after the other. It does not change until it is
// acknowledged as a whole, except that a deletion without a leader removes the rows of one schedule. The index of due times may lag behind
// the state of a schedule that is in a batch: a commit leaves it alone, and ack.lua sets it to what the state says by then,
// whoever wrote that. So it names no schedule later than it is due, and the state is what counts.
//
// A Lease is a lease.Store. Which answer Acquire gives depends on what Redis knows and on what the candidate says
// about itself, its term (0 for a standby) and the highest term that it has seen:
//
//	who has the lease          a leader asks            a standby asks
//	the candidate, same term   renewed                  –
//	the candidate, newer term  superseded               that term: an answer had been lost
//	the candidate, older term  –                        a new term: the old one was given up unheard
//	another                    superseded               refused
//	nobody                     its term again, if       a new term; none yet, if Redis has lost its data
//	                           none came after it
//
// Redis has lost its data if its count of terms is below what a candidate has seen: it was flushed, restarted without
// its file, or a replica took over that had not heard of the last term. Whoever led may still do so in good faith. So
// the lease is then taken by a vacancy, a holder without an id, which for one TTL gives way to nobody but the leader
// of the newest term.
//
// A Clock tells the time of Redis, the one clock that all beats share.
//
// Buckets are token buckets, one a caller, which take.lua fills by the time that has passed and takes from. A bucket that
// is full again is gone.
//
// An Audit keeps the newest entries of the audit log.
package redisstore
