package tasks

import (
	"context"
	"encoding/json"

	"github.com/backbeat-go/backbeat/task"
)

// DebugEcho returns its payload.
var DebugEcho = define("debug.echo", (*deps).debugEcho,
	task.Describe("Returns its payload."), task.Debug())

// Object is any JSON object, unchanged.
type Object struct{ json.RawMessage }

// JSONSchemaBytes returns the JSON Schema of the object.
func (Object) JSONSchemaBytes() ([]byte, error) {
	return []byte(`{"type": "object"}`), nil
}

func (*deps) debugEcho(_ context.Context, in Object) (Object, error) {
	if len(in.RawMessage) == 0 {
		in.RawMessage = json.RawMessage("{}")
	}
	return in, nil
}
