package httpapi_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

type openAPI struct {
	OpenAPI string
	Info    struct {
		Version string
		License struct{ Name string }
	}
	Paths map[string]map[string]struct {
		OperationID, Summary string
		Tags                 []string
		Responses            map[string]struct{ Content map[string]any }
	}
}

func readOpenAPI(t *testing.T, base string) openAPI {
	t.Helper()
	var doc openAPI
	if err := json.Unmarshal([]byte(ask(t, "GET", base+"/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPITellsOfEveryCall(t *testing.T) {
	doc := readOpenAPI(t, serve(t, &stub{}))
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Info.Version != "1.2.3" || doc.Info.License.Name != "MIT" {
		t.Errorf("OpenAPI %s, %+v", doc.OpenAPI, doc.Info)
	}
	var got []string
	for path, operations := range doc.Paths {
		for method, op := range operations {
			call := strings.ToUpper(method) + " " + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "{}")
			got = append(got, call)
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) == 0 {
				t.Errorf("%s is not described: %+v", call, op)
			}
			if _, ok := op.Responses["503"].Content["application/problem+json"]; !ok {
				t.Errorf("%s does not say that it may be unavailable", call)
			}
		}
	}
	want := []string{
		"DELETE /v1/schedules/{}", "DELETE /v1/tasks/{}", "GET /healthz", "GET /readyz", "GET /v1/audit", "GET /v1/beat", "GET /v1/queues", "GET /v1/queues/{}",
		"GET /v1/schedules", "GET /v1/schedules/{}", "GET /v1/schedules/{}/runs", "GET /v1/task-types", "GET /v1/tasks",
		"GET /v1/tasks/{}", "GET /v1/tasks/{}/events", "GET /v1/workers", "PATCH /v1/schedules/{}", "POST /v1/queues/{}/pause", "POST /v1/queues/{}/resume",
		"POST /v1/schedules/preview", "POST /v1/schedules/{}/pause", "POST /v1/schedules/{}/resume", "POST /v1/schedules/{}/trigger",
		"POST /v1/tasks", "POST /v1/tasks/batch", "POST /v1/tasks/bulk", "POST /v1/tasks/{}/cancel", "POST /v1/tasks/{}/retry", "POST /v1/tasks/{}/run", "PUT /v1/schedules/{}",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("calls\n%q, want\n%q", got, want)
	}
}

func TestEveryCallOfOpenAPIIsThere(t *testing.T) {
	base := serve(t, &stub{})
	for path, operations := range readOpenAPI(t, base).Paths {
		for method := range operations {
			// Unknown parameters are refused by the call itself, after it was found.
			url := base + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x") + "?no-such-parameter=1"
			if got := ask(t, strings.ToUpper(method), url, ""); got.status != 422 {
				t.Errorf("%s %s: %d", method, path, got.status)
			}
		}
	}
}

func TestOpenAPIForManyAtOnce(t *testing.T) {
	base := serve(t, &stub{})
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			resp, err := http.Get(base + "/openapi.json")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if data, err := io.ReadAll(resp.Body); err != nil || !json.Valid(data) {
				t.Errorf("%v, %d bytes", err, len(data))
			}
		})
	}
	asking.Wait()
}

var reference = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

func TestDocsNeedNothingFromElsewhere(t *testing.T) {
	base := serve(t, &stub{})
	page := ask(t, "GET", base+"/docs", "")
	if page.status != 200 || !strings.Contains(page.body, "/openapi.json") {
		t.Fatalf("%d %s", page.status, page.body)
	}
	references := reference.FindAllStringSubmatch(page.body, -1)
	if len(references) == 0 {
		t.Error("the page loads nothing")
	}
	for _, ref := range references {
		if !strings.HasPrefix(ref[1], "/") || strings.HasPrefix(ref[1], "//") {
			t.Errorf("%s is elsewhere", ref[1])
			continue
		}
		if got := ask(t, "GET", base+ref[1], ""); got.status != 200 || got.body == "" {
			t.Errorf("%s: %d", ref[1], got.status)
		}
	}
}

func TestBrokenBodiesAreTheClientsFault(t *testing.T) {
	base := serve(t, &stub{})
	const head = "POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for name, text := range map[string]string{
		"a chunk without a size": head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"less than announced":    head + "Content-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
}
