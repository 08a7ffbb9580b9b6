package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// listParams are the query parameters that take several values.
var listParams = []string{"queue", "state", "type"}

// joinParams makes one value of each query parameter: of a list's values one with commas between them, which the routes read
// as well. Any other parameter that is given twice is refused, for one of its values would be passed over.
func joinParams(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.RawQuery == "" {
			return next(c)
		}
		query, joined := r.URL.Query(), false
		for name, values := range query {
			if len(values) == 1 {
				continue
			}
			if !slices.Contains(listParams, name) {
				return newProblem(http.StatusUnprocessableEntity, "validation failed",
					fault{"query." + name, fmt.Sprintf("is given %d times, and takes one value", len(values))})
			}
			query[name], joined = []string{strings.Join(values, ",")}, true
		}
		if joined {
			u := *r.URL
			u.RawQuery = query.Encode()
			shallow := *r
			shallow.URL = &u
			c.SetRequest(&shallow)
		}
		return next(c)
	}
}
