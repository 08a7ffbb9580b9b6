// Package queue is the client side of the broker: it enqueues tasks, finds, lists and controls them, and reads the status of
// queues and workers.
//
// Tasks that are enqueued at the same time into one queue go to Redis in one script, bounded by count and bytes; so do lookups.
// While one batch is on its way the next one forms, so that batches are as large as the load is, and a single task goes at once.
// A queue that is slow or out of reach delays no other.
//
// An id is used once in all queues. Within a queue enqueue.lua guarantees that; between queues, which have no slot of a cluster in
// common, an id that a caller chose is reserved first (reservations.go). An idempotency key is a claim that names the task which
// all requests with the key enqueue, and a mark in the queue lets one of them through (idempotency.go).
//
// A task is looked up in all queues in one round trip, because an index from ids to queues could be wrong. Lists and bulk changes
// walk the lists and sorted sets of asynq with a position, in steps that do not grow with the queue (list.go, bulk.go).
//
// Package broker says what happens on failures.
package queue
