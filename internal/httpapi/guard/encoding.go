package guard

import (
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// DecodeBody decompresses bodies with Content-Encoding: gzip, up to the size that any body may have. Other encodings are
// refused.
func (g *Guard) DecodeBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !hasBody(r) {
			return next(c)
		}
		switch encoding := strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")); encoding {
		case "", "identity":
		case "gzip", "x-gzip":
			if r.ContentLength <= g.MaxBodyBytes { // a larger one is refused by its length
				r.ContentLength = -1
			}
			r.Body = &inflated{sent: http.MaxBytesReader(nil, r.Body, g.MaxBodyBytes)}
		default:
			c.Response().Header().Set("Accept-Encoding", "gzip, identity")
			return rest.NewProblem(http.StatusUnsupportedMediaType, "send bodies as they are, or with Content-Encoding: gzip")
		}
		return next(c)
	}
}

// inflated reads a body that was sent compressed. It reads nothing before its first Read, since there is no deadline until
// then.
type inflated struct {
	sent io.Reader
	gzip *gzip.Reader
}

func (i *inflated) Read(p []byte) (n int, err error) {
	if i.gzip == nil {
		i.gzip, err = gzip.NewReader(i.sent)
	}
	if err == nil {
		n, err = i.gzip.Read(p)
	}
	return n, notGzip(err)
}

// notGzip turns the errors of reading a compressed body into problems, except for time-outs.
func notGzip(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // as io.Reader wants it
		return err
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return err
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return rest.NewProblem(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	return rest.NewProblem(http.StatusBadRequest, "the body is not gzip, as its Content-Encoding says", rest.At("body", "is not gzip to its end"))
}

// Close does nothing: the body that was sent is closed by net/http.
func (i *inflated) Close() error { return nil }
