package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
	"github.com/backbeat-go/backbeat/internal/openapitest"
)

// detours are ways to write the path of a call that a router, a proxy or a file system may take for the same.
func detours(v *victim) (all []string) {
	paths := []string{"/monitor", "/monitor/api/queues", "/metrics", "/v1/", "/nowhere"}
	for _, op := range v.document.Operations {
		if op.Scope() != "" {
			paths = append(paths, op.Fill(openapitest.Parameter.Example))
		}
	}
	for _, path := range paths {
		all = append(all, detoursTo(path)...)
	}
	return all
}

func detoursTo(path string) []string {
	head, last := path[:strings.LastIndex(path, "/")+1], path[strings.LastIndex(path, "/")+1:]
	return []string{
		path, path + "/", path + "//", path + "/.", path + "?x=/healthz", path + "%20", path + ".json", path + ";a=b",
		"/" + path, "/." + path, "/x/.." + path, "/docs/.." + path, "/docs/%2e%2e" + path, "/docs%2f.." + path, "/healthz/.." + path,
		"/healthz" + path, "/%2e" + path, "/v1/.." + path, `/docs\..` + path, "/docs/..;" + path, "/docs/" + path, "/docs?" + path,
		strings.ToUpper(path), strings.Replace(path, "/", "%2f", 2), head + "%" + hex(last) + last[min(1, len(last)):],
		strings.Replace(path, "v1", "V1", 1), "http://localhost" + path, path + "%00", path + "%00/docs", path + "/../docs/", path + "%2f..%2fdocs",
	}
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "Post", "DeLeTe"}

// hex writes the first byte of a text as an escape does.
func hex(text string) string {
	const digits = "0123456789abcdef"
	if text == "" {
		return "2e"
	}
	return string([]byte{digits[text[0]>>4], digits[text[0]&15]})
}

// However a path is written, and whatever the method: without credentials nobody gets past what is open.
func TestNoWayAroundTheCredentials(t *testing.T) {
	v := newVictim(t, guard(t))
	for i, target := range detours(v) {
		for _, method := range methods {
			v.wantRefusal(t, newRequest(method, target, ""))
		}
		r := newRequest(methods[i%len(methods)], target, "")
		if r == nil {
			continue
		}
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("X-Http-Method-Override", http.MethodOptions)
		r.Header.Set("X-Original-Url", "/healthz")
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		v.wantRefusal(t, r)
	}
}

// wantRefusal sends a request without credentials. It may show what is open, and nothing else.
func (v *victim) wantRefusal(t *testing.T, r *http.Request) {
	t.Helper()
	if r == nil {
		return
	}
	path := r.URL.Path // which nobody has changed yet
	answer := v.send(t, r)
	if answer.Code < 400 && !isOpen(path) || strings.Contains(answer.Body.String(), `"id":"order-17"`) {
		t.Errorf("%s %q without credentials: %d %s", r.Method, r.RequestURI, answer.Code, answer.Body)
	}
}

// However a path is written: who lacks the scope of a call cannot make it.
func TestNoWayAroundTheScopes(t *testing.T) {
	scopes := []string{
		auth.TasksRead, auth.TasksWrite, auth.SchedulesRead, auth.SchedulesWrite, auth.QueuesRead, auth.QueuesWrite, auth.Admin,
	}
	var keys []auth.Key
	for _, scope := range scopes {
		keys = append(keys, auth.Key{Name: scope, Secret: "all-but-" + scope, Scopes: without(scopes, scope)})
	}
	a, err := auth.New(auth.Config{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	v := newVictim(t, func(c *httpapi.Config) { c.Auth, c.RefusalRate = a, manyRefusals })
	for _, op := range v.document.Operations {
		if op.Scope() == "" {
			continue
		}
		for _, target := range detoursTo(op.Fill(openapitest.Parameter.Example)) {
			for _, method := range []string{op.Method, strings.ToLower(op.Method), http.MethodHead, http.MethodTrace} {
				r := newRequest(method, target, "")
				if r == nil {
					continue
				}
				r.Header.Set("Authorization", "Bearer all-but-"+op.Scope())
				path := r.URL.Path
				if asked, ok := v.document.Find(method, path); ok && asked.Scope() != op.Scope() {
					continue // that is another call, which the key may make
				}
				if answer := v.send(t, r); answer.Code < 400 && !isOpen(path) && !isGetOf(v, op, method, path) {
					t.Errorf("%s %q without the scope %s: %d %s", method, target, op.Scope(), answer.Code, answer.Body)
				}
			}
		}
	}
}

// isGetOf reports whether a HEAD asks for what another scope than that of the operation lets one get.
func isGetOf(v *victim, op openapitest.Operation, method, path string) bool {
	get, ok := v.document.Find(http.MethodGet, path)
	return ok && method == http.MethodHead && get.Scope() != op.Scope()
}
