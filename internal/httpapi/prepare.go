package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

// prepare checks what huma would let pass or answer with the wrong status, before huma sees it.
func prepare(maxBodyBytes int64) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := humaecho.Unwrap(ctx)
		p := unescapeParams(c)
		if p == nil {
			p = checkQuery(c.Request())
		}
		if p == nil && ctx.Operation().RequestBody != nil {
			p = readBody(c, maxBodyBytes)
		}
		if p != nil {
			handleError(p, c)
			return
		}
		next(ctx)
	}
}

// unescapeParams undoes what clients escape in a path, such as the @ of an id. Echo leaves it as it came.
func unescapeParams(c echo.Context) *problem {
	values := slices.Clone(c.ParamValues())
	for i, value := range values {
		if c.Request().URL.RawPath != "" {
			value, _ = url.PathUnescape(value) // the server has refused paths that cannot be unescaped
		}
		if value == "" {
			return newProblem(http.StatusNotFound, "the path lacks a name or an id")
		}
		values[i] = value
	}
	c.SetParamValues(values...)
	return nil
}

// checkQuery refuses a query of which a part would be ignored because it cannot be read.
func checkQuery(r *http.Request) *problem {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return newProblem(http.StatusBadRequest, "the query is not well-formed: it has a bad escape or a semicolon")
	}
	return nil
}

// readBody reads the body, and lets only well-formed JSON through.
func readBody(c echo.Context, limit int64) *problem {
	r := c.Request()
	if !isJSON(r.Header) {
		return newProblem(http.StatusUnsupportedMediaType, "send JSON, with Content-Type: application/json and no Content-Encoding")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, limit))
	if err != nil {
		return unreadable(err, limit)
	}
	if p := checkJSON(body); p != nil {
		return p
	}
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON) // what it is, whatever +json it was called
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// isJSON insists on the header, because without it, or as text, a web page may send anything to any other origin.
func isJSON(h http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	return err == nil && h.Get(echo.HeaderContentEncoding) == "" &&
		(mediaType == echo.MIMEApplicationJSON || strings.HasSuffix(mediaType, "+json"))
}

func unreadable(err error, limit int64) *problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return newProblem(http.StatusRequestTimeout, "the body took too long to arrive")
	}
	return newProblem(http.StatusBadRequest, "the body could not be read to its end")
}

func checkJSON(body []byte) *problem {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return newProblem(http.StatusBadRequest, "the body is empty; send a JSON object")
	case !utf8.Valid(body):
		return newProblem(http.StatusBadRequest, "the body is not UTF-8")
	case !json.Valid(body):
		return newProblem(http.StatusBadRequest, "the body is not JSON: "+json.Unmarshal(body, new(any)).Error())
	}
	return nil
}
