package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/openapitest"
	"github.com/backbeat-go/backbeat/task"
)

// tree is a payload with a definition.
type tree struct {
	Name     string  `json:"name" minLength:"9"`
	Children []twig  `json:"children,omitempty"`
	Note     *string `json:"note,omitempty"`
}

type twig struct {
	Name string `json:"name" minLength:"9"`
}

// recursive has a schema that refers to itself.
type recursive struct {
	Name     string       `json:"name"`
	Children []*recursive `json:"children,omitempty"`
}

type leaf struct {
	Size int    `json:"size" minimum:"7"`
	To   string `json:"to" format:"email"`
}

func plant(t testing.TB, types ...*task.Type) *catalog.Catalog {
	t.Helper()
	c := catalog.New([]string{"default"}, time.Hour)
	if err := c.Add(types...); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpenAPITellsOfTypes(t *testing.T) {
	types := plant(t,
		task.Define[tree, leaf]("plant.tree", task.Aliases("plant.bush")).Type,
		task.Define[leaf, task.None]("plant.leaf", task.Describe("Plants a leaf.")).Type,
		task.Define[task.None, tree]("plant a seed").Type)
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.Types = types })
	document := openapitest.Fetch(t, base)
	for body, fits := range map[string]bool{
		`{"type":"plant.leaf","payload":{"size":7,"to":"ada@example.com"},"queue":null}`: true,
		`{"type":"plant.leaf"}`: false,
		`{"type":"plant.leaf","payload":{"size":6,"to":"ada@example.com"}}`:                                   false,
		`{"type":"plant.bush","payload":{"name":"blackthorn"}}`:                                               true,
		`{"type":"plant.tree","payload":{"name":"blackthorn","note":null,"children":[{"name":"buckthorn"}]}}`: true,
		`{"type":"plant.tree","payload":{"name":"blackthorn","children":[{"name":"oak"}]}}`:                   false,
		`{"type":"plant a seed"}`: true,
		`{"type":"plant.stone"}`:  false,
	} {
		taken := ask(t, "POST", base+"/v1/tasks", body).status == 202
		faults := document.CheckBody("POST", "/v1/tasks", []byte(body))
		batch := document.CheckBody("POST", "/v1/tasks/batch", []byte(`{"tasks":[`+body+`]}`))
		if taken != fits || (len(faults) == 0) != fits || (len(batch) == 0) != fits {
			t.Errorf("%s: taken %t, the document says %q, of a batch %q", body, taken, faults, batch)
		}
	}
	schedule := `{"every":"1h","task":{"type":"plant.leaf","payload":{"size":"large"}}}`
	if len(document.CheckBody("PUT", "/v1/schedules/a", []byte(schedule))) == 0 {
		t.Error("the document lets a schedule have a payload at fault")
	}
}

// examplesIn returns the requests that the document shows, by their types.
func examplesIn(t *testing.T, base string) map[string]string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Examples map[string]struct {
						Summary string
						Value   json.RawMessage
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(ask(t, "GET", base+"/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	examples := map[string]string{}
	for _, e := range doc.Paths["/v1/tasks"]["post"].RequestBody.Content["application/json"].Examples {
		examples[e.Summary] = string(e.Value)
	}
	return examples
}

func TestExamplesRunAndFollowTheTypes(t *testing.T) {
	types := plant(t, task.Define[leaf, task.None]("plant.leaf").Type)
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.Types = types })
	if got := examplesIn(t, base); len(got) != 1 {
		t.Errorf("examples %v", got)
	}
	types.SetRegistered([]catalog.Registered{
		{Type: task.Define[tree, leaf]("plant.tree").Type}, {Type: task.Define[recursive, task.None]("plant.bush").Type},
	})
	got := examplesIn(t, base)
	if len(got) != 3 {
		t.Errorf("with types of a worker: examples %v", got)
	}
	for name, body := range got {
		if made := ask(t, "POST", base+"/v1/tasks", body); made.status != 202 {
			t.Errorf("the example of %s: %d %s", name, made.status, made.body)
		}
	}
	types.SetRegistered(nil)
	if got := examplesIn(t, base); len(got) != 1 {
		t.Errorf("once the worker is gone: examples %v", got)
	}
}

// However many types workers register, the document stays readable, and lets tasks of all of them pass.
func TestOpenAPIOfManyTypesIsBounded(t *testing.T) {
	var types []*task.Type
	for i := range 300 {
		types = append(types, task.Define[task.None, task.None](fmt.Sprintf("many.%03d", i)).Type)
	}
	base := serve(t, &stub{}, func(c *httpapi.Config) { c.Types = plant(t, types...) })
	answer, err := http.Get(base + "/openapi.json") // ask would hold it against itself, which takes long
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.Contains(text, `"TaskRequest.many.199"`) || strings.Contains(text, `"TaskRequest.many.200"`) || !strings.Contains(text, `"TaskRequest.other"`) {
		t.Error("it is not the first 200 types that the document tells of")
	}
}

// Every reference leads somewhere, those of definitions and of recursive types too.
func TestReferencesOfTypesLeadSomewhere(t *testing.T) {
	types := plant(t, task.Define[tree, recursive]("plant.tree").Type, task.Define[recursive, tree]("plant a bush").Type)
	text := ask(t, "GET", serve(t, &stub{}, func(c *httpapi.Config) { c.Types = types })+"/openapi.json", "").body
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	references := regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllStringSubmatch(text, -1)
	for _, ref := range references {
		name, ok := strings.CutPrefix(ref[1], "#/components/schemas/")
		if !ok || doc.Components.Schemas[name] == nil {
			t.Errorf("there is no %s", ref[1])
		}
	}
	for _, name := range []string{"payload.plant.tree.twig", "payload.plant_a_bush"} {
		if doc.Components.Schemas[name] == nil && doc.Components.Schemas[strings.Replace(name, "twig", "Twig", 1)] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}
