package httpapi

import (
	"net/http"
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

// below serves a handler below a prefix. The router outside may leave the prefix in the path, or cut it off as
// http.StripPrefix does.
func below(prefix string, next http.Handler) http.Handler {
	if prefix == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u := r.URL; !hasCutOff(r, prefix) && (u.Path == prefix || strings.HasPrefix(u.Path, prefix+"/")) {
			u.Path = strings.TrimPrefix(u.Path, prefix) // withRequestID has made a copy
			u.RawPath = strings.TrimPrefix(u.RawPath, prefix)
		}
		if r.URL.Path == "" {
			r.URL.Path = "/"
		}
		next.ServeHTTP(w, r)
	})
}

// hasCutOff reports whether a router outside has cut the prefix off. It is cut off once, not as often as a client puts it
// there: what guards a path outside must guard it here.
func hasCutOff(r *http.Request, prefix string) bool {
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	path, err := url.PathUnescape(asked)
	return err == nil && strings.HasSuffix(path, prefix+r.URL.Path)
}

// withPrefix puts the prefix back for a handler that needs to know it.
func (a *api) withPrefix(next http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if a.Prefix != "" {
			u := *r.URL
			u.Path = a.Prefix + u.Path
			if u.RawPath != "" {
				u.RawPath = a.Prefix + u.RawPath
			}
			shallow := *r
			shallow.URL = &u
			r = &shallow
		}
		next.ServeHTTP(c.Response(), r)
		return nil
	}
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
