package tasks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

const maxRedirects = 10

// newHTTPClient returns a client that reaches public addresses and the allowed ones. The check is made where a
// connection is dialled, when the name has become an address: so it holds for redirects, and for names that
// become another address the second time they are asked for.
func newHTTPClient(allow []netip.Prefix) *http.Client {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Unmap().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	guard := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	dialer := &net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		Control: func(network, address string, c syscall.RawConn) error {
			if guard.Safe(network, address, c) != nil {
				return &forbiddenAddress{address}
			}
			return nil
		},
	}
	return &http.Client{
		Transport: &http.Transport{
			// No proxy: it would dial for us, and not be asked.
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
}

// forbiddenAddress is the error of an address that may not be called.
type forbiddenAddress struct{ address string }

func (e *forbiddenAddress) Error() string {
	return fmt.Sprintf("%s is not a public address, and http_task.allow_cidrs does not allow it", e.address)
}
