// Package ratelimit defines rate limits as token buckets. A bucket fills at a steady rate, and each request takes tokens out
// of it. Other packages store the buckets.
package ratelimit

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Max is the largest limit and the largest burst.
const Max = 1_000_000

// Rate is the rate limit of a caller. The zero Rate is no limit.
type Rate struct {
	Limit  int           // tokens that the bucket gains in a Period
	Period time.Duration // a second, a minute or an hour
	Burst  int           // tokens that the bucket holds
}

var (
	form    = regexp.MustCompile(`^([0-9]+)/([smh])(?: +burst=([0-9]+))?$`)
	periods = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
)

// Parse reads a rate, such as 100/s, 6000/m or 360000/h, optionally followed by " burst=200". The default burst is the limit
// for one period. Limit and burst must be from 1 to Max.
func Parse(text string) (Rate, error) {
	parts := form.FindStringSubmatch(text)
	if parts == nil {
		return Rate{}, errors.New("must be a number per second, minute or hour, such as 100/s, 6000/m or 100/s burst=200")
	}
	if parts[3] == "" {
		parts[3] = parts[1]
	}
	limit, limitErr := strconv.Atoi(parts[1])
	burst, burstErr := strconv.Atoi(parts[3])
	if limitErr != nil || burstErr != nil || limit < 1 || limit > Max || burst < 1 || burst > Max {
		return Rate{}, fmt.Errorf("rate and burst must be from 1 to %d", Max)
	}
	return Rate{Limit: limit, Period: periods[parts[2]], Burst: burst}, nil
}

// Limits reports whether there is a limit.
func (r Rate) Limits() bool { return r.Limit > 0 }

// PerSecond returns the number of tokens that the bucket gains per second.
func (r Rate) PerSecond() float64 { return float64(r.Limit) / r.Period.Seconds() }

// Until returns the time until a bucket that holds tokens holds want; 0 if it already does.
func (r Rate) Until(tokens float64, want int) time.Duration {
	return max(0, time.Duration((float64(want)-tokens)/r.PerSecond()*float64(time.Second)))
}

// Charge is the price of a request, in tokens.
type Charge struct {
	Cost int // taken out of the bucket, which may become negative
	Need int // the least number of tokens that the bucket must hold
}

// Request returns the charge for any request.
func (r Rate) Request() Charge { return Charge{Cost: 1, Need: 1} }

// Rest returns the additional charge for a request of n items, the first of which Request has charged. The bucket must hold
// a token for each other item or, if it can never hold so many, be full except for that first token.
func (r Rate) Rest(n int) Charge { return Charge{Cost: n - 1, Need: min(n, r.Burst) - 1} }

// Decision is the result of a charge.
type Decision struct {
	Allowed bool
	Tokens  float64 // in the bucket after the charge; may be negative
}
