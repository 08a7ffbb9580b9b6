package catalog_test

import (
	"context"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

func TestHandlersHaveMiddlewareUnderEveryName(t *testing.T) {
	var order []string
	note := func(name string) task.Middleware {
		return func(next task.Func) task.Func {
			return func(ctx context.Context, payload []byte) ([]byte, error) {
				order = append(order, name)
				return next(ctx, payload)
			}
		}
	}
	mail := task.Define[task.None, task.None]("mail", task.Aliases("post"))
	set := mail.Handle(func(context.Context, task.None) (task.None, error) { return task.None{}, nil }, note("type"))
	byName, err := catalog.Handlers([]task.Middleware{note("outer"), note("inner")}, set)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mail", "post"} {
		order = nil
		if _, err := byName[name].Run(t.Context(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(order, " "); got != "outer inner type" {
			t.Errorf("%s: the middleware runs as %s", name, got)
		}
	}
	if _, err := catalog.Handlers(nil, set, set); err == nil {
		t.Error("a type may be defined twice")
	}
}
