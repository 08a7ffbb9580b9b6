package guard

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// maxDepth bounds the nesting of objects and arrays in a body. People need a dozen levels; readers of JSON take stack for
// each.
const maxDepth = 100

// LimitBody refuses a body that is declared too large before a byte of it is read, and one that is too deep or has a key
// twice as soon as the reading finds that.
func (g *Guard) LimitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if g.routes.Match(c).IsOwn() {
			return g.boundBody(c, next)
		}
		if !strings.HasPrefix(r.URL.Path, "/v1/") || r.Body == nil || r.Body == http.NoBody {
			return next(c)
		}
		if r.ContentLength > g.MaxBodyBytes {
			return rest.NewProblem(http.StatusRequestEntityTooLarge, "the body is too large")
		}
		r.Body = newShallow(r.Body)
		return next(c)
	}
}

// boundBody bounds the body of a route of the program that embeds the API, in any encoding.
func (g *Guard) boundBody(c echo.Context, next echo.HandlerFunc) error {
	r := c.Request()
	if r.ContentLength > g.MaxBodyBytes {
		return rest.NewProblem(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(c.Response(), r.Body, g.MaxBodyBytes)
	}
	return next(c)
}

// shallow reads JSON until it is too deep or an object has a key twice.
type shallow struct {
	io.ReadCloser
	depth    int
	inString bool
	escaped  bool // the next character of the string belongs to a backslash
	keys     objectKeys
}

func newShallow(body io.ReadCloser) io.ReadCloser {
	return &shallow{ReadCloser: body, keys: objectKeys{seed: keySeed}}
}

func (s *shallow) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	for _, b := range p[:n] {
		if s.inString {
			if !s.text(b) {
				return 0, rest.NewProblem(http.StatusBadRequest, "the body has an object with the same key twice",
					rest.At("body", "has an object with the same key twice"))
			}
			continue
		}
		if s.structure(b); s.depth > maxDepth {
			return 0, rest.NewProblem(http.StatusBadRequest, "the body is nested too deeply",
				rest.At("body", fmt.Sprintf("has more than %d levels of objects and arrays", maxDepth)))
		}
	}
	return n, err
}

// text takes a byte of a string, and reports false at the end of a key that its object has already.
func (s *shallow) text(b byte) bool {
	switch {
	case s.escaped:
		s.escaped = false
	case b == '"':
		s.inString = false
		return !s.keys.ended()
	default:
		s.escaped = b == '\\'
	}
	if s.keys.isKey {
		s.keys.key = append(s.keys.key, b)
	}
	return true
}

// structure takes a byte outside of strings.
func (s *shallow) structure(b byte) {
	switch b {
	case '"':
		s.inString = true
	case '{', '[':
		s.depth++
		s.keys.enter(b)
	case '}', ']':
		s.depth--
		s.keys.leave()
	case ',':
		s.keys.next()
	}
}
