package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/task"
)

func TestDefineDefaults(t *testing.T) {
	typ := task.Define[task.None, task.None]("test.plain")
	if typ.Queue != "" || typ.MaxRetries != 3 || typ.Timeout != 30*time.Minute || typ.Retention != nil ||
		typ.Backoff != task.DefaultBackoff || typ.Debug || typ.Description != "" {
		t.Errorf("got %+v", typ)
	}
}

func TestDefineOptions(t *testing.T) {
	backoff := task.Backoff{Base: time.Minute, Cap: time.Hour}
	typ := task.Define[task.None, task.None]("test.all", task.Describe("All of them."), task.Queue("low"), task.MaxRetries(0),
		task.Timeout(time.Second), task.Retention(0), task.Retry(backoff), task.Debug())
	if typ.Description != "All of them." || typ.Queue != "low" || typ.MaxRetries != 0 || typ.Timeout != time.Second ||
		typ.Retention == nil || *typ.Retention != 0 || typ.Backoff != backoff || !typ.Debug {
		t.Errorf("got %+v", typ)
	}
}

type defaultsIn struct {
	Text    string            `json:"text,omitempty" default:"one, two"`
	Number  int               `json:"number,omitempty" default:"7"`
	Ratio   float64           `json:"ratio,omitempty" default:"0.5"`
	Flag    bool              `json:"flag,omitempty" default:"true"`
	List    []int             `json:"list,omitempty" default:"[1,2,3]"`
	Pointer *int              `json:"pointer,omitempty" default:"9"`
	Labels  map[string]string `json:"labels,omitempty"`
	Nested  struct {
		Deep string `json:"deep,omitempty" default:"down here"`
	} `json:"nested,omitempty"`
	Plain string `json:"plain,omitempty"`
}

// decoded runs a handler with the payload and returns the value that the handler got.
func decoded[In any](t *testing.T, d task.Definition[In, task.None], payload string) In {
	t.Helper()
	var got In
	_, err := d.Handle(func(_ context.Context, in In) (task.None, error) {
		got = in
		return task.None{}, nil
	}).Run(t.Context(), []byte(payload))
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return got
}

func TestDefaultsOfMissingFields(t *testing.T) {
	d := task.Define[defaultsIn, task.None]("test.defaults")
	nine := 9
	all := defaultsIn{Text: "one, two", Number: 7, Ratio: 0.5, Flag: true, List: []int{1, 2, 3}, Pointer: &nine}
	all.Nested.Deep = "down here"
	changed := all
	changed.Text, changed.Number, changed.Flag, changed.List, changed.Nested.Deep = "", 0, false, []int{8}, "up"
	tests := map[string]defaultsIn{
		``:   all,
		`{}`: all,
		`{"text": null, "number": null, "nested": {}}`:                                  all,
		`{"text": "", "number": 0, "flag": false, "list": [8], "nested":{"deep":"up"}}`: changed,
	}
	for payload, want := range tests {
		got := decoded(t, d, payload)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
}

// The values of one payload must not become the defaults of the next.
func TestDefaultsAreNotShared(t *testing.T) {
	d := task.Define[defaultsIn, task.None]("test.defaults")
	first := decoded(t, d, `{"list": [99], "pointer": 99}`)
	first.List[0] = 100
	second := decoded(t, d, `{}`)
	second.List[0] = 101
	third := decoded(t, d, `{}`)
	if diff := cmp.Diff([]int{1, 2, 3}, third.List); diff != "" || *third.Pointer != 9 {
		t.Errorf("pointer %d, list (-want +got):\n%s", *third.Pointer, diff)
	}
}

func TestDefinePanicsOnInvalidTags(t *testing.T) {
	type wrongDefault struct {
		Number int `json:"number,omitempty" default:"seven"`
	}
	type wrongMinimum struct {
		Number int `json:"number" minimum:"low"`
	}
	type hiddenDefault struct {
		Nested struct {
			List []string `json:"list,omitempty" default:"a,b"`
		} `json:"nested,omitempty"`
	}
	for name, defineIt := range map[string]func(){
		"default":             func() { task.Define[wrongDefault, task.None]("test.broken") },
		"minimum":             func() { task.Define[wrongMinimum, task.None]("test.broken") },
		"default of no JSON":  func() { task.Define[hiddenDefault, task.None]("test.broken") },
		"default in a result": func() { task.Define[task.None, wrongDefault]("test.broken") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("Define accepted it")
				}
			}()
			defineIt()
		})
	}
}

type orderIn struct {
	From string `json:"from" minLength:"1"`
	To   string `json:"to" minLength:"1"`
}

func (in *orderIn) Validate() []task.ValidationError {
	if in.From == in.To {
		return []task.ValidationError{{Location: "to", Message: "must differ from from"}}
	}
	return nil
}

type orderOut struct {
	Route string `json:"route"`
}

func TestHandlerDecodesAndEncodesJSON(t *testing.T) {
	d := task.Define[orderIn, orderOut]("test.order")
	result, err := d.Handle(func(_ context.Context, in orderIn) (orderOut, error) {
		return orderOut{in.From + "-" + in.To}, nil
	}).Run(t.Context(), []byte(`{"from": "a", "to": "b"}`))
	if err != nil || string(result) != `{"route":"a-b"}` {
		t.Errorf("got %s, %v", result, err)
	}
}

func TestHandlerReturnsNothingForNone(t *testing.T) {
	d := task.Define[task.None, task.None]("test.none")
	handler := d.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, nil })
	for _, payload := range []string{"", "{}"} {
		if result, err := handler.Run(t.Context(), []byte(payload)); result != nil || err != nil {
			t.Errorf("payload %q: got %q, %v", payload, result, err)
		}
	}
	if d.ResultSchema() != nil {
		t.Errorf("its result has the schema %s", d.ResultSchema())
	}
}

// Stock asynq clients enqueue tasks without validation.
func TestInvalidPayloadIsPermanentFailure(t *testing.T) {
	d := task.Define[orderIn, orderOut]("test.order")
	handler := d.Handle(func(context.Context, orderIn) (orderOut, error) {
		t.Error("the handler ran")
		return orderOut{}, nil
	})
	for payload, want := range map[string]string{
		``:                         "payload.from: is required",
		`null`:                     "payload: expected object",
		`"text"`:                   "payload: expected object",
		`{"from": "a"`:             "payload: is not JSON",
		`{"from": "a", "to": 7}`:   "payload.to: expected string",
		`{"from": "a", "to": "a"}`: "payload.to: must differ from from",
		`{"FROM": "a", "to": "b"}`: "payload.from: is required",
	} {
		_, err := handler.Run(t.Context(), []byte(payload))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", payload, err, want)
			continue
		}
		if kind := task.FailureOf(t.Context(), err).Kind; kind != task.KindPermanent {
			t.Errorf("%s: kind %s", payload, kind)
		}
	}
}

func TestHandlerReturnsErrors(t *testing.T) {
	d := task.Define[task.None, orderOut]("test.fails")
	broken := errors.New("broken")
	result, err := d.Handle(func(context.Context, task.None) (orderOut, error) {
		return orderOut{"half done"}, broken
	}).Run(t.Context(), nil)
	if result != nil || !errors.Is(err, broken) || task.FailureOf(t.Context(), err).Kind != task.KindError {
		t.Errorf("got %s, %v", result, err)
	}
}

func TestUnencodableResultIsPermanentFailure(t *testing.T) {
	type out struct {
		Ratio float64 `json:"ratio"`
	}
	d := task.Define[task.None, out]("test.nan")
	_, err := d.Handle(func(context.Context, task.None) (out, error) {
		return out{math.NaN()}, nil
	}).Run(t.Context(), nil)
	if err == nil || task.FailureOf(t.Context(), err).Kind != task.KindPermanent {
		t.Errorf("got %v", err)
	}
}

func TestRequest(t *testing.T) {
	d := task.Define[orderIn, orderOut]("test.order")
	req, err := d.Request(orderIn{"a", "b"})
	if err != nil || req.Type != "test.order" || string(req.Payload) != `{"from":"a","to":"b"}` {
		t.Errorf("got %+v, %v", req, err)
	}
	odd := task.Define[map[string]any, task.None]("test.odd")
	if _, err := odd.Request(map[string]any{"f": math.Inf(1)}); err == nil || !strings.Contains(err.Error(), "test.odd") {
		t.Errorf("a payload that cannot be encoded: %v", err)
	}
}

func TestRawPayloadIsUnchanged(t *testing.T) {
	type in struct {
		Any json.RawMessage `json:"any"`
	}
	d := task.Define[in, task.None]("test.raw")
	if got := decoded(t, d, `{"any": [12345678901234567890, 1.10]}`); string(got.Any) != `[12345678901234567890, 1.10]` {
		t.Errorf("got %s", got.Any)
	}
}
