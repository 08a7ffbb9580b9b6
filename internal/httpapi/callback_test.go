package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/task"
)

// withCallbacks lets tasks have callbacks, and knows a type that is not for callers.
func withCallbacks(t testing.TB) func(*httpapi.Config) {
	return func(c *httpapi.Config) {
		t.Helper()
		c.Types.AllowCallbacks()
		if err := c.Types.Add(task.Define[payload, task.None]("inner", task.Internal()).Type); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadCallbacks(t *testing.T) {
	base := serve(t, &stub{}, withCallbacks(t))
	for callback, locations := range map[string]string{
		`"https://example.com"`:       "body.callback",
		`[]`:                          "body.callback",
		`{}`:                          "body.callback.url",
		`{"url":null}`:                "body.callback.url",
		`{"url":1}`:                   "body.callback.url",
		`{"url":""}`:                  "body.callback.url",
		`{"url":"ftp://example.com"}`: "body.callback.url",
		`{"url":"https://a b/"}`:      "body.callback.url",
		`{"url":"https://example.com/` + strings.Repeat("a", 8192) + `"}`: "body.callback.url",
		`{"url":"https://example.com","events":[]}`:                       "body.callback.events",
		`{"url":"https://example.com","events":"failed"}`:                 "body.callback.events",
		`{"url":"https://example.com","events":["failed","running"]}`:     "body.callback.events[1]",
		`{"url":"https://example.com","secret":"whsec_a"}`:                "body.callback.secret",
		`{"url":"/done","events":["done"],"colour":1}`:                    "body.callback.colour body.callback.events[0] body.callback.url",
	} {
		for path, body := range map[string]string{
			"/v1/tasks":       `{"type":"echo","callback":` + callback + `}`,
			"/v1/tasks/batch": `{"tasks":[{"type":"echo","callback":` + callback + `}]}`,
		} {
			got := ask(t, "POST", base+path, body)
			want := locations
			var p problem
			if path == "/v1/tasks" {
				p = got.problem(t)
			} else {
				var batch struct{ Results []struct{ Error problem } }
				if err := json.Unmarshal([]byte(got.body), &batch); err != nil || len(batch.Results) != 1 {
					t.Fatalf("%d %s", got.status, got.body)
				}
				p, want = batch.Results[0].Error, strings.ReplaceAll(locations, "body.", "body.tasks[0].")
			}
			var found []string
			for _, e := range p.Errors {
				found = append(found, e.Location)
			}
			if p.Status != 422 || !sameWords(found, want) {
				t.Errorf("%s of %s: %d %q, want %s", path, callback, p.Status, found, want)
			}
		}
	}
}

func TestTaskShowsItsCallback(t *testing.T) {
	base, _ := serveBroker(t, withCallbacks(t))
	const all = `{"url":"https://example.com/done","events":["succeeded","failed","canceled","expired"]}`
	for id, tt := range map[string]struct{ asked, want string }{
		"all":  {`,"callback":{"url":"https://example.com/done"}`, all},
		"one":  {`,"callback":{"url":"https://example.com/done","events":["failed"]}`, `{"url":"https://example.com/done","events":["failed"]}`},
		"null": {`,"callback":null`, `null`},
		"none": {``, `null`},
	} {
		made := want(t, 202, "POST", base+"/v1/tasks", `{"id":"`+id+`","type":"echo"`+tt.asked+`}`)
		wantFields(t, made, `{"callback":`+tt.want+`}`)
		wantFields(t, want(t, 200, "GET", base+"/v1/tasks/"+id, ""), `{"callback":`+tt.want+`}`)
	}
}

func TestWithoutSecretsThereAreNoCallbacks(t *testing.T) {
	store := &stub{}
	base := serve(t, store)
	p := ask(t, "POST", base+"/v1/tasks", `{"type":"echo","callback":{"url":"https://example.com"}}`).problem(t)
	if p.Status != 422 || len(p.Errors) != 1 || p.Errors[0].Location != "body.callback" || !strings.Contains(p.Errors[0].Message, "callback.secrets") {
		t.Errorf("%+v", p)
	}
	if len(store.created) > 0 {
		t.Error("it was enqueued")
	}
}

// What signs requests must not do so for whoever asks.
func TestInternalTypesAreUnknown(t *testing.T) {
	base, _ := serveBroker(t, withCallbacks(t))
	for _, call := range [][3]string{
		{"POST", "/v1/tasks", `{"type":"inner","payload":{"url":"https://example.com"}}`},
		{"POST", "/v1/tasks", `{"type":"inner","timeout":7,"payload":{}}`},
		{"PUT", "/v1/schedules/s", `{"every":"1m","task":{"type":"inner","payload":{"url":"https://example.com"}}}`},
	} {
		p := ask(t, call[0], base+call[1], call[2]).problem(t)
		for _, e := range p.Errors {
			if strings.Contains(e.Location, "payload") {
				t.Errorf("%s tells of its payload: %+v", call[2], p)
			}
		}
		if p.Status != 422 {
			t.Errorf("%s: %+v", call[2], p)
		}
	}
	if got := ask(t, "GET", base+"/v1/task-types", ""); strings.Contains(got.body, "inner") {
		t.Errorf("it is listed: %s", got.body)
	}
}

func TestScheduleKeepsItsCallback(t *testing.T) {
	base, _ := serveBroker(t, withCallbacks(t))
	at := base + "/v1/schedules/s"
	shown := func(doc map[string]any, callback string) {
		t.Helper()
		template, _ := doc["task"].(map[string]any)
		wantFields(t, template, `{"callback":`+callback+`}`)
	}
	const all = `{"url":"https://example.com/a","events":["succeeded","failed","canceled","expired"]}`
	shown(want(t, 201, "PUT", at, `{"every":"1h","task":{"type":"echo","callback":{"url":"https://example.com/a"}}}`), all)
	shown(want(t, 200, "GET", at, ""), all)
	wantFields(t, want(t, 202, "POST", at+"/trigger", ""), `{"callback":`+all+`}`)

	shown(want(t, 200, "PATCH", at, `{"task":{"callback":{"events":["failed"]}}}`), `{"url":"https://example.com/a","events":["failed"]}`)
	shown(want(t, 200, "PATCH", at, `{"task":{"callback":null}}`), `null`)
	wantFields(t, want(t, 202, "POST", at+"/trigger", ""), `{"callback":null}`)

	p := ask(t, "PUT", at, `{"every":"1h","task":{"type":"echo","callback":{"url":"ftp://example.com","events":["done"]}}}`).problem(t)
	var found []string
	for _, e := range p.Errors {
		found = append(found, e.Location)
	}
	if p.Status != 422 || !sameWords(found, "body.task.callback.events[0] body.task.callback.url") {
		t.Errorf("%+v", p)
	}
}
