package schedule

import (
	"sync"

	"github.com/backbeat-go/backbeat/internal/cron"
)

// maxExpressions bounds what parsedExpressions holds to some 10 MB. There are fewer minutes in a week.
const maxExpressions = 20_000

// parsedExpressions holds cron expressions that schedules have. Many schedules share few expressions, and to parse one
// takes longer than all the rest of a Plan.
var parsedExpressions = expressions{parsed: make(map[expressionKey]*cron.Expression)}

type expressions struct {
	mu     sync.RWMutex
	parsed map[expressionKey]*cron.Expression
}

type expressionKey struct {
	text  string
	match cron.DayMatch
}

// parse is cron.Parse. It keeps no errors: a schedule has an expression that can be parsed.
func (e *expressions) parse(text string, match cron.DayMatch) (*cron.Expression, error) {
	key := expressionKey{text, match}
	e.mu.RLock()
	expr := e.parsed[key]
	e.mu.RUnlock()
	if expr != nil {
		return expr, nil
	}
	expr, err := cron.Parse(text, match)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.parsed) >= maxExpressions {
		clear(e.parsed) // those in use come back; finding out which are would cost each Plan more
	}
	e.parsed[key] = expr
	return expr, nil
}
