package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// escapeSegment writes the part of a path between two slashes, escaping only what must be.
var escapeSegment = strings.NewReplacer("%", "%25", "/", "%2F")

// canonicalPath returns the path that routes match, if that is not u.Path: an id may be sent as a%40b or as a@b, and a slash
// in it must be sent as %2F, which separates no segments.
func canonicalPath(u *url.URL) string {
	if !strings.Contains(u.RawPath, "%") && !strings.Contains(u.Path, "%") {
		return ""
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, s := range segments {
		if text, err := url.PathUnescape(s); err == nil { // which net/http has checked
			segments[i] = escapeSegment.Replace(text)
		}
	}
	if path := strings.Join(segments, "/"); path != u.Path {
		return path
	}
	return ""
}

// Below serves a handler below a prefix. The router outside may leave the prefix in the path, or cut it off as
// http.StripPrefix does.
func Below(prefix string, next http.Handler) http.Handler {
	if prefix == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := r.URL; !hasCutOff(r, prefix) && (u.Path == prefix || strings.HasPrefix(u.Path, prefix+"/")) {
			u.Path = strings.TrimPrefix(u.Path, prefix) // WithRequestID has made a copy
			u.RawPath = strings.TrimPrefix(u.RawPath, prefix)
		}
		if r.URL.Path == "" {
			r.URL.Path = "/"
		}
		next.ServeHTTP(w, r)
	})
}

// hasCutOff reports whether a router outside has cut the prefix off. It is cut off once, however often a client repeats it,
// so that a guard of a path outside holds here too.
func hasCutOff(r *http.Request, prefix string) bool {
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	path, err := url.PathUnescape(asked)
	return err == nil && strings.HasSuffix(path, prefix+r.URL.Path)
}

// UnescapeParams unescapes the parameters of a path.
func UnescapeParams(next echo.HandlerFunc) echo.HandlerFunc {
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
