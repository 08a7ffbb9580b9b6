package httpapi

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
	// The reasons why a value has not its format quote the value.
	wrongFormat = regexp.MustCompile(`^(expected string to be (?:RFC \d+ (?:email|uri|uuid)|regex)|expected duration): `)
)

// faultOf makes a Fault of an error that huma's validation or the decoding of JSON found. It leaves out the value at fault,
// which may be a secret, and points at a missing field itself rather than at what lacks it.
func faultOf(err error) task.ValidationError {
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

// Schema documents the string.
func (durationText) Schema(huma.Registry) *huma.Schema {
	var schema huma.Schema
	if data, err := (task.Duration(0)).JSONSchemaBytes(); err != nil || json.Unmarshal(data, &schema) != nil {
		panic("the schema of durations cannot be read")
	}
	schema.PatternDescription = "a duration such as 90s or 1h30m"
	return &schema
}

// describeDurations has fields of the type task.Duration described as what they are in JSON.
func describeDurations(schemas huma.Registry) {
	schemas.RegisterTypeAlias(reflect.TypeFor[task.Duration](), reflect.TypeFor[durationText]())
}
