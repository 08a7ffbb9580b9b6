package catalog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// MaxDocument bounds the document of one type, in bytes.
const MaxDocument = 64 << 10

// document is a type as a worker registers it for programs that were not compiled with it.
type document struct {
	Type          string          `json:"type"`
	Aliases       []string        `json:"aliases,omitempty"`
	Description   string          `json:"description,omitempty"`
	Queue         string          `json:"queue,omitempty"`
	MaxRetries    int             `json:"max_retries"`
	Timeout       task.Duration   `json:"timeout"`
	Retention     *task.Duration  `json:"retention,omitempty"`
	Debug         bool            `json:"debug,omitempty"`
	Internal      bool            `json:"internal,omitempty"`
	PayloadSchema json.RawMessage `json:"payload_schema"`
	ResultSchema  json.RawMessage `json:"result_schema,omitempty"`
	SDK           string          `json:"sdk,omitempty"`
}

// EncodeType writes the document of a type that a worker built with the SDK runs. It refuses a type that no other program could
// read, and one whose document is larger than MaxDocument.
func EncodeType(t *task.Type, sdk string) ([]byte, error) {
	data, err := json.Marshal(document{
		Type: t.Name, Aliases: t.Aliases, Description: t.Description, Queue: t.Queue, MaxRetries: t.MaxRetries,
		Timeout: task.Duration(t.Timeout), Retention: (*task.Duration)(t.Retention), Debug: t.Debug, Internal: t.Internal,
		PayloadSchema: t.PayloadSchema(), ResultSchema: t.ResultSchema(), SDK: sdk,
	})
	if err != nil {
		return nil, fmt.Errorf("task type %s: %w", t.Name, err)
	}
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("task type %s: its schemas and description have %d bytes, and %d are allowed", t.Name, len(data), MaxDocument)
	}
	if _, _, err := DecodeType(data); err != nil {
		return nil, err
	}
	return data, nil
}

// DecodeType reads what EncodeType wrote, or another program in its place.
func DecodeType(data []byte) (t *task.Type, sdk string, err error) {
	if len(data) > MaxDocument {
		return nil, "", fmt.Errorf("a task type of %d bytes, and %d are allowed", len(data), MaxDocument)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, "", fmt.Errorf("read a task type: %w", err)
	}
	for _, alias := range d.Aliases {
		if err := task.CheckTypeName(alias); err != nil {
			return nil, "", fmt.Errorf("alias of %s: %w", d.Type, err)
		}
	}
	timeout := time.Duration(d.Timeout)
	if d.MaxRetries < 0 || d.MaxRetries > task.MaxRetriesLimit || timeout < 0 || timeout > task.MaxTimeout {
		return nil, "", fmt.Errorf("task type %s: max_retries must be 0 to %d and timeout at most %s",
			d.Type, task.MaxRetriesLimit, task.Duration(task.MaxTimeout))
	}
	opts := []task.Option{
		task.Aliases(d.Aliases...), task.Describe(d.Description), task.Queue(d.Queue), task.MaxRetries(d.MaxRetries), task.Timeout(timeout),
	}
	if d.Retention != nil {
		opts = append(opts, task.Retention(time.Duration(*d.Retention)))
	}
	if d.Debug {
		opts = append(opts, task.Debug())
	}
	if d.Internal {
		opts = append(opts, task.Internal())
	}
	t, err = task.NewType(d.Type, d.PayloadSchema, d.ResultSchema, opts...)
	return t, d.SDK, err
}
