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

// pauses is the backoff between the attempts of a call.
var pauses = task.Backoff{Base: 200 * time.Millisecond, Cap: 10 * time.Second}

// The most attempts of a call. The pauses between 5 attempts take 1.5 s on average, those between 15 attempts one minute.
const (
	attempts        = 5
	patientAttempts = 15
)

// repeat makes a call until it succeeds, a repetition is useless or unsafe, or ctx ends.
func (c *Client) repeat(ctx context.Context, r *call) (*response, error) {
	for failures := 0; ; failures++ {
		a, err := c.attempt(ctx, r)
		if err == nil {
			return a, nil
		}
		if err := r.awaitRetry(ctx, err, failures); err != nil {
			return nil, err
		}
		r.unsure = r.unsure || !notDone(err)
	}
}

// awaitRetry pauses before the next attempt of a call whose last attempt failed with err. It returns an error if the call
// must not be repeated.
func (r *call) awaitRetry(ctx context.Context, err error, failures int) error {
	limit := attempts
	if r.patient {
		limit = patientAttempts
	}
	if ctx.Err() != nil || failures+1 >= limit || !r.mayRepeat(err) {
		return err
	}
	pause := pauses.Delay(failures)
	if e, ok := errors.AsType[*Error](err); ok {
		pause += e.RetryAfter // plus jitter, because many callers may have got the same RetryAfter
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
		return err // more useful than the DeadlineExceeded that would follow
	}
	if ctxErr := sleep(ctx, pause); ctxErr != nil {
		return fmt.Errorf("%w, after: %w", ctxErr, err)
	}
	return nil
}

// mayRepeat reports whether another attempt after err may succeed, and is safe.
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

// notDone reports whether an attempt that failed with err has certainly changed nothing, and may succeed if repeated.
func notDone(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status == http.StatusTooManyRequests
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// sleep waits for d. It returns the error of ctx if that ends first.
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
