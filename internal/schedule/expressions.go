package schedule

import (
	"sync"

	"github.com/backbeat-go/backbeat/internal/cron"
)

// maxExpressions bounds parsedExpressions to about 10 MB. It is more than the number of minutes in a week.
const maxExpressions = 20_000

// parsedExpressions caches the cron expressions of schedules. Many schedules share few expressions, and parsing one takes
// longer than the rest of Plan.
var parsedExpressions = expressions{parsed: make(map[expressionKey]*cron.Expression)}

type expressions struct {
	mu     sync.RWMutex
	parsed map[expressionKey]*cron.Expression
}

type expressionKey struct {
	text  string
	match cron.DayMatch
}

// parse is cron.Parse with the cache. It does not cache errors: the expressions of schedules are valid.
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
		clear(e.parsed) // expressions in use are parsed again; tracking their use would cost more
	}
	e.parsed[key] = expr
	return expr, nil
}
