package guard

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// Buckets counts the requests of each caller.
type Buckets interface {
	// Take takes a charge out of a caller's bucket, if that holds enough. An error means that the bucket is out of reach.
	Take(ctx context.Context, caller string, rate ratelimit.Rate, charge ratelimit.Charge) (ratelimit.Decision, error)
}

// bucketPatience bounds how long a request waits to be counted.
const bucketPatience = time.Second

// account is where a request is charged.
type account struct {
	*Guard
	caller string
	header http.Header // of the answer
}

type accountKey struct{}

// LimitRate charges each request to its caller, and refuses it when the caller's bucket is empty. Public routes are not
// counted: load balancers must always get an answer.
func (g *Guard) LimitRate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if g.RateLimit.Limits() && g.routes.Scope(c) != rest.Public {
			if err := g.chargeRequest(c); err != nil {
				return err
			}
		}
		return next(c)
	}
}

func (g *Guard) chargeRequest(c echo.Context) error {
	r := c.Request()
	at := &account{g, CallerOf(c), c.Response().Header()}
	if at.caller == "" {
		at.caller = addressOf(r)
	}
	if err := at.charge(r.Context(), g.RateLimit.Request(), 1); err != nil {
		return err
	}
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), accountKey{}, at)))
	return nil
}

// ChargeFor charges a request, which has been charged as one, for all of its n parts.
func ChargeFor(ctx context.Context, n int) error {
	at, limited := ctx.Value(accountKey{}).(*account)
	if !limited || n == 1 {
		return nil
	}
	return at.charge(ctx, at.RateLimit.Rest(n), n)
}

// charge returns a problem if the caller's bucket does not hold enough. whole is the cost of the whole request, which the
// bucket must hold when it is sent again. Without the store requests pass: handlers that need Redis answer with 503.
func (at *account) charge(ctx context.Context, charge ratelimit.Charge, whole int) error {
	ctx, cancel := context.WithTimeout(ctx, bucketPatience)
	defer cancel()
	rate := at.RateLimit
	decision, err := at.Buckets.Take(ctx, at.caller, rate, charge)
	if err != nil {
		at.Logger.Debug("request not counted", "request_id", rest.RequestID(ctx), "error", err)
		return nil
	}
	left := max(0, int(math.Floor(decision.Tokens)))
	full := seconds(rate.Until(decision.Tokens, rate.Burst))
	at.header.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, rate.Limit, seconds(rate.Period)))
	at.header.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, left, full))
	if decision.Allowed {
		return nil
	}
	again := max(1, seconds(rate.Until(decision.Tokens, min(whole, rate.Burst))))
	at.header.Set("Retry-After", strconv.Itoa(again))
	return rest.NewProblem(http.StatusTooManyRequests, fmt.Sprintf("this is more than the limit allows; try again in %d s", again))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// addressOf returns the name of a caller without credentials. One network interface may have any number of IPv6 addresses
// in the /64 that is routed to it, so those count as one.
func addressOf(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "address:" + r.RemoteAddr
	}
	if ip = ip.Unmap(); ip.Is6() {
		return "address:" + netip.PrefixFrom(ip, 64).Masked().String()
	}
	return "address:" + ip.String()
}
