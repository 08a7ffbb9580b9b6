package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

type withA struct {
	A string `json:"a"`
}

type withB struct {
	B string `json:"b"`
}

// evenA has a rule that its schema does not say.
type evenA struct {
	A string `json:"a"`
}

func (in *evenA) Validate() []task.ValidationError {
	if len(in.A)%2 != 0 {
		return []task.ValidationError{{Location: "a", Message: "must be even"}}
	}
	return nil
}

// travel returns the type as another program knows it.
func travel(t *testing.T, typ *task.Type) *task.Type {
	t.Helper()
	data, err := catalog.EncodeType(typ, "")
	if err != nil {
		t.Fatal(err)
	}
	typ, _, err = catalog.DecodeType(data)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func prepare(c *catalog.Catalog, name, payload string) (*task.Task, error) {
	return c.Prepare(task.Request{Type: name, Payload: json.RawMessage(payload)}, time.Now())
}

func TestTypeTravels(t *testing.T) {
	typ := travel(t, task.Define[withA, withB]("a.one", task.Describe("Ones."), task.Queue("low"), task.MaxRetries(0), task.Timeout(time.Minute),
		task.Retention(0), task.Aliases("one"), task.Debug()).Type)
	if typ.Name != "a.one" || typ.Description != "Ones." || typ.Queue != "low" || typ.MaxRetries != 0 || typ.Timeout != time.Minute ||
		typ.Retention == nil || *typ.Retention != 0 || len(typ.Aliases) != 1 || !typ.Debug || typ.Internal || typ.ResultSchema() == nil {
		t.Errorf("%+v", typ)
	}
	if faults := typ.Validate([]byte(`{"a": 1}`)); len(faults) != 1 || faults[0].Location != "payload.a" {
		t.Errorf("%v", faults)
	}
	if faults := typ.Validate([]byte(`{"a": "x"}`)); len(faults) != 0 {
		t.Errorf("%v", faults)
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	for _, document := range []string{
		``, `{}`, `{"type": "a b"}`, `{"type": "a", "max_retries": -1}`, `{"type": "a", "timeout": "-1s"}`, `{"type": "a", "timeout": "9999h"}`,
		`{"type": "a", "aliases": [""]}`, `{"type": "a", "payload_schema": {"$ref": "https://example.com"}}`, `{"type": "a", "result_schema": 7}`,
		`{"type": "a", "description": "` + strings.Repeat("x", catalog.MaxDocument) + `"}`,
	} {
		if _, _, err := catalog.DecodeType([]byte(document)); err == nil {
			t.Errorf("%.100s was taken for a type", document)
		}
	}
}

// The worker's version of a type has the same schema, and knows nothing of the rules in Go.
func TestRulesOfACompiledTypeHoldForRegisteredOnes(t *testing.T) {
	c := catalog.New([]string{"default"}, 0)
	typ := task.Define[evenA, task.None]("even").Type
	if err := c.Add(typ); err != nil {
		t.Fatal(err)
	}
	c.SetRegistered([]catalog.Registered{{Type: travel(t, typ), Workers: 1, SDK: "sdk"}})
	if _, err := prepare(c, "even", `{"a": "odd"}`); err == nil {
		t.Error("the payload was accepted")
	}
	k := c.Known()[0]
	if k.Origin != catalog.OriginBuiltin || k.Workers != 1 || k.SDK != "sdk" || k.Type != typ {
		t.Errorf("%+v", k)
	}
	c.SetRegistered([]catalog.Registered{{Type: travel(t, task.Define[withB, task.None]("even", task.MaxRetries(8)).Type), Workers: 1}})
	made, err := prepare(c, "even", `{"b": "new"}`)
	if err != nil || made.MaxRetries != 8 {
		t.Errorf("a payload of the newer version: %+v, %v", made, err)
	}
	if made, ok := c.Complete(task.Request{Type: "even", Payload: json.RawMessage(`{"b": "new"}`)}, time.Now()); !ok || made.MaxRetries != 8 {
		t.Errorf("%+v", made)
	}
}

func TestTypeThatIsRenamed(t *testing.T) {
	older := travel(t, task.Define[withA, task.None]("old").Type)
	newer := travel(t, task.Define[withB, task.None]("new", task.Aliases("old")).Type)
	c := catalog.New([]string{"default"}, 0)
	accepts := func(name, payload string) bool {
		made, err := prepare(c, name, payload)
		return err == nil && made.Type == name
	}
	const a, b = `{"a": ""}`, `{"b": ""}`
	c.SetRegistered([]catalog.Registered{{Type: older, Workers: 1}, {Type: newer, Workers: 1}})
	if !accepts("old", a) || !accepts("old", b) || accepts("new", a) || !accepts("new", b) {
		t.Error("while both are live")
	}
	c.SetRegistered([]catalog.Registered{{Type: newer, Workers: 1}})
	if accepts("old", a) || !accepts("old", b) {
		t.Error("after the older has gone")
	}
	if typ, ok := c.Lookup("old"); !ok || typ != newer {
		t.Errorf("Lookup = %v, %t", typ, ok)
	}
}

func TestDebugTypesOfWorkersNeedToBeAllowed(t *testing.T) {
	list := []catalog.Registered{{Type: travel(t, define("debug.x", task.Debug()))}}
	c := catalog.New([]string{"default"}, 0)
	c.SetRegistered(list)
	if len(c.Known()) != 0 {
		t.Error("it is known")
	}
	c.AllowDebug()
	c.SetRegistered(list)
	if len(c.Known()) != 1 {
		t.Error("it is not known")
	}
}

func TestQueueOfATypeThatTheProgramDoesNotHave(t *testing.T) {
	c := catalog.New([]string{"default"}, 0)
	c.SetRegistered([]catalog.Registered{{Type: travel(t, define("a", task.Queue("mail")))}})
	if _, err := prepare(c, "a", ``); err == nil || !strings.Contains(err.Error(), `queue: "mail" is not a known queue`) {
		t.Error(err)
	}
	if _, err := c.Prepare(task.Request{Type: "a", Queue: "default"}, time.Now()); err != nil {
		t.Error(err)
	}
}
