package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

type stepIn struct {
	Name string `json:"name" minLength:"1"`
	Wait int    `json:"wait,omitempty" minimum:"0" maximum:"60"`
}

type planIn struct {
	URL     string            `json:"url" format:"uri" minLength:"1"`
	Mode    string            `json:"mode,omitempty" enum:"fast,safe" default:"safe"`
	Count   int8              `json:"count,omitempty"`
	Ratio   float32           `json:"ratio,omitempty"`
	For     *task.Duration    `json:"for,omitempty"`
	At      *time.Time        `json:"at,omitempty"`
	Tags    []string          `json:"tags,omitempty" maxItems:"2" nullable:"false"`
	Labels  map[string]string `json:"labels,omitempty"`
	Steps   []stepIn          `json:"steps,omitempty"`
	Extra   any               `json:"extra,omitempty"`
	Contact string            `json:"contact,omitempty" format:"email"`
}

func (in planIn) Validate() []task.ValidationError {
	if in.Count > 0 && in.Mode == "safe" {
		return []task.ValidationError{{Location: "count", Message: "is for fast ones"}}
	}
	return nil
}

func newRegistry(t testing.TB) *catalog.Catalog {
	t.Helper()
	r := catalog.New([]string{"critical", "default", "low"}, 24*time.Hour)
	err := r.Add(
		task.Define[planIn, task.None]("test.plan", task.Queue("low"), task.MaxRetries(7), task.Timeout(time.Minute)).Type,
		task.Define[task.None, task.None]("test.none", task.Retention(0)).Type,
		task.Define[map[string]any, task.None]("test.any").Type,
	)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ptr[T any](v T) *T { return &v }

func TestPrepareCompletesARequest(t *testing.T) {
	inTenSeconds := now.Add(10 * time.Second)
	tests := []struct {
		name string
		req  task.Request
		want task.Task
	}{
		{
			"nothing but a type",
			task.Request{Type: "test.none"},
			task.Task{
				Type: "test.none", Queue: "default", State: task.Pending,
				MaxRetries: 3, Timeout: 30 * time.Minute, CreatedAt: now, RunAt: now,
			},
		},
		{
			"the type's defaults",
			task.Request{Type: "test.plan", Payload: []byte(" {\n \"url\" : \"https://example.com\" } ")},
			task.Task{
				Type: "test.plan", Queue: "low", State: task.Pending, Payload: []byte(`{"url":"https://example.com"}`),
				MaxRetries: 7, Timeout: time.Minute, Retention: 24 * time.Hour, CreatedAt: now, RunAt: now,
			},
		},
		{
			"everything said",
			task.Request{
				Type: "test.none", ID: "order-17", Queue: "critical", Payload: []byte("{}"), MaxRetries: ptr(0),
				Timeout: ptr(time.Second), Deadline: now.Add(time.Hour), RunAt: inTenSeconds, ExpiresAt: now.Add(time.Minute),
				UniqueFor: ptr(time.Minute), Retention: ptr(time.Hour), Metadata: map[string]string{"tenant": "a"},
				Schedule: &task.Tick{ScheduleID: "s", At: now},
			},
			task.Task{
				Type: "test.none", ID: "order-17", Queue: "critical", State: task.Scheduled, Payload: []byte("{}"),
				Timeout: time.Second, Deadline: now.Add(time.Hour), RunAt: inTenSeconds, ExpiresAt: now.Add(time.Minute),
				UniqueFor: time.Minute, Retention: time.Hour, Metadata: map[string]string{"tenant": "a"},
				Schedule: &task.Tick{ScheduleID: "s", At: now}, CreatedAt: now,
			},
		},
		{
			"a delay",
			task.Request{Type: "test.none", Delay: ptr(10 * time.Second)},
			task.Task{
				Type: "test.none", Queue: "default", State: task.Scheduled,
				MaxRetries: 3, Timeout: 30 * time.Minute, CreatedAt: now, RunAt: inTenSeconds,
			},
		},
		{
			"a run_at that has passed, and a payload of null",
			task.Request{Type: "test.none", RunAt: now.Add(-time.Hour), Payload: []byte(" null ")},
			task.Task{
				Type: "test.none", Queue: "default", State: task.Pending,
				MaxRetries: 3, Timeout: 30 * time.Minute, CreatedAt: now, RunAt: now,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newRegistry(t).Prepare(tt.req, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// faultsOf prepares a request that must be refused, and returns "location: message" of each fault, sorted.
func faultsOf(t *testing.T, req task.Request) []string {
	t.Helper()
	got, err := newRegistry(t).Prepare(req, now)
	invalid, ok := errors.AsType[*task.Error](err)
	if !ok || got != nil || invalid.Code != task.CodeInvalid {
		t.Fatalf("got %+v, %v", got, err)
	}
	var faults []string
	for _, f := range invalid.Faults {
		faults = append(faults, f.Location+": "+f.Message)
	}
	slices.Sort(faults)
	return faults
}

func TestPrepareNamesEachFault(t *testing.T) {
	day := 24 * time.Hour
	metadata := make(map[string]string)
	for i := range 65 {
		metadata[fmt.Sprint(i)] = ""
	}
	const badID = "id: must be 1 to 255 letters, digits, and . _ : @ + -, and more than dots"
	const badMetadata = "metadata: keys must be 1 to 1024 bytes and values at most 1024"
	tests := []struct {
		name string
		req  task.Request
		want string
	}{
		{"unknown type", task.Request{Type: "test.nine"}, `type: "test.nine" is not a known task type; GET /v1/task-types lists them`},
		{"no type", task.Request{}, `type: "" is not a known task type; GET /v1/task-types lists them`},
		{"unknown queue", task.Request{Queue: "fast"}, `queue: "fast" is not a known queue; there are ["critical" "default" "low"]`},
		{"queue in another case", task.Request{Queue: "Low"}, `queue: "Low" is not a known queue; there are ["critical" "default" "low"]`},
		{"id with a slash", task.Request{ID: "a/b"}, badID},
		{"id with a brace", task.Request{ID: "a{b}"}, badID},
		{"id with a line break", task.Request{ID: "a\n"}, badID},
		{"id of dots", task.Request{ID: ".."}, badID},
		{"id too long", task.Request{ID: strings.Repeat("a", 256)}, badID},
		{"retries below", task.Request{MaxRetries: ptr(-1)}, "max_retries: must be 0 to 1000"},
		{"retries above", task.Request{MaxRetries: ptr(1001)}, "max_retries: must be 0 to 1000"},
		{"no time", task.Request{Timeout: ptr(time.Duration(0))}, "timeout: must be 1ms to 168h"},
		{"too much time", task.Request{Timeout: ptr(8 * day)}, "timeout: must be 1ms to 168h"},
		{"retention below", task.Request{Retention: ptr(-time.Second)}, "retention: must be 0s to 87600h"},
		{"retention above", task.Request{Retention: ptr(3651 * day)}, "retention: must be 0s to 87600h"},
		{"unique for no time", task.Request{UniqueFor: ptr(time.Duration(0))}, "unique_for: must be 1ms to 87600h"},
		{"delay below", task.Request{Delay: ptr(-time.Second)}, "delay: must be 0s to 87600h"},
		{"delay above", task.Request{Delay: ptr(time.Duration(1<<63 - 1))}, "delay: must be 0s to 87600h"},
		{"delay and run_at", task.Request{Delay: ptr(time.Second), RunAt: now}, "run_at: delay and run_at exclude each other"},
		{"run_at too far", task.Request{RunAt: now.Add(3651 * day)}, "run_at: must be within 87600h"},
		{"deadline passed", task.Request{Deadline: now}, "deadline: is in the past"},
		{"deadline too soon", task.Request{Delay: ptr(time.Hour), Deadline: now.Add(time.Minute)}, "deadline: is before the task may start"},
		{"deadline too far", task.Request{Deadline: now.Add(7301 * day)}, "deadline: must be within 175200h"},
		{"expired", task.Request{ExpiresAt: now.Add(-time.Second)}, "expires_at: is in the past"},
		{"expires too soon", task.Request{RunAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Minute)}, "expires_at: is before the task may start"},
		{"much metadata", task.Request{Metadata: metadata}, "metadata: must have at most 64 entries"},
		{"metadata without a key", task.Request{Metadata: map[string]string{"": "a"}}, badMetadata},
		{"long metadata key", task.Request{Metadata: map[string]string{strings.Repeat("k", 1025): "a"}}, badMetadata},
		{"long metadata", task.Request{Metadata: map[string]string{"a": strings.Repeat("v", 1025)}}, badMetadata},
		{
			"reserved metadata", task.Request{Metadata: map[string]string{"backbeat-x": "a"}},
			"metadata.backbeat-x: keys that begin with backbeat- are reserved",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.req.Type == "" && tt.name != "no type" {
				tt.req.Type = "test.none"
			}
			if diff := cmp.Diff([]string{tt.want}, faultsOf(t, tt.req)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrepareTakesTheBounds(t *testing.T) {
	for name, req := range map[string]task.Request{
		"longest id":      {ID: strings.Repeat("a", 255)},
		"tick's id":       {ID: "nightly.v2@20261121T020000.250Z"},
		"dotted id":       {ID: "..a"},
		"most retries":    {MaxRetries: ptr(1000)},
		"shortest time":   {Timeout: ptr(time.Millisecond)},
		"longest time":    {Timeout: ptr(task.MaxTimeout)},
		"longest delay":   {Delay: ptr(task.MaxDelay)},
		"no delay":        {Delay: ptr(time.Duration(0))},
		"expires at once": {RunAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			req.Type = "test.none"
			if _, err := newRegistry(t).Prepare(req, now); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPrepareNamesAllFaultsAtOnce(t *testing.T) {
	got := faultsOf(t, task.Request{
		Type: "test.plan", ID: "a b", Queue: "fast", MaxRetries: ptr(-1), Timeout: ptr(-time.Second), Deadline: now,
		Metadata: map[string]string{"": ""}, Payload: []byte(`{"mode": "slow", "tags": ["a", 2, "c"]}`),
	})
	var locations []string
	for _, fault := range got {
		location, _, _ := strings.Cut(fault, ":")
		locations = append(locations, location)
	}
	want := []string{
		"deadline", "id", "max_retries", "metadata", "payload.mode", "payload.tags", "payload.tags[1]", "payload.url", "queue", "timeout",
	}
	if diff := cmp.Diff(want, locations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrepareChecksThePayload(t *testing.T) {
	const url = `"url": "https://example.com"`
	tests := map[string][]string{
		``:              {"payload.url: is required"},
		`null`:          {"payload.url: is required"},
		`{}`:            {"payload.url: is required"},
		`{"url": null}`: {"payload.url: expected string"},
		`{"url": ""}`: {
			"payload.url: expected string to be a URI with a scheme, such as https://example.com",
		},
		`[]`:                                 {"payload: expected object"},
		`"text"`:                             {"payload: expected object"},
		`{`:                                  {"payload: is not JSON: unexpected end of JSON input"},
		`{"url": "a"} {}`:                    {"payload: is not JSON: invalid character '{' after top-level value"},
		`{` + url + `, "URL": "x"}`:          {"payload.URL: unexpected property"},
		`{"Url": "x"}`:                       {"payload.Url: unexpected property", "payload.url: is required"},
		`{` + url + `, "more": 1}`:           {"payload.more: unexpected property"},
		`{` + url + `, "mode": "x"}`:         {`payload.mode: expected value to be one of "fast, safe"`},
		`{` + url + `, "count": 1.5}`:        {"payload.count: expected integer"},
		`{` + url + `, "count": 300}`:        {"payload.count: is out of range or of the wrong type"},
		`{` + url + `, "count": 1e2}`:        {"payload.count: is out of range or of the wrong type"}, // which Go does not read into an int
		`{` + url + `, "ratio": 1e300}`:      {"payload.ratio: is out of range or of the wrong type"},
		`{` + url + `, "ratio": 1e999}`:      {"payload: holds a number that is out of range"},
		`{` + url + `, "count": 1}`:          {"payload.count: is for fast ones"},
		`{` + url + `, "for": "soon"}`:       {"payload.for: expected string to be a duration such as 90s or 1h30m"},
		`{` + url + `, "for": 10}`:           {"payload.for: expected string"},
		`{` + url + `, "for": "-1s"}`:        {"payload.for: expected string to be a duration such as 90s or 1h30m"},
		`{` + url + `, "for": "9999999h"}`:   {"payload.for: is out of range or of the wrong type"},
		`{` + url + `, "at": "tomorrow"}`:    {"payload.at: expected string to be RFC 3339 date-time"},
		`{` + url + `, "tags": null}`:        nil,
		`{` + url + `, "tags": ["a", null]}`: {"payload.tags[1]: expected string"},
		`{` + url + `, "labels": {"a": 1}}`:  {"payload.labels.a: expected string"},
		`{` + url + `, "steps": [{"name": "a"}, {"name": "", "wait": 61, "x": 1}]}`: {
			"payload.steps[1].name: expected length >= 1", "payload.steps[1].wait: expected number <= 60",
			"payload.steps[1].x: unexpected property",
		},
		`{` + url + `, "steps": [{}]}`: {"payload.steps[0].name: is required"},
		`{` + url + `, "steps": 3}`:    {"payload.steps: expected array"},
	}
	for payload, want := range tests {
		t.Run(payload, func(t *testing.T) {
			req := task.Request{Type: "test.plan", Payload: []byte(payload)}
			if want == nil {
				if _, err := newRegistry(t).Prepare(req, now); err != nil {
					t.Error(err)
				}
				return
			}
			if diff := cmp.Diff(want, faultsOf(t, req)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A value that is refused may be a secret, and faults are logged.
func TestFaultsDoNotQuoteThePayload(t *testing.T) {
	for name, payload := range map[string]string{
		"url":   `{"url": "https://user:hunter2@example.com/%zz"}`,
		"email": `{"url": "https://example.com", "contact": "hunter2 <"}`,
		"enum":  `{"url": "https://example.com", "mode": "hunter2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			faults := faultsOf(t, task.Request{Type: "test.plan", Payload: []byte(payload)})
			if strings.Contains(strings.Join(faults, "\n"), "hunter2") {
				t.Errorf("%q", faults)
			}
		})
	}
}

func TestPrepareTakesOddPayloads(t *testing.T) {
	for name, payload := range map[string]string{
		"a key twice, the last one counts": `{"url": "%zz", "url": "https://example.com"}`,
		"escaped key":                      `{"\u0075rl": "https://example.com"}`,
		"null where nothing is needed":     `{"url": "https://example.com", "count": null, "labels": null, "for": null, "at": null}`,
		"longest duration":                 `{"url": "https://example.com", "for": "2562047h47m16.854775807s"}`,
		"deep but bounded":                 `{"url": "https://example.com", "extra": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newRegistry(t).Prepare(task.Request{Type: "test.plan", Payload: []byte(payload)}, now); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPrepareRefusesNestingWithoutEnd(t *testing.T) {
	payload := `{"a": ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	got := faultsOf(t, task.Request{Type: "test.any", Payload: []byte(payload)})
	if len(got) != 1 || !strings.HasPrefix(got[0], "payload: is not JSON: ") {
		t.Errorf("got %q", got)
	}
}

func TestPrepareKeepsNumbersToTheLetter(t *testing.T) {
	const payload = `{"big":12345678901234567890,"price":1.10,"tiny":1e-300}`
	got, err := newRegistry(t).Prepare(task.Request{Type: "test.any", Payload: []byte(payload)}, now)
	if err != nil || string(got.Payload) != payload {
		t.Errorf("got %s, %v", got.Payload, err)
	}
}

// Whatever bytes arrive as a payload: no panic, and either a task with a payload that is JSON or a fault that lies in
// the payload.
func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `{"url": "https://example.com"}`, `{"url": "https://example.com", "count": 1e999}`,
		`{"url": "a", "steps": [{"name": "a", "wait": 5}], "for": "1h", "at": "2026-11-21T10:00:00Z"}`,
		`{"labels": {"a": "b"}, "tags": ["\ud800"], "extra": {"a": [1, 2.5, {"b": null}]}}`, "{\"url\": \"\xff\"}", `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	registry := newRegistry(f)
	types := []string{"test.plan", "test.none", "test.any"}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, name := range types {
			got, err := registry.Prepare(task.Request{Type: name, Payload: payload}, now)
			if err == nil {
				if len(got.Payload) > 0 && !json.Valid(got.Payload) {
					t.Errorf("%s: took %q", name, got.Payload)
				}
				continue
			}
			invalid, ok := errors.AsType[*task.Error](err)
			if !ok || len(invalid.Faults) == 0 {
				t.Fatalf("%s: %v", name, err)
			}
			for _, fault := range invalid.Faults {
				if !strings.HasPrefix(fault.Location, "payload") || fault.Message == "" {
					t.Errorf("%s: fault %+v", name, fault)
				}
			}
		}
	})
}
