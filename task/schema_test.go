package task_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
)

func checkDocument(t *testing.T, got json.RawMessage, want string) {
	t.Helper()
	var gotValue, wantValue any
	if err := json.Unmarshal(got, &gotValue); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &wantValue); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantValue, gotValue); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSchemaDocumentsAPayload(t *testing.T) {
	type in struct {
		URL   string        `json:"url" format:"uri" doc:"Where to." example:"https://example.com"`
		Width int           `json:"width,omitempty" minimum:"16" maximum:"4096" default:"320"`
		Wait  task.Duration `json:"wait"`
		Tags  []string      `json:"tags,omitempty" maxItems:"3" nullable:"false"`
	}
	checkDocument(t, task.Define[in, task.None]("test.schema").PayloadSchema(), `{
		"type": "object", "additionalProperties": false, "required": ["url", "wait"],
		"properties": {
			"url": {"type": "string", "format": "uri", "description": "Where to.", "examples": ["https://example.com"]},
			"width": {"type": "integer", "minimum": 16, "maximum": 4096, "default": 320},
			"wait": {"$ref": "#/$defs/Duration"},
			"tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}
		},
		"$defs": {"Duration": {
			"type": "string", "pattern": "^(0|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$",
			"patternDescription": "a duration such as 90s or 1h30m", "examples": ["90s"]
		}}}`)
}

// A client of the API gets a single document, so a schema must not refer to others.
func TestSchemaIsSelfContained(t *testing.T) {
	type Leaf struct {
		Name string `json:"name"`
	}
	type Branch struct {
		Leaves []Leaf `json:"leaves" nullable:"false"`
	}
	type in struct {
		Main  Branch          `json:"main"`
		Named map[string]Leaf `json:"named,omitempty"`
	}
	type out struct {
		Best Leaf `json:"best"`
	}
	d := task.Define[in, out]("test.tree")
	const leaf = `{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {"name": {"type": "string"}}}`
	checkDocument(t, d.PayloadSchema(), `{
		"type": "object", "additionalProperties": false, "required": ["main"],
		"properties": {
			"main": {"$ref": "#/$defs/Branch"},
			"named": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Leaf"}}
		},
		"$defs": {
			"Branch": {
				"type": "object", "additionalProperties": false, "required": ["leaves"],
				"properties": {"leaves": {"type": "array", "items": {"$ref": "#/$defs/Leaf"}}}
			},
			"Leaf": `+leaf+`
		}}`)
	checkDocument(t, d.ResultSchema(), `{
		"type": "object", "additionalProperties": false, "required": ["best"],
		"properties": {"best": {"$ref": "#/$defs/Leaf"}}, "$defs": {"Leaf": `+leaf+`}}`)
}

func TestSchemaOfNone(t *testing.T) {
	d := task.Define[task.None, task.None]("test.none")
	checkDocument(t, d.PayloadSchema(), `{"type": "object", "additionalProperties": false}`)
}

func TestValidateResult(t *testing.T) {
	type out struct {
		Total int `json:"total" minimum:"0"`
	}
	sum := task.Define[task.None, out]("test.sum")
	silent := task.Define[task.None, task.None]("test.silent")
	for _, c := range []struct {
		typ    *task.Type
		result string
		want   string
	}{
		{sum.Type, `{"total": 1}`, ""},
		{sum.Type, `{"total": -1}`, "result.total"},
		{sum.Type, `{}`, "result.total"},
		{sum.Type, `{`, "result"},
		{sum.Type, `{"total": 1e999}`, "result"},
		{sum.Type, ``, "result"},
		{silent.Type, ``, ""},
		{silent.Type, `{}`, "result"},
	} {
		var got string
		if faults := c.typ.ValidateResult([]byte(c.result)); len(faults) > 0 {
			got = faults[0].Location
		}
		if got != c.want {
			t.Errorf("%s with the result %s: an error at %q, want %q", c.typ.Name, c.result, got, c.want)
		}
	}
}
