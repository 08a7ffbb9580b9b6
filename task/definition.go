package task

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
)

// None is the payload of a type that takes nothing, or the result of one that returns nothing.
type None struct{}

// Validator is implemented by payloads with rules that a schema cannot say. Locations are relative to
// the payload: "url", "headers.Host".
type Validator interface {
	Validate() []ValidationError
}

// Definition is a task type with its Go types: In is the payload, Out the result.
type Definition[In, Out any] struct{ *Type }

// Define makes a task type. The schemas, and so the validation, come from the fields of In and Out. A field is required
// unless its json tag has omitempty or omitzero, and no others are allowed. Further tags say more of it: doc, example,
// default, enum, format, pattern with patternDescription, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf,
// minLength, maxLength, minItems, maxItems, uniqueItems, minProperties, maxProperties and nullable, as in JSON Schema. Define
// panics on tags that make no sense, so that a program with a broken type does not start.
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

// Request asks for a task of this type with the payload in.
func (d Definition[In, Out]) Request(in In) (Request, error) {
	payload, err := json.Marshal(in)
	if err != nil {
		return Request{}, fmt.Errorf("encode the payload of %s: %w", d.Name, err)
	}
	return Request{Type: d.Name, Payload: payload}, nil
}

// Handle says that run runs the tasks of the type, inside the middleware, the first of which is outermost. A payload that
// does not fit the type is a permanent failure.
func (d Definition[In, Out]) Handle(run func(ctx context.Context, in In) (Out, error), use ...Middleware) *Handler {
	return &Handler{Type: d.Type, Run: Wrap(d.run(run), use...)}
}

func (d Definition[In, Out]) run(run func(ctx context.Context, in In) (Out, error)) Func {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		// Another client may have put the task into Redis past the API's validation.
		if faults := d.Validate(payload); len(faults) > 0 {
			return nil, Permanent(Invalid(faults...))
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
	// Each payload gets defaults of its own: the decoder writes into the slices and maps that it finds.
	if err := setDefaults(reflect.ValueOf(&in).Elem()); err != nil {
		return in, err
	}
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &in); err != nil {
			return in, err
		}
	}
	if v, ok := any(&in).(Validator); ok {
		if faults := v.Validate(); len(faults) > 0 {
			return in, Invalid(faults...)
		}
	}
	return in, nil
}
