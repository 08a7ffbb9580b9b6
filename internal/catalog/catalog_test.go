package catalog_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

func define(name string, opts ...task.Option) *task.Type {
	return task.Define[task.None, task.None](name, opts...).Type
}

func TestRegistryListsTypesByName(t *testing.T) {
	r := catalog.New([]string{"default"}, time.Hour)
	if err := r.Add(define("b.two"), define("c.three"), define("a.one")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, typ := range r.Types() {
		names = append(names, typ.Name)
	}
	if want := []string{"a.one", "b.two", "c.three"}; !slices.Equal(names, want) {
		t.Errorf("Types = %q, want %q", names, want)
	}
	if typ, ok := r.Lookup("b.two"); !ok || typ.Name != "b.two" {
		t.Errorf("Lookup = %v, %t", typ, ok)
	}
	if _, ok := r.Lookup("B.two"); ok {
		t.Error("Lookup finds a name in another case")
	}
}

func TestRegistryRefuses(t *testing.T) {
	r := catalog.New([]string{"default"}, time.Hour)
	if err := r.Add(define("a.one")); err != nil {
		t.Fatal(err)
	}
	for want, typ := range map[string]*task.Type{
		"a.one is defined twice":           define("a.one"),
		`b.two uses queue "no-such-queue"`: define("b.two", task.Queue("no-such-queue")),
	} {
		if err := r.Add(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Add(%s): %v, want %q in it", typ.Name, err, want)
		}
	}
}

func TestQueueOfAType(t *testing.T) {
	tests := []struct {
		queues []string
		typ    *task.Type
		want   string
	}{
		{[]string{"critical", "default"}, define("a"), "default"},
		{[]string{"critical", "low"}, define("a"), "critical"},
		{[]string{"critical", "low"}, define("a", task.Queue("low")), "low"},
	}
	for _, tt := range tests {
		if got := catalog.New(tt.queues, 0).QueueOf(tt.typ); got != tt.want {
			t.Errorf("of %q a type with queue %q takes %q, want %q", tt.queues, tt.typ.Queue, got, tt.want)
		}
	}
}
