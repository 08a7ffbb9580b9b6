package guard

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// listParams are the query parameters that take several values.
var listParams = []string{"queue", "state", "type"}

// JoinParams joins the values of each list parameter with commas, which the routes read as well. Any other parameter that is
// given twice is refused, since one of its values would be ignored.
func JoinParams(next echo.HandlerFunc) echo.HandlerFunc {
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
				return rest.NewProblem(http.StatusUnprocessableEntity, "validation failed",
					rest.At("query."+name, fmt.Sprintf("is given %d times, and takes one value", len(values))))
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

// RequireForm refuses queries with a part that cannot be read and so would be ignored, and bodies that are not declared as
// JSON: any web page can send text/plain to any origin, and JSON only where that origin allows it.
func RequireForm(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if p := checkForm(c.Request()); p != nil {
			return p
		}
		return next(c)
	}
}

func checkForm(r *http.Request) *rest.Problem {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return rest.NewProblem(http.StatusBadRequest, "the query is not well-formed: it has a bad escape or a semicolon")
	}
	if hasBody(r) && strings.HasPrefix(r.URL.Path, "/v1/") && !isJSON(r.Header.Get("Content-Type")) {
		return rest.NewProblem(http.StatusUnsupportedMediaType, "send JSON, with Content-Type: application/json")
	}
	return nil
}

func hasBody(r *http.Request) bool { return r.ContentLength > 0 || len(r.TransferEncoding) > 0 }

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}
