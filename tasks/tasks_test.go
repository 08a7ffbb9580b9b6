package tasks_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestBuiltinTypes(t *testing.T) {
	handlers, err := catalog.Handlers(nil, tasks.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for name, h := range handlers {
		got[name] = true
		if h.Type.Description == "" || h.Type.Debug != strings.HasPrefix(name, "debug.") || h.Type.Internal != (name == "callback.deliver") {
			t.Errorf("%s: description %q, debug %t, internal %t", name, h.Type.Description, h.Type.Debug, h.Type.Internal)
		}
	}
	want := map[string]bool{
		"callback.deliver": true, "debug.echo": true, "debug.fail": true, "debug.noop": true, "debug.sleep": true, "email.send": true,
		"http.request": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}
