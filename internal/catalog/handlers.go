package catalog

import (
	"fmt"

	"github.com/backbeat-go/backbeat/task"
)

// Handlers returns the handlers of sets by the names of their types and by the aliases, each with middleware around it, the
// first outermost. It refuses a name that stands for two types.
func Handlers(use []task.Middleware, sets ...task.Set) (map[string]*task.Handler, error) {
	byName := make(map[string]*task.Handler)
	for _, set := range sets {
		for _, h := range set.Handlers() {
			h = &task.Handler{Type: h.Type, Run: task.Wrap(h.Run, use...)}
			for _, name := range append([]string{h.Type.Name}, h.Type.Aliases...) {
				if _, taken := byName[name]; taken {
					return nil, fmt.Errorf("task type %s is defined twice", name)
				}
				byName[name] = h
			}
		}
	}
	return byName, nil
}
