package guard_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
)

func TestOnlyLocal(t *testing.T) {
	handler := guard.OnlyLocal(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for address, want := range map[net.Addr]int{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}: http.StatusOK,
		&net.TCPAddr{IP: net.IPv6loopback, Port: 80}:       http.StatusOK,
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}: http.StatusForbidden,
		&net.UnixAddr{Name: "api.sock", Net: "unix"}:       http.StatusOK,
	} {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, address), http.MethodGet, "/", nil)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != want {
			t.Errorf("a request to %s: %d, want %d", address, answer.Code, want)
		}
	}
}
