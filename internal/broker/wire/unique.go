package wire

import (
	"crypto/md5"
	"encoding/hex"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// UniqueKey is the key of the unique lock of the task's type, queue and payload, as asynq names it; "" if the task is not
// unique. Payloads that differ only in white space or in the order of keys have the same lock.
func UniqueKey(t *task.Task) string {
	if t.UniqueFor == 0 {
		return ""
	}
	sum := md5.Sum(catalog.Canonical(t.Payload)) // as asynq does; not for security
	return AsynqPrefix(t.Queue) + "unique:" + t.Type + ":" + hex.EncodeToString(sum[:])
}
