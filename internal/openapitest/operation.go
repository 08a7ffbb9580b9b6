package openapitest

import (
	"encoding/json"
	"slices"
	"strings"
)

// Operation is one call.
type Operation struct {
	ID         string `json:"operationId"`
	Method     string `json:"-"`
	Path       string `json:"-"` // with its parameters in braces
	Parameters []Parameter
	// Body is what it takes; its Content is empty where it takes nothing.
	Body      content `json:"requestBody"`
	Responses map[string]response
	Security  []map[string][]string
}

// Parameter is something that the call reads from its path, query or headers.
type Parameter struct {
	Name   string
	In     string // path, query or header
	Schema struct {
		Examples []json.RawMessage
	}
}

type content struct {
	Content map[string]struct{ Example json.RawMessage }
}

type response struct {
	content
	Headers map[string]struct{ Required bool }
}

// pointer leads to the operation in the document.
func (op Operation) pointer() []string { return []string{"paths", op.Path, strings.ToLower(op.Method)} }

// schemas returns the paths of the schemas of what the operation takes as its body and of what it answers with.
func (op Operation) schemas() (paths [][]string) {
	for name := range op.Body.Content {
		paths = append(paths, append(op.pointer(), "requestBody", "content", name, "schema"))
	}
	for code, r := range op.Responses {
		for name := range r.Content {
			paths = append(paths, append(op.pointer(), "responses", code, "content", name, "schema"))
		}
		for name := range r.Headers {
			paths = append(paths, append(op.pointer(), "responses", code, "headers", name, "schema"))
		}
	}
	return paths
}

// Scope is what a caller must be allowed to do, "" if anybody may call.
func (op Operation) Scope() string {
	for _, requirement := range op.Security {
		for _, scopes := range requirement {
			return scopes[0]
		}
	}
	return ""
}

// Fill returns the path with values in place of its parameters, one for each.
func (op Operation) Fill(value func(p Parameter) string) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value(p))
		}
	}
	return path
}

// Example is a value as it stands in a URL or a header, "x" if the document has none.
func (p Parameter) Example() string {
	if len(p.Schema.Examples) == 0 {
		return "x"
	}
	var text string
	if json.Unmarshal(p.Schema.Examples[0], &text) == nil {
		return text
	}
	return string(p.Schema.Examples[0])
}

// Reads reports whether the call says that it reads a header.
func (op Operation) Reads(header string) bool {
	return slices.ContainsFunc(op.Parameters, func(p Parameter) bool { return p.In == "header" && strings.EqualFold(p.Name, header) })
}

func readOperations(data []byte) ([]Operation, error) {
	var document struct {
		Paths map[string]map[string]Operation
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	var all []Operation
	for path, operations := range document.Paths {
		for method, op := range operations {
			op.Method, op.Path = strings.ToUpper(method), path
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return all, nil
}

// Find returns the operation that answers a method at a path: of several, the one with more of the path spelled out.
func (d *Document) Find(method, path string) (found Operation, ok bool) {
	for _, op := range d.Operations {
		if op.Method == method && op.matches(path) && (!ok || strings.Count(op.Path, "{") < strings.Count(found.Path, "{")) {
			found, ok = op, true
		}
	}
	return found, ok
}

func (op Operation) matches(path string) bool {
	template, segments := strings.Split(op.Path, "/"), strings.Split(path, "/")
	return slices.EqualFunc(template, segments, func(t, s string) bool {
		return t == s || strings.HasPrefix(t, "{") && s != ""
	})
}
