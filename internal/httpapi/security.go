package httpapi

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// secure keeps web pages of other origins from changing anything, and from reading where there is no
// authentication: a page whose own name has been made to point at this API (DNS rebinding) is of the same origin to
// its browser, and only the Host header tells. An address as the host is safe, because there is no name to rebind.
func secure(cfg Config, next http.Handler) http.Handler {
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
		if cfg.Auth == nil && !isAllowedHost(r.Host, cfg.AllowedHosts) {
			writeProblem(w, newProblem(http.StatusForbidden, "an API without authentication answers only to localhost, "+
				"to IP addresses and to the names in api.allowed_hosts, and the Host header is none of these"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAllowedHost reports whether a Host header is an address, localhost, or one of the allowed names.
func isAllowedHost(hostport string, allowed []string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(allowed, host)
}

// requireForm refuses queries of which a part would be passed over because it cannot be read, and bodies that do not
// say they are JSON: any web page can send text/plain anywhere, and JSON only where it was allowed to.
func requireForm(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if p := checkForm(c.Request()); p != nil {
			return p
		}
		return next(c)
	}
}

func checkForm(r *http.Request) *problem {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return newProblem(http.StatusBadRequest, "the query is not well-formed: it has a bad escape or a semicolon")
	}
	if hasBody(r) && strings.HasPrefix(r.URL.Path, "/v1/") && !isJSON(r.Header.Get("Content-Type")) {
		return newProblem(http.StatusUnsupportedMediaType, "send JSON, with Content-Type: application/json")
	}
	return nil
}

func hasBody(r *http.Request) bool { return r.ContentLength > 0 || len(r.TransferEncoding) > 0 }

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}
