package config

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// exact is a YAML value whose numbers keep their text. A scalar that is a number or a time in YAML but not a number in
// JSON, such as 2026-12-01, 01234 or 1_000, becomes a string.
type exact struct{ value any }

// UnmarshalYAML decodes mappings and lists into pointers, because the YAML package drops a null from a list of structs.
func (e *exact) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		var fields map[string]*exact
		err := n.Decode(&fields)
		e.value = fields
		return err
	case yaml.SequenceNode:
		var list []*exact
		err := n.Decode(&list)
		e.value = list
		return err
	default:
		return e.readScalar(n)
	}
}

func (e *exact) readScalar(n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!int", "!!float", "!!timestamp":
		if json.Valid([]byte(n.Value)) {
			e.value = json.Number(n.Value)
			return nil
		}
		if strings.ContainsAny(n.Value, "0123456789") { // .inf and .nan contain no digit; encoding them as JSON fails
			e.value = n.Value
			return nil
		}
	}
	return n.Decode(&e.value)
}

// MarshalJSON writes the value.
func (e *exact) MarshalJSON() ([]byte, error) { return json.Marshal(e.value) }

// exactTasks returns the tasks of the schedules in a file, by the index of the schedule.
func exactTasks(data []byte) (map[int]*exact, error) {
	var file struct {
		Schedules []*exact `yaml:"schedules"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	tasks := make(map[int]*exact)
	for i, s := range file.Schedules {
		if s == nil {
			continue
		}
		if fields, ok := s.value.(map[string]*exact); ok && fields["task"] != nil {
			tasks[i] = fields["task"]
		}
	}
	return tasks, nil
}
