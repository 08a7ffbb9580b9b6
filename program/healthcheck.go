package program

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/backbeat-go/backbeat/config"
)

// healthcheck asks the program that runs with the same configuration on this machine whether it is ready. It is for
// container images, which have no shell and no curl.
func healthcheck(ctx context.Context, p Program, cfg *config.Config) error {
	addr, key := cfg.API.Addr, "api.addr"
	switch p {
	case Worker:
		addr, key = cfg.Worker.AdminAddr, "worker.admin_addr"
	case Beat:
		addr, key = cfg.Beat.AdminAddr, "beat.admin_addr"
	}
	if addr == "" {
		return fmt.Errorf("%s is not set, so there is nothing to ask", key)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(addr)+"/readyz", nil) //nolint:gosec // the operator chooses it
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", req.URL, res.Status)
	}
	return nil
}

// reachable turns an address to listen on, such as 0.0.0.0:8080, into one to call.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
