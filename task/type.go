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

// Type is a task type with its Go types erased: what an API, a broker and a schedule need to know of it.
// Definitions make Types.
type Type struct {
	Name string
	// Aliases are further names, such as older ones, under which tasks of the type may be enqueued and are run.
	Aliases     []string
	Description string
	// Debug types exist only where debugging is allowed.
	Debug bool
	// Internal types are for tasks that Backbeat makes itself. No caller can ask for one.
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
	// decode reads a payload that satisfies the schema into its Go type, to find what a schema cannot say; nil for a type without.
	decode func(payload []byte) error
}

// NewType makes a type of JSON Schemas (2020-12): that of the payload, which nil leaves open, and that of the result, nil for a
// type without one. Payloads are checked by the schema alone. It returns an error for a name that no type can have and for what
// is no schema or refers to other documents.
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

// maxTypeName is how long the name of a type may be, in bytes.
const maxTypeName = 255

// CheckTypeName returns an error for a name, or an alias, that no type can have.
func CheckTypeName(name string) error {
	bad := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if name == "" || len(name) > maxTypeName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("task type %q: the name must be 1 to %d bytes of UTF-8 without white space and control characters", name, maxTypeName)
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

// Option sets a default of a type.
type Option func(*Type)

// Describe says in a sentence what tasks of the type do.
func Describe(text string) Option { return func(t *Type) { t.Description = text } }

// Aliases gives a type further names, such as the one that it had before: tasks that are enqueued, or were enqueued long
// ago, under one of them run as this type.
func Aliases(names ...string) Option { return func(t *Type) { t.Aliases = names } }

// Queue is where tasks of the type go unless a request says otherwise. Default: the program's default
// queue.
func Queue(name string) Option { return func(t *Type) { t.Queue = name } }

// MaxRetries is how often a failed task is tried again. Default: DefaultMaxRetries.
func MaxRetries(n int) Option { return func(t *Type) { t.MaxRetries = n } }

// Timeout bounds each attempt. Default: DefaultTimeout.
func Timeout(d time.Duration) Option { return func(t *Type) { t.Timeout = d } }

// Retention is how long a finished task and its result are kept; 0 drops them at once. Default: the
// program's retention.
func Retention(d time.Duration) Option { return func(t *Type) { t.Retention = &d } }

// Retry sets the type's backoff. Default: DefaultBackoff.
func Retry(b Backoff) Option { return func(t *Type) { t.Backoff = b } }

// Debug marks a type that exists only where debugging is allowed.
func Debug() Option { return func(t *Type) { t.Debug = true } }

// Internal marks a type of tasks that Backbeat makes itself. To callers it is an unknown type.
func Internal() Option { return func(t *Type) { t.Internal = true } }

// Defaults of the options above.
const (
	DefaultMaxRetries = 3
	DefaultTimeout    = 30 * time.Minute
)
