package tasks

import (
	"context"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/task"
)

// DebugEcho returns what it is given.
var DebugEcho = define("debug.echo", (*Deps).debugEcho,
	task.Describe("Returns its payload."), task.Debug())

// Object is any JSON object, kept to the letter.
type Object struct{ json.RawMessage }

// Schema documents the object.
func (Object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

func (*Deps) debugEcho(_ context.Context, in Object) (Object, error) {
	if len(in.RawMessage) == 0 {
		in.RawMessage = json.RawMessage("{}")
	}
	return in, nil
}
