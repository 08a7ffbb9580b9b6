// Package typestore keeps in Redis which task types workers run, so that programs know types that they were not compiled with.
//
// A Registration belongs to a worker: it writes the documents of the worker's types (catalog.EncodeType) and says every few seconds
// that the worker lives. A Follower belongs to a program that checks requests: it reads what workers have registered and puts it
// into a catalog.
//
//	worker ─ Registration ─ put.lua, renew.lua ─▶ backbeat:{types}:… ─ load.lua ─▶ Follower ─▶ catalog ─ API, beat
//
// Documents are stored once, under their hashes, however many workers have them; a worker names the set that it runs. So a
// heartbeat is one short command, whatever the number of types. All keys are in one hash slot; see lua/prelude.lua.
//
// # What happens when
//
//   - a worker stops: it is taken off at once, and its types stay known for types.ttl after that.
//   - a worker is killed: it counts as live for LiveFor after its last heartbeat.
//   - Redis loses its data: the next heartbeat finds that, and registers everything again. A Follower goes by what it has read
//     before, for types.ttl.
//   - Redis is away: workers and followers go on, and try again.
//   - a document cannot be read, because another program wrote it: that type stays unknown, and the log says why, once.
package typestore
