package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxDepth is how many objects and arrays of a body may be inside one another. People need a dozen; what reads JSON takes
// stack for each level.
const maxDepth = 100

// limitBody refuses a body that says it is too large before a byte of it is read, and one that is too deep when its
// first level too many comes.
func (a *api) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !strings.HasPrefix(r.URL.Path, "/v1/") || r.Body == nil || r.Body == http.NoBody {
			return next(c)
		}
		if r.ContentLength > a.MaxBodyBytes {
			return newProblem(http.StatusRequestEntityTooLarge, "the body is too large")
		}
		r.Body = &shallow{ReadCloser: r.Body}
		return next(c)
	}
}

// shallow reads JSON until it is too deep.
type shallow struct {
	io.ReadCloser
	depth    int
	inString bool
	escaped  bool // the next character of the string belongs to a backslash
}

func (s *shallow) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	for _, b := range p[:n] {
		switch {
		case s.escaped:
			s.escaped = false
		case s.inString:
			s.escaped, s.inString = b == '\\', b != '"'
		case b == '"':
			s.inString = true
		case b == '{' || b == '[':
			if s.depth++; s.depth > maxDepth {
				return 0, newProblem(http.StatusBadRequest, "the body is nested too deeply",
					fault{"body", fmt.Sprintf("has more than %d levels of objects and arrays", maxDepth)})
			}
		case b == '}' || b == ']':
			s.depth--
		}
	}
	return n, err
}
