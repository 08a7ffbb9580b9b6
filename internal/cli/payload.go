package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// payloadFlags set the payload of a task.
type payloadFlags struct {
	params []string
	file   string
}

func (f *payloadFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.params, "param", "p", nil,
		"field of the payload: key=text, or key:=JSON; the task type decides whether text is a string, number or boolean")
	cmd.Flags().StringVar(&f.file, "payload", "", "file with the payload as JSON; - for standard input")
}

// payload returns the payload of a task of the type: that of the file, with the params added.
func (c *cli) payload(ctx context.Context, typ string, f *payloadFlags) (any, error) {
	var whole json.RawMessage
	if f.file != "" {
		data, err := c.readFile(f.file)
		if err != nil {
			return nil, err
		}
		if !json.Valid(data) {
			return nil, usagef("%s is not JSON", f.file)
		}
		whole = data
	}
	if len(f.params) == 0 {
		if whole == nil {
			return nil, nil
		}
		return whole, nil
	}
	fields := map[string]json.RawMessage{}
	if whole != nil && json.Unmarshal(whole, &fields) != nil {
		return nil, usagef("%s is not a JSON object, so -p cannot add to it", f.file)
	}
	return fields, c.setParams(ctx, typ, fields, f.params)
}

// setParams adds key=text and key:=JSON to the fields of a payload.
func (c *cli) setParams(ctx context.Context, typ string, fields map[string]json.RawMessage, params []string) error {
	types, err := c.fieldTypes(ctx, typ)
	if err != nil {
		return err
	}
	for _, param := range params {
		key, value, ok := strings.Cut(param, "=")
		name, isJSON := strings.CutSuffix(key, ":")
		switch {
		case !ok || name == "":
			return usagef("-p %s: write key=text or key:=JSON", param)
		case isJSON && !json.Valid([]byte(value)):
			return usagef("-p %s: the value after := is not JSON", param)
		case isJSON:
			fields[name] = json.RawMessage(value)
		default:
			fields[name] = convert(value, types[name])
		}
	}
	return nil
}

// typeNames are the JSON types that the schema of a field allows.
type typeNames []string

// UnmarshalJSON decodes a name or a list of names.
func (t *typeNames) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("[")) {
		return json.Unmarshal(data, (*[]string)(t))
	}
	*t = typeNames{""}
	return json.Unmarshal(data, &(*t)[0])
}

// fieldTypes returns the JSON types of the fields of a payload. It returns none for an unknown task type, for which the API
// returns an error later.
func (c *cli) fieldTypes(ctx context.Context, typ string) (map[string]typeNames, error) {
	known, err := c.api.TaskTypes(ctx)
	if err != nil {
		return nil, err
	}
	types := map[string]typeNames{}
	for _, t := range known {
		if t.Type != typ {
			continue
		}
		var schema struct {
			Properties map[string]struct{ Type typeNames }
		}
		if err := json.Unmarshal(t.PayloadSchema, &schema); err != nil {
			return nil, fmt.Errorf("decode the payload schema of %s: %w", typ, err)
		}
		for name, property := range schema.Properties {
			types[name] = property.Type
		}
	}
	return types, nil
}

// convert returns text as JSON: as a number or boolean if the field allows that and no string, and else as a string.
func convert(text string, types typeNames) json.RawMessage {
	takes := func(name string) bool { return slices.Contains(types, name) }
	isNumber := json.Valid([]byte(text)) && strings.ContainsAny(text[:1], "-0123456789")
	isBoolean := text == "true" || text == "false"
	if !takes("string") && (isNumber && (takes("number") || takes("integer")) || isBoolean && takes("boolean")) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return quoted
}

// readFile reads a file, or standard input for -.
func (c *cli) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(c.stdin)
	}
	return os.ReadFile(path)
}
