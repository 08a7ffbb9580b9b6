package rest

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/task"
)

var (
	missingProperty = regexp.MustCompile(`^expected required property (\S+) to be present$`)
	// The reasons why a value does not have its format quote the value.
	wrongFormat = regexp.MustCompile(`^(expected string to be (?:RFC \d+ (?:email|uri|uuid)|regex)|expected duration): `)
)

// ValidationErrorOf returns the validation error of a field that huma or encoding/json has refused. It leaves out the value,
// which may be a secret, and locates a missing field itself rather than the object that lacks it.
func ValidationErrorOf(err error) task.ValidationError {
	detail, ok := errors.AsType[*huma.ErrorDetail](err)
	if !ok {
		return task.DecodeError(err)
	}
	location := detail.Location
	if strings.HasPrefix(location, "query.") {
		location, _, _ = strings.Cut(location, "[") // its values are given as one text
	}
	if missing := missingProperty.FindStringSubmatch(detail.Message); missing != nil {
		return task.ValidationError{Location: strings.TrimPrefix(location+"."+missing[1], "."), Message: "is required"}
	}
	if wrong := wrongFormat.FindStringSubmatch(detail.Message); wrong != nil {
		return task.ValidationError{Location: location, Message: wrong[1]}
	}
	return task.ValidationError{Location: location, Message: detail.Message}
}

// durationText stands for task.Duration in the description of the API.
type durationText struct{}

// Schema describes the string.
func (durationText) Schema(huma.Registry) *huma.Schema {
	var schema huma.Schema
	if data, err := (task.Duration(0)).JSONSchemaBytes(); err != nil || json.Unmarshal(data, &schema) != nil {
		panic("the schema of durations cannot be read")
	}
	schema.PatternDescription = "a duration such as 90s or 1h30m"
	return &schema
}

// DescribeDurations describes fields of the type task.Duration as the strings that they are in JSON.
func DescribeDurations(schemas huma.Registry) {
	schemas.RegisterTypeAlias(reflect.TypeFor[task.Duration](), reflect.TypeFor[durationText]())
}

// InBody locates the validation errors of a request in its body.
func InBody(err error) error { return Placed("body.", err) }

// Placed puts a prefix before the locations of validation errors. It returns other errors as they are.
func Placed(prefix string, err error) error {
	e, ok := errors.AsType[*task.Error](err)
	if !ok {
		return err
	}
	located := *e
	located.Faults = nil
	for _, f := range e.Faults {
		located.Faults = append(located.Faults, task.ValidationError{Location: strings.TrimSuffix(prefix+f.Location, "."), Message: f.Message})
	}
	return &located
}
