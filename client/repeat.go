package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/backbeat-go/backbeat/task"
)

// pauses are the ones between the attempts of a call.
var pauses = task.Backoff{Base: 200 * time.Millisecond, Cap: 10 * time.Second}

// How often a call is attempted. The pauses between five attempts last 1.5 s on average, those between 15 one minute.
const (
	attempts        = 5
	patientAttempts = 15
)

// repeat makes a call until it succeeds, it is not worth or not safe to try again, or ctx ends.
func (c *Client) repeat(ctx context.Context, r *call) (*answer, error) {
	for failures := 0; ; failures++ {
		a, err := c.attempt(ctx, r)
		if err == nil {
			return a, nil
		}
		if err := r.again(ctx, err, failures); err != nil {
			return nil, err
		}
		r.unsure = r.unsure || !notDone(err)
	}
}

// again pauses before the next attempt of a call whose newest one failed with err, and returns an error if there is to be
// none.
func (r *call) again(ctx context.Context, err error, failures int) error {
	limit := attempts
	if r.patient {
		limit = patientAttempts
	}
	if ctx.Err() != nil || failures+1 >= limit || !r.mayRepeat(err) {
		return err
	}
	pause := pauses.Delay(failures)
	if e, ok := errors.AsType[*Error](err); ok {
		pause += e.RetryAfter // the jitter keeps callers apart that were all told the same
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return err // and not what the caller knows: that the time is over
	}
	if ctxErr := sleep(ctx, pause); ctxErr != nil {
		return fmt.Errorf("%w, after: %w", ctxErr, err)
	}
	return nil
}

// mayRepeat reports whether another attempt may do better than one that failed with err, and does no harm.
func (r *call) mayRepeat(err error) bool {
	if notDone(err) {
		return true
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Status {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return r.safe
		default:
			return false
		}
	}
	return r.safe
}

// notDone reports whether an attempt that failed with err has certainly changed nothing and may do better the next time.
func notDone(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status == http.StatusTooManyRequests
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// sleep returns ctx's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
