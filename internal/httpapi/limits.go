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

// limitBody refuses a body that says it is too large before a byte of it is read, and one that is too deep or has a key
// twice as soon as that is seen.
func (a *api) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.isOwn(c) {
			if err := a.boundBody(c); err != nil {
				return err
			}
			return next(c)
		}
		r := c.Request()
		if !strings.HasPrefix(r.URL.Path, "/v1/") || r.Body == nil || r.Body == http.NoBody {
			return next(c)
		}
		if r.ContentLength > a.MaxBodyBytes {
			return newProblem(http.StatusRequestEntityTooLarge, "the body is too large")
		}
		r.Body = newShallow(r.Body)
		return next(c)
	}
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
				return 0, newProblem(http.StatusBadRequest, "the body has an object with the same key twice",
					fault{"body", "has an object with the same key twice"})
			}
			continue
		}
		if s.structure(b); s.depth > maxDepth {
			return 0, newProblem(http.StatusBadRequest, "the body is nested too deeply",
				fault{"body", fmt.Sprintf("has more than %d levels of objects and arrays", maxDepth)})
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
