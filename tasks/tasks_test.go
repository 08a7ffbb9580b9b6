package tasks_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/task"
	"github.com/backbeat-go/backbeat/tasks"
)

func TestTypesAndTheirHandlers(t *testing.T) {
	builtin := []string{"email.send", "http.request"}
	debug := []string{"debug.echo", "debug.fail", "debug.noop", "debug.sleep"}
	deps := newDeps(t, tasks.Options{})
	for withDebug, want := range map[bool][]string{false: builtin, true: slices.Concat(debug, builtin)} {
		r := task.NewRegistry([]string{"default"}, time.Hour)
		if err := tasks.Register(r, withDebug); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, typ := range r.Types() {
			names = append(names, typ.Name)
			if typ.Description == "" || typ.Debug != strings.HasPrefix(typ.Name, "debug.") {
				t.Errorf("%s: description %q, debug %t", typ.Name, typ.Description, typ.Debug)
			}
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("types, debug %t (-want +got):\n%s", withDebug, diff)
		}
		handlers := slices.Sorted(maps.Keys(tasks.Handlers(deps, withDebug)))
		all := slices.Sorted(slices.Values(append([]string{"callback.deliver"}, want...))) // which nobody can ask for
		if diff := cmp.Diff(all, handlers); diff != "" {
			t.Errorf("handlers, debug %t (-want +got):\n%s", withDebug, diff)
		}
	}
}

func TestRegisterPassesRefusalsOn(t *testing.T) {
	r := task.NewRegistry([]string{"default"}, time.Hour)
	if err := tasks.Register(r, false); err != nil {
		t.Fatal(err)
	}
	if err := tasks.Register(r, false); err == nil {
		t.Error("every type is there twice")
	}
}
