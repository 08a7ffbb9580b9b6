package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/backbeat-go/backbeat/internal/jsonschema"
)

// Type is a task type without its Go types, for code that handles all types alike. Define and NewType return Types.
type Type struct {
	Name string
	// Aliases are other names of the type, such as older ones, under which its tasks can be enqueued too.
	Aliases     []string
	Description string
	// Debug types exist only in programs that enable debug tasks.
	Debug bool
	// Internal types are for tasks that Backbeat enqueues itself. Callers cannot enqueue them.
	Internal bool

	// Queue is "" for the default queue.
	Queue      string
	MaxRetries int
	Timeout    time.Duration
	// Retention is nil for the program's default.
	Retention *time.Duration
	Backoff   Backoff

	payload *jsonschema.Schema
	result  *jsonschema.Schema // nil for none
	// decode decodes a payload that satisfies the schema into its Go type, to find errors that the schema cannot express; nil
	// for a type without a Go type.
	decode func(payload []byte) error
}

// NewType returns a type that is defined by JSON Schemas (2020-12). A nil payloadSchema allows any payload; a nil
// resultSchema means that the type has no result. NewType returns an error for an invalid name, and for an invalid schema or
// one that refers to other documents.
func NewType(name string, payloadSchema, resultSchema json.RawMessage, opts ...Option) (*Type, error) {
	if err := CheckTypeName(name); err != nil {
		return nil, err
	}
	t := &Type{Name: name, MaxRetries: DefaultMaxRetries, Timeout: DefaultTimeout, Backoff: DefaultBackoff}
	if isNull(payloadSchema) {
		payloadSchema = json.RawMessage("true")
	}
	var err error
	if t.payload, err = jsonschema.Parse(payloadSchema); err != nil {
		return nil, fmt.Errorf("task type %s: payload: %w", name, err)
	}
	if !isNull(resultSchema) {
		if t.result, err = jsonschema.Parse(resultSchema); err != nil {
			return nil, fmt.Errorf("task type %s: result: %w", name, err)
		}
	}
	for _, opt := range opts {
		opt(t)
	}
	return t, nil
}

func isNull(document json.RawMessage) bool {
	return len(document) == 0 || string(bytes.TrimSpace(document)) == "null"
}

// maxTypeName is the longest name of a type, in bytes.
const maxTypeName = 255

// CheckTypeName returns an error if name is not valid as the name or alias of a type.
func CheckTypeName(name string) error {
	bad := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if name == "" || len(name) > maxTypeName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("task type %q: the name must be 1 to %d bytes of UTF-8 without white space or control characters", name, maxTypeName)
	}
	return nil
}

// PayloadSchema returns the JSON Schema of the payload.
func (t *Type) PayloadSchema() json.RawMessage { return t.payload.JSON() }

// ResultSchema returns the JSON Schema of the result, and nil for a type without one.
func (t *Type) ResultSchema() json.RawMessage {
	if t.result == nil {
		return nil
	}
	return t.result.JSON()
}

// Option is an option of a type: its description, names and defaults.
type Option func(*Type)

// Describe sets the description, a sentence about what tasks of the type do.
func Describe(text string) Option { return func(t *Type) { t.Description = text } }

// Aliases sets other names of a type, such as its former name. Tasks that are or were enqueued under one of them run as
// tasks of this type.
func Aliases(names ...string) Option { return func(t *Type) { t.Aliases = names } }

// Queue sets the default queue of the type. Default: the program's default queue.
func Queue(name string) Option { return func(t *Type) { t.Queue = name } }

// MaxRetries sets how often a failed task is retried. Default: DefaultMaxRetries.
func MaxRetries(n int) Option { return func(t *Type) { t.MaxRetries = n } }

// Timeout bounds each attempt. Default: DefaultTimeout.
func Timeout(d time.Duration) Option { return func(t *Type) { t.Timeout = d } }

// Retention sets how long a finished task and its result are kept; 0 deletes them at once. Default: the program's retention.
func Retention(d time.Duration) Option { return func(t *Type) { t.Retention = &d } }

// Retry sets the type's backoff. Default: DefaultBackoff.
func Retry(b Backoff) Option { return func(t *Type) { t.Backoff = b } }

// Debug marks a type that exists only in programs that enable debug tasks.
func Debug() Option { return func(t *Type) { t.Debug = true } }

// Internal marks a type for tasks that Backbeat enqueues itself. For callers it is an unknown type.
func Internal() Option { return func(t *Type) { t.Internal = true } }

// Defaults of the options above.
const (
	DefaultMaxRetries = 3
	DefaultTimeout    = 30 * time.Minute
)
