package task

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
)

// None is the payload of a type without a payload, or the result of a type without a result.
type None struct{}

// Validator is implemented by payloads with rules that a JSON Schema cannot express. Locations are relative to the payload:
// "url", "headers.Host".
type Validator interface {
	Validate() []ValidationError
}

// Definition is a task type with its Go types: In is the payload, Out the result.
type Definition[In, Out any] struct{ *Type }

// Define returns a task type. Its JSON Schemas, and so its validation, are derived from the fields of In and Out. A field is
// required unless its json tag has omitempty or omitzero; other properties are not allowed. These struct tags work as in
// JSON Schema: doc (the description), example, default, enum, format, pattern with patternDescription, minimum, maximum,
// exclusiveMinimum, exclusiveMaximum, multipleOf, minLength, maxLength, minItems, maxItems, uniqueItems, minProperties,
// maxProperties and nullable. Define panics on invalid tags, so that a program with such a type does not start.
func Define[In, Out any](name string, opts ...Option) Definition[In, Out] {
	t := &Type{
		Name:       name,
		MaxRetries: DefaultMaxRetries,
		Timeout:    DefaultTimeout,
		Backoff:    DefaultBackoff,
		payload:    schemaFor[In](),
	}
	if reflect.TypeFor[Out]() != reflect.TypeFor[None]() {
		t.result = schemaFor[Out]()
	}
	for _, opt := range opts {
		opt(t)
	}
	d := Definition[In, Out]{Type: t}
	if err := setDefaults(reflect.ValueOf(new(In)).Elem()); err != nil {
		panic(fmt.Sprintf("task type %s: %v", name, err))
	}
	t.decode = func(payload []byte) error { _, err := d.decode(payload); return err }
	return d
}

// Request returns a request for a task of this type with the payload in. It returns an error if in cannot be encoded.
func (d Definition[In, Out]) Request(in In) (Request, error) {
	payload, err := json.Marshal(in)
	if err != nil {
		return Request{}, fmt.Errorf("encode the payload of %s: %w", d.Name, err)
	}
	return Request{Type: d.Name, Payload: payload}, nil
}

// Handle returns a handler that runs the tasks of the type with run. The first middleware is the outermost one. An invalid
// payload is a permanent failure.
func (d Definition[In, Out]) Handle(run func(ctx context.Context, in In) (Out, error), use ...Middleware) *Handler {
	return &Handler{Type: d.Type, Run: Wrap(d.run(run), use...)}
}

func (d Definition[In, Out]) run(run func(ctx context.Context, in In) (Out, error)) Func {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		// The task may come from a stock asynq client, which does not validate it.
		if invalid := d.Validate(payload); len(invalid) > 0 {
			return nil, Permanent(Invalid(invalid...))
		}
		in, err := d.decode(payload)
		if err != nil {
			return nil, Permanent(err)
		}
		out, err := run(ctx, in)
		if err != nil {
			return nil, err
		}
		if _, none := any(out).(None); none {
			return nil, nil
		}
		result, err := json.Marshal(out)
		if err != nil {
			return nil, Permanent(fmt.Errorf("encode the result: %w", err))
		}
		return result, nil
	}
}

func (d Definition[In, Out]) decode(payload []byte) (In, error) {
	var in In
	// The defaults are set anew for each payload, because the decoder writes into existing slices and maps.
	if err := setDefaults(reflect.ValueOf(&in).Elem()); err != nil {
		return in, err
	}
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &in); err != nil {
			return in, err
		}
	}
	if v, ok := any(&in).(Validator); ok {
		if invalid := v.Validate(); len(invalid) > 0 {
			return in, Invalid(invalid...)
		}
	}
	return in, nil
}
