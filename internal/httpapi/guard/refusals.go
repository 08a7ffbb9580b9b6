package guard

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

const (
	// maxRefusedAddresses and maxAcceptedCredentials bound what refusals remembers: about 1 MB of each.
	maxRefusedAddresses    = 10_000
	maxAcceptedCredentials = 10_000
)

// refusals limits how often an address may send bad credentials, in this process, so that keys cannot be guessed and tokens
// are not checked without bound. The credentials of an address over the limit are refused unchecked, unless they were
// accepted before: one caller behind a proxy must not lock out the others.
type refusals struct {
	rate ratelimit.Rate
	seed maphash.Seed

	mu       sync.Mutex
	buckets  map[string]bucket   // by address; absent: full
	accepted map[uint64]struct{} // hashes of Authorization headers
}

// bucket held so many tokens then.
type bucket struct {
	tokens float64
	at     time.Time
}

func newRefusals(rate ratelimit.Rate) *refusals {
	return &refusals{
		rate: rate, seed: maphash.MakeSeed(), buckets: make(map[string]bucket), accepted: make(map[uint64]struct{}),
	}
}

// check returns how long an address that has sent too many bad credentials must wait; 0 if it has not sent too many, or if
// these credentials were accepted before.
func (f *refusals) check(address, authorization string) (retryAfter time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.buckets) == 0 {
		return 0
	}
	if _, known := f.accepted[maphash.String(f.seed, authorization)]; known {
		return 0
	}
	return f.rate.Until(f.tokens(address, time.Now()), 1)
}

// tokens returns what the bucket of an address holds.
func (f *refusals) tokens(address string, now time.Time) float64 {
	b, found := f.buckets[address]
	if !found {
		return float64(f.rate.Burst)
	}
	return min(float64(f.rate.Burst), b.tokens+f.rate.PerSecond()*now.Sub(b.at).Seconds())
}

// refused charges an address for bad credentials.
func (f *refusals) refused(address, authorization string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	left := f.tokens(address, now) - 1
	delete(f.accepted, maphash.String(f.seed, authorization)) // a token expires
	makeRoom(f.buckets, address, maxRefusedAddresses)
	f.buckets[address] = bucket{max(0, left), now}
}

// good remembers credentials that were accepted.
func (f *refusals) good(authorization string) {
	hash := maphash.String(f.seed, authorization)
	f.mu.Lock()
	defer f.mu.Unlock()
	makeRoom(f.accepted, hash, maxAcceptedCredentials)
	f.accepted[hash] = struct{}{}
}

// makeRoom removes an entry, whichever comes first, from a map that is full and lacks the key.
func makeRoom[K comparable, V any](m map[K]V, key K, most int) {
	if _, found := m[key]; found || len(m) < most {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}

// tooManyRefusals answers an address that is over the limit.
func tooManyRefusals(c echo.Context, wait time.Duration) error {
	again := max(1, seconds(wait))
	c.Response().Header().Set("Retry-After", strconv.Itoa(again))
	return rest.NewProblem(http.StatusTooManyRequests, fmt.Sprintf(
		"too many bad credentials came from this address, so these were not looked at; try again in %d s", again))
}
