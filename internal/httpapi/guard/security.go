package guard

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// Secure keeps web pages of other origins from changing anything, and from reading where there is no authentication. A
// page whose own name resolves to this API (DNS rebinding) has the same origin to its browser, and only the Host header
// shows it. An address as the host is safe, because there is no name to rebind.
func (g *Guard) Secure(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rest.NewProblem(http.StatusForbidden, "a page of another origin may not change anything here").Write(w)
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
		if g.Auth == nil && !isAllowedHost(r.Host, g.AllowedHosts) {
			rest.NewProblem(http.StatusForbidden, "an API without authentication answers only to localhost, "+
				"to IP addresses and to the names in api.allowed_hosts, and the Host header is none of these").Write(w)
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
