package task_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

func TestNewType(t *testing.T) {
	typ, err := task.NewType("shop.sum",
		json.RawMessage(`{"type": "object", "properties": {"n": {"type": "array", "items": {"type": "integer"}}}, "required": ["n"], "additionalProperties": false}`),
		json.RawMessage(`{"type": "integer"}`), task.MaxRetries(9))
	if err != nil {
		t.Fatal(err)
	}
	if typ.MaxRetries != 9 || typ.Timeout != task.DefaultTimeout || string(typ.ResultSchema()) != `{"type": "integer"}` {
		t.Errorf("%+v", typ)
	}
	for payload, want := range map[string]string{
		`{"n": [1, 2]}`:    "",
		`{"n": [1, "2"]}`:  "payload.n[1]: expected integer",
		``:                 "payload.n: is required",
		`{"n": [], "m":0}`: "payload.m: unexpected property",
	} {
		var got []string
		for _, f := range typ.Validate([]byte(payload)) {
			got = append(got, f.Location+": "+f.Message)
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("%s: %q, want %q", payload, text, want)
		}
	}
}

func TestNewTypeWithoutSchemas(t *testing.T) {
	for _, none := range []json.RawMessage{nil, json.RawMessage("null")} {
		typ, err := task.NewType("anything", none, none, task.Timeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if typ.ResultSchema() != nil || !json.Valid(typ.PayloadSchema()) || len(typ.Validate([]byte(`[1]`))) > 0 {
			t.Errorf("%+v", typ)
		}
	}
}

func TestNewTypeErrors(t *testing.T) {
	schema := json.RawMessage(`{"type": "object"}`)
	for _, name := range []string{"", "a b", "a\n", strings.Repeat("a", 256), "\xff"} {
		if _, err := task.NewType(name, schema, nil); err == nil {
			t.Errorf("the name %q was accepted", name)
		}
	}
	for _, bad := range []string{`{`, `{"type": 7}`, `{"$ref": "https://example.com/schema"}`} {
		if _, err := task.NewType("a", json.RawMessage(bad), nil); err == nil {
			t.Errorf("the payload schema %s was accepted", bad)
		}
		if _, err := task.NewType("a", schema, json.RawMessage(bad)); err == nil {
			t.Errorf("the result schema %s was accepted", bad)
		}
	}
}
