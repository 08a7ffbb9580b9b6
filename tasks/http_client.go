package tasks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/backbeat-go/backbeat/task"
)

// newHTTPTransport returns a transport that connects to public addresses and the allowed ones only.
func newHTTPTransport(allow []netip.Prefix, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		// No proxy: it would connect to addresses that are not checked.
		DialContext:            newPublicDialer(allow).dial,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// publicDialer checks each address when it connects, after the name has been resolved. So the check covers redirects, and
// names that resolve to another address the next time.
type publicDialer struct{ guard *ssrf.Guardian }

func newPublicDialer(allow []netip.Prefix) publicDialer {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return publicDialer{ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))}
}

// dial connects to the first allowed address of a host that accepts the connection. The error is permanent only if no
// address is allowed. net.Dialer may report the error of a forbidden address although an allowed one was tried.
func (d publicDialer) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	var (
		mu      sync.Mutex // net.Dialer tries the addresses of a host in parallel
		refused *forbiddenAddress
		tried   bool
	)
	dialer := net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		Control: func(network, address string, c syscall.RawConn) error {
			mu.Lock()
			defer mu.Unlock()
			if d.guard.Safe(network, address, c) != nil {
				refused = &forbiddenAddress{address}
				return refused
			}
			tried = true
			return nil
		},
	}
	conn, err := dialer.DialContext(ctx, network, hostPort)
	mu.Lock()
	defer mu.Unlock()
	switch {
	case err == nil || refused == nil:
		return conn, err
	case tried:
		return nil, fmt.Errorf("cannot connect to the other addresses of the host, and %w", refused)
	default:
		return nil, task.Permanent(refused)
	}
}

// forbiddenAddress is the error for an address that is neither public nor allowed.
type forbiddenAddress struct{ address string }

func (e *forbiddenAddress) Error() string {
	return fmt.Sprintf("%s is not a public address, and http_task.allow_cidrs does not allow it", e.address)
}
