package schedule

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/backbeat-go/backbeat/internal/jsonschema"
	"github.com/backbeat-go/backbeat/task"
)

// form reads JSON of one kind and finds all that is wrong with it, not only what comes first.
type form[T any] struct{ schema *jsonschema.Schema }

func newForm[T any]() *form[T] {
	schema, err := jsonschema.For(reflect.TypeFor[T]())
	if err != nil {
		panic(err) // the type is one of ours
	}
	return &form[T]{schema}
}

// read makes a T of JSON. What is at fault has no value in it.
func (f *form[T]) read(data []byte) (doc T, faults []task.ValidationError) {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return doc, []task.ValidationError{{Message: "is not JSON, or holds a number that is out of range"}}
	}
	for _, v := range f.schema.Validate(value) {
		faults = append(faults, task.ValidationError(v))
	}
	if len(faults) > 0 {
		data = without(value, faults...)
	}
	for {
		var clean T // the decoder leaves half a value behind
		err := json.Unmarshal(data, &clean)
		if err == nil {
			return clean, faults
		}
		found := task.DecodeError(err)                                            // a schema cannot say everything
		found.Location = strings.TrimPrefix(found.Location, "TriggerDefinition.") // embedding does not show in JSON
		if !slices.ContainsFunc(faults, func(have task.ValidationError) bool { return within(have.Location, found.Location) }) {
			faults = append(faults, found)
		}
		rest := without(value, found)
		if len(rest) == len(data) {
			return doc, faults // nothing that can be left out helps
		}
		data = rest
	}
}

// without leaves the fields at fault out of a value and returns its JSON.
func without(value any, faults ...task.ValidationError) []byte {
	for _, f := range faults {
		fields, ok := value.(map[string]any)
		path := strings.Split(f.Location, ".")
		for ; ok && len(path) > 1; path = path[1:] {
			fields, ok = fields[path[0]].(map[string]any)
		}
		if ok {
			delete(fields, path[0])
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil // it came out of JSON, so it goes into it
	}
	return data
}

// within reports whether one location is the other, or a part of it.
func within(location, other string) bool {
	return other == "" || location == other || strings.HasPrefix(location, other+".")
}

// addFaults adds the faults that checks found in a document which has some already, without those that follow from them.
func addFaults(have, found []task.ValidationError) []task.ValidationError {
	hasTrigger := slices.ContainsFunc(have, func(f task.ValidationError) bool { return isTrigger(f.Location) })
	all := have
	for _, f := range found {
		follows := slices.ContainsFunc(have, func(cause task.ValidationError) bool { return within(f.Location, cause.Location) })
		if !follows && (f.Location != "" || !hasTrigger) {
			all = append(all, f)
		}
	}
	return all
}

func isTrigger(field string) bool { return field == "cron" || field == "every" || field == "at" }
