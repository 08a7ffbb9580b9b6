package guard

import (
	"net"
	"net/http"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
)

// OnlyLocal refuses requests from other machines, by the address that they were sent to. Without an address, as with a Unix
// socket, there are no other machines.
func OnlyLocal(next http.Handler) http.Handler {
	refuse := rest.WithRequestID(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rest.NewProblem(http.StatusForbidden, "an API without authentication serves only its own machine; "+
			"set api.keys or api.jwt, or api.insecure if something else protects it").Write(w)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
