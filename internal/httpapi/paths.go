package httpapi

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// escapeSegment writes the part of a path between two slashes, escaping only what must be.
var escapeSegment = strings.NewReplacer("%", "%25", "/", "%2F")

// canonicalPath returns the path that routes match, if that is not u.Path: an id may come as a%40b or as a@b, and a
// slash in it must come as %2F, which separates nothing.
func canonicalPath(u *url.URL) string {
	if !strings.Contains(u.RawPath, "%") && !strings.Contains(u.Path, "%") {
		return ""
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, s := range segments {
		if text, err := url.PathUnescape(s); err == nil { // which net/http has made sure of
			segments[i] = escapeSegment.Replace(text)
		}
	}
	if path := strings.Join(segments, "/"); path != u.Path {
		return path
	}
	return ""
}

// unescapeParams gives handlers the parameters of a path as they are meant.
func unescapeParams(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath == "" {
			return next(c)
		}
		values := c.ParamValues()
		for i, v := range values {
			if text, err := url.PathUnescape(v); err == nil {
				values[i] = text
			}
		}
		c.SetParamValues(values...)
		return next(c)
	}
}
