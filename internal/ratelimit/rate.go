// Package ratelimit says what a rate limit is: a bucket of tokens that fills at a steady rate, and of which each request takes
// some. Where the buckets are kept is not its business.
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

// Rate is how much a caller may ask for. The zero Rate is no limit.
type Rate struct {
	Limit  int           // tokens that the bucket gains in a Period
	Period time.Duration // a second, a minute or an hour
	Burst  int           // tokens that the bucket holds
}

var (
	form    = regexp.MustCompile(`^([0-9]+)/([smh])(?: +burst=([0-9]+))?$`)
	periods = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
)

// Parse reads a rate: 100/s, 6000/m or 360000/h, with " burst=200" after it where the bucket is to hold something else than what
// it gains in one such period.
func Parse(text string) (Rate, error) {
	parts := form.FindStringSubmatch(text)
	if parts == nil {
		return Rate{}, errors.New("must be a number a second, minute or hour, such as 100/s, 6000/m or 100/s burst=200")
	}
	if parts[3] == "" {
		parts[3] = parts[1]
	}
	limit, limitErr := strconv.Atoi(parts[1])
	burst, burstErr := strconv.Atoi(parts[3])
	if limitErr != nil || burstErr != nil || limit < 1 || limit > Max || burst < 1 || burst > Max {
		return Rate{}, fmt.Errorf("rate and burst must be 1 to %d", Max)
	}
	return Rate{Limit: limit, Period: periods[parts[2]], Burst: burst}, nil
}

// Limits reports whether there is a limit at all.
func (r Rate) Limits() bool { return r.Limit > 0 }

// PerSecond is how many tokens the bucket gains in a second.
func (r Rate) PerSecond() float64 { return float64(r.Limit) / r.Period.Seconds() }

// Until returns how long it takes a bucket of so many tokens to hold that many; 0 if it does.
func (r Rate) Until(tokens float64, want int) time.Duration {
	return max(0, time.Duration((float64(want)-tokens)/r.PerSecond()*float64(time.Second)))
}

// Charge is what a request takes out of a bucket.
type Charge struct {
	Cost int
	// Need is what the bucket must hold for that. What it lacks of Cost it owes.
	Need int
}

// Request is the charge of any request.
func (r Rate) Request() Charge { return Charge{Cost: 1, Need: 1} }

// Rest is what a request is charged that asks for n things, beyond the one that it was charged as a request. The bucket
// must hold them. If there are more than it can ever hold, it must be full but for that one.
func (r Rate) Rest(n int) Charge { return Charge{Cost: n - 1, Need: min(n, r.Burst) - 1} }

// Decision is what became of a charge.
type Decision struct {
	Allowed bool
	// Tokens is what the bucket holds now. It is below 0 if it owes some.
	Tokens float64
}
