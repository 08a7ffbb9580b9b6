package wire

import (
	"crypto/md5"
	"encoding/hex"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// uniqueKey is the lock of tasks of one type, queue and payload, under the name that asynq gives it. Payloads
// that differ only in white space or in the order of keys are the same.
func UniqueKey(t *task.Task) string {
	if t.UniqueFor == 0 {
		return ""
	}
	sum := md5.Sum(catalog.Canonical(t.Payload)) // a name, not a safeguard
	return AsynqPrefix(t.Queue) + "unique:" + t.Type + ":" + hex.EncodeToString(sum[:])
}
