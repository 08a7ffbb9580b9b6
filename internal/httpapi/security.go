package httpapi

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// secure keeps web pages of other origins from changing anything, and from reading where there is no
// authentication.
func secure(loopbackOnly bool, next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, newProblem(http.StatusForbidden, "a page of another origin may not change anything here"))
	}))
	next = origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			h.Set("Cache-Control", "no-store")
		}
		if loopbackOnly && !isLoopbackHost(r.Host) {
			writeProblem(w, newProblem(http.StatusForbidden,
				"an API without authentication answers only to localhost and the loopback addresses"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// requireForm refuses queries of which a part would be passed over because it cannot be read, and bodies that do not
// say they are JSON: any web page can send text/plain anywhere, and JSON only where it was allowed to.
func requireForm(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
			return newProblem(http.StatusBadRequest, "the query is not well-formed: it has a bad escape or a semicolon")
		}
		hasBody := r.ContentLength > 0 || len(r.TransferEncoding) > 0
		if hasBody && strings.HasPrefix(r.URL.Path, "/v1/") && !isJSON(r.Header.Get("Content-Type")) {
			return newProblem(http.StatusUnsupportedMediaType, "send JSON, with Content-Type: application/json")
		}
		return next(c)
	}
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}
