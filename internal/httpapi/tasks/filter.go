package tasks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

// oneOrMore is one name or several: in JSON a string or a list of strings.
type oneOrMore []string

// UnmarshalJSON reads either.
func (n *oneOrMore) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*n = oneOrMore{""}
		return json.Unmarshal(data, &(*n)[0])
	}
	return json.Unmarshal(data, (*[]string)(n))
}

// Schema describes both.
func (oneOrMore) Schema(huma.Registry) *huma.Schema {
	one := 1
	name := &huma.Schema{Type: huma.TypeString, MinLength: &one}
	return &huma.Schema{OneOf: []*huma.Schema{name, {Type: huma.TypeArray, MinItems: &one, Items: name}}}
}

// filter returns the filter of names, or validation errors for unknown states and types. The store checks the queues.
func (a *API) filter(queues, states, types []string) (fleet.Filter, error) {
	f := fleet.Filter{Queues: queues, Types: types}
	var invalid []task.ValidationError
	for _, name := range states {
		if !slices.Contains(task.States, task.State(name)) {
			invalid = append(invalid, task.ValidationError{Location: "state", Message: fmt.Sprintf("%q is no state; the states are %s", name, stateNames)})
		}
		f.States = append(f.States, task.State(name))
	}
	for _, name := range types {
		if _, known := a.Types.Lookup(name); !known {
			invalid = append(invalid, task.ValidationError{Location: "type", Message: fmt.Sprintf("%q is not a known task type; GET /v1/task-types lists them", name)})
		}
	}
	if len(invalid) > 0 {
		return f, task.Invalid(invalid...)
	}
	return f, nil
}

var stateNames = strings.ReplaceAll(joinStates(task.States), ",", ", ")

func joinStates(states []task.State) string {
	texts := make([]string, len(states))
	for i, s := range states {
		texts[i] = string(s)
	}
	return strings.Join(texts, ",")
}
