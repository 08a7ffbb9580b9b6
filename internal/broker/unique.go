package broker

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/backbeat-go/backbeat/task"
)

// uniqueKey is the lock of tasks of one type, queue and payload, under the name that asynq gives it. Payloads
// that differ only in white space or in the order of keys are the same.
func uniqueKey(t *task.Task) string {
	if t.UniqueFor == 0 {
		return ""
	}
	sum := md5.Sum(canonical(t.Payload)) // a name, not a safeguard
	return asynqPrefix(t.Queue) + "unique:" + t.Type + ":" + hex.EncodeToString(sum[:])
}

func canonical(payload json.RawMessage) []byte {
	var value any
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber() // 1e400 and 0.10 stay what they are
	if err := dec.Decode(&value); err != nil {
		return payload
	}
	sorted, err := json.Marshal(value) // with the keys in order
	if err != nil {
		return payload
	}
	return sorted
}
