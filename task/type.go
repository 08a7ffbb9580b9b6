package task

import (
	"encoding/json"
	"time"

	"github.com/backbeat-go/backbeat/internal/jsonschema"
)

// Type is a task type with its Go types erased: what an API, a broker and a schedule need to know of it.
// Definitions make Types; a Registry holds them.
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
	// decode reads a payload that satisfies the schema into its Go type, to find what a schema cannot say.
	decode func(payload []byte) error
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
