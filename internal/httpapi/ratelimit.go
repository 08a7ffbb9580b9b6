package httpapi

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

	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// Buckets is where it is kept how much callers have asked for.
type Buckets interface {
	// Take takes a charge out of a caller's bucket, if that holds enough. Its errors mean that nobody knows.
	Take(ctx context.Context, caller string, rate ratelimit.Rate, charge ratelimit.Charge) (ratelimit.Decision, error)
}

// bucketPatience is how long a request waits to be counted.
const bucketPatience = time.Second

// account is where a request is charged.
type account struct {
	*api
	caller string
	header http.Header // of the answer
}

type accountKey struct{}

// limitRate charges each request to its caller, and refuses it when the caller's bucket is empty. What anybody may ask
// for is not counted: load balancers must always get an answer.
func (a *api) limitRate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.RateLimit.Limits() && a.table.scope(c) != Public {
			if err := a.chargeRequest(c); err != nil {
				return err
			}
		}
		return next(c)
	}
}

func (a *api) chargeRequest(c echo.Context) error {
	r := c.Request()
	at := &account{a, callerOf(c), c.Response().Header()}
	if at.caller == "" {
		at.caller = addressOf(r)
	}
	if err := at.charge(r.Context(), a.RateLimit.Request(), 1); err != nil {
		return err
	}
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), accountKey{}, at)))
	return nil
}

// chargeFor charges a request, which has been charged as one, for all of the n things that it asks for.
func (a *api) chargeFor(ctx context.Context, n int) error {
	at, limited := ctx.Value(accountKey{}).(*account)
	if !limited || n == 1 {
		return nil
	}
	return at.charge(ctx, a.RateLimit.Rest(n), n)
}

// charge returns a problem if the caller's bucket does not hold enough. The request costs so much as a whole, which it must
// find there when it comes again. Where nobody can tell, it passes: whatever needs Redis will say so itself.
func (at *account) charge(ctx context.Context, charge ratelimit.Charge, whole int) error {
	ctx, cancel := context.WithTimeout(ctx, bucketPatience)
	defer cancel()
	rate := at.RateLimit
	decision, err := at.Buckets.Take(ctx, at.caller, rate, charge)
	if err != nil {
		at.Logger.Debug("request not counted", "request_id", requestID(ctx), "error", err)
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
	return newProblem(http.StatusTooManyRequests, fmt.Sprintf("this is more than the limit allows; try again in %d s", again))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// addressOf names a caller that does not have to show who it is. One network interface has as many IPv6 addresses as it
// likes; what is routed to it is a /64.
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
