package tasks

import (
	"context"
	"encoding/json"

	"github.com/backbeat-go/backbeat/task"
)

// DebugEcho returns what it is given.
var DebugEcho = define("debug.echo", (*deps).debugEcho,
	task.Describe("Returns its payload."), task.Debug())

// Object is any JSON object, kept to the letter.
type Object struct{ json.RawMessage }

// JSONSchemaBytes documents the object.
func (Object) JSONSchemaBytes() ([]byte, error) {
	return []byte(`{"type": "object"}`), nil
}

func (*deps) debugEcho(_ context.Context, in Object) (Object, error) {
	if len(in.RawMessage) == 0 {
		in.RawMessage = json.RawMessage("{}")
	}
	return in, nil
}
