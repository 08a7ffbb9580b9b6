package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// pace sets when a key set is fetched.
type pace struct {
	refresh time.Duration // after a fetch that succeeded
	retry   time.Duration // after a fetch that failed
	gap     time.Duration // the shortest time between the last fetch and one for a token that names an unknown key
	timeout time.Duration // bounds a fetch
	now     func() time.Time
}

// keySet holds the keys that an issuer publishes, refreshed by one goroutine. Only that goroutine fetches and stores,
// so that fetches never overlap, and a canceled request does not cancel a fetch that other requests wait for.
type keySet struct {
	url    string
	client *http.Client
	pace   pace
	logger *slog.Logger
	state  atomic.Pointer[keySetState]
	// waiters receives a channel from each caller that found no key. The goroutine closes it after the next fetch, or at
	// once if a fetch was made just before.
	waiters chan chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}
}

type keySetState struct {
	keys []publishedKey
	err  error // why the newest fetch failed
}

type publishedKey struct {
	id, alg string
	key     jwt.VerificationKey
}

func openKeySet(address string, p pace, logger *slog.Logger) (*keySet, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &keySet{
		url: address, client: newClient(p.timeout), pace: p, logger: logger,
		waiters: make(chan chan struct{}), cancel: cancel, done: make(chan struct{}),
	}
	s.state.Store(&keySetState{err: errors.New("not fetched yet")})
	go s.refresh(ctx)
	return s, nil
}

func (s *keySet) close() {
	s.cancel()
	<-s.done
}

// find returns the keys for alg with the ID kid, or all keys for alg if kid is empty. If there are none, it waits for
// a new fetch, unless the last one was made just before.
func (s *keySet) find(ctx context.Context, alg, kid string) ([]jwt.VerificationKey, error) {
	if keys := s.state.Load().matching(alg, kid); len(keys) > 0 {
		return keys, nil
	}
	s.awaitFetch(ctx)
	state := s.state.Load()
	keys := state.matching(alg, kid)
	switch {
	case len(keys) > 0:
		return keys, nil
	case state.err != nil:
		return nil, ErrUnavailable
	default:
		return nil, bad("the issuer has no such key")
	}
}

func (st *keySetState) matching(alg, kid string) (keys []jwt.VerificationKey) {
	for _, k := range st.keys {
		if k.alg == alg && (kid == "" || k.id == kid) {
			keys = append(keys, k.key)
		}
	}
	return keys
}

func (s *keySet) awaitFetch(ctx context.Context) {
	fetched := make(chan struct{})
	select {
	case s.waiters <- fetched:
	case <-ctx.Done():
		return
	case <-s.done:
		return
	}
	select {
	case <-fetched:
	case <-ctx.Done():
	case <-s.done:
	}
}

func (s *keySet) refresh(ctx context.Context) {
	defer close(s.done)
	defer s.client.CloseIdleConnections()
	var waiter chan struct{}
	for ctx.Err() == nil {
		tried := s.pace.now()
		wait := s.load(ctx)
		if waiter != nil {
			close(waiter)
		}
		waiter = s.idle(ctx, tried, wait)
	}
}

// idle waits until a fetch is due, and returns the channel of the caller that needs it, or nil.
func (s *keySet) idle(ctx context.Context, tried time.Time, wait time.Duration) chan struct{} {
	due := time.NewTimer(wait)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
			return nil
		case waiter := <-s.waiters:
			if s.pace.now().Sub(tried) >= s.pace.gap {
				return waiter
			}
			close(waiter)
		}
	}
}

// load fetches the set and returns the time until the next fetch. A failure leaves the keys as they are: an issuer
// that is down must not lock out every caller.
func (s *keySet) load(ctx context.Context) time.Duration {
	before := s.state.Load()
	keys, err := s.fetch(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return 0 // closed
	case err != nil:
		if before.err == nil || before.err.Error() != err.Error() {
			s.logger.Warn("cannot fetch the keys that verify JWTs", "error", err, "retry_in", s.pace.retry)
		}
		s.state.Store(&keySetState{keys: before.keys, err: err})
		return s.pace.retry
	}
	if before.err != nil {
		s.logger.Info("fetched the keys that verify JWTs", "keys", len(keys))
	}
	s.state.Store(&keySetState{keys: keys})
	return s.pace.refresh
}
