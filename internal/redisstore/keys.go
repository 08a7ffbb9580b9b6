package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
)

// Keys of beat and its schedules. They share a hash slot, so that one script may work on any of them. None can be that of a
// queue, whatever its name: those go on with the name in braces after backbeat: .
const (
	leaderKey = "backbeat:schedules:{beat}:leader" // STRING with a TTL: the leader's record, as JSON
	termKey   = "backbeat:schedules:{beat}:term"   // STRING, kept for good: the number of the newest term
	beatsKey  = "backbeat:schedules:{beat}:beats"  // ZSET record of a standby -> when it counts as gone, ms; with a TTL

	specsKey   = "backbeat:schedules:{beat}:specs"  // HASH id -> what was put, JSON
	statesKey  = "backbeat:schedules:{beat}:states" // HASH id -> schedule.State, JSON: compared as a whole, changed as a whole
	idsKey     = "backbeat:schedules:{beat}:ids"    // ZSET of ids in their order, all scores 0
	dueKey     = "backbeat:schedules:{beat}:due"    // ZSET id -> when it is due, ms; of one with ticks in the outbox maybe when it was
	outboxKey  = "backbeat:schedules:{beat}:outbox" // HASH id of a batch -> ticks that are not yet enqueued; see encodeRows
	runsPrefix = "backbeat:schedules:{beat}:runs:"  // and the id: LIST of runs, JSON, newest first
)

// auditKey is a STREAM of audit entries, JSON, the newest last.
const auditKey = "backbeat:audit"

// resignedChannel is for pub/sub: the number of a term whose leader gave it up.
const resignedChannel = "backbeat:resigned"

// ChangesChannel is for pub/sub: ids of schedules that somebody has changed. Beats read these schedules again.
const ChangesChannel = "backbeat:changes"

// bucketKey is a caller's bucket, HASH of tokens and at (µs), with a TTL. Callers are named by others, and may have any name.
func bucketKey(caller string) string {
	sum := sha256.Sum256([]byte(caller))
	return "backbeat:ratelimit:{" + hex.EncodeToString(sum[:]) + "}"
}
