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

// pace is when a key set is fetched.
type pace struct {
	refresh time.Duration // after a fetch that succeeded
	retry   time.Duration // after one that failed
	gap     time.Duration // after any, at the soonest, when a token names a key that is not there
	timeout time.Duration // for a whole fetch
	now     func() time.Time
}

// keySet is the keys that an issuer publishes, kept fresh by one goroutine. Only that goroutine fetches and stores,
// so that fetches never overlap, and a caller who goes away takes nobody's fetch with it.
type keySet struct {
	url    string
	client *http.Client
	pace   pace
	logger *slog.Logger
	state  atomic.Pointer[keySetState]
	// asked takes a channel from each caller who found no key; it is closed when looking again makes sense.
	asked  chan chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
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
		asked: make(chan chan struct{}), cancel: cancel, done: make(chan struct{}),
	}
	s.state.Store(&keySetState{err: errors.New("not fetched yet")})
	go s.keepFresh(ctx)
	return s, nil
}

func (s *keySet) close() {
	s.cancel()
	<-s.done
}

// find returns the keys for alg with the id kid, or all of them where kid is empty. If there are none, it has the
// set fetched, unless that was just done.
func (s *keySet) find(ctx context.Context, alg, kid string) ([]jwt.VerificationKey, error) {
	if keys := s.state.Load().matching(alg, kid); len(keys) > 0 {
		return keys, nil
	}
	s.ask(ctx)
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

func (s *keySet) ask(ctx context.Context) {
	answered := make(chan struct{})
	select {
	case s.asked <- answered:
	case <-ctx.Done():
		return
	case <-s.done:
		return
	}
	select {
	case <-answered:
	case <-ctx.Done():
	case <-s.done:
	}
}

func (s *keySet) keepFresh(ctx context.Context) {
	defer close(s.done)
	defer s.client.CloseIdleConnections()
	var asker chan struct{}
	for ctx.Err() == nil {
		tried := s.pace.now()
		wait := s.load(ctx)
		if asker != nil {
			close(asker)
		}
		asker = s.idle(ctx, tried, wait)
	}
}

// idle waits until a fetch is due, and returns the caller who asked for it, or nil.
func (s *keySet) idle(ctx context.Context, tried time.Time, wait time.Duration) chan struct{} {
	due := time.NewTimer(wait)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
			return nil
		case asker := <-s.asked:
			if s.pace.now().Sub(tried) >= s.pace.gap {
				return asker
			}
			close(asker)
		}
	}
}

// load fetches the set and returns how long it is good for. A failure leaves the keys as they are: an issuer who is
// down must not lock everybody out.
func (s *keySet) load(ctx context.Context) time.Duration {
	before := s.state.Load()
	keys, err := s.fetch(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return 0 // closed
	case err != nil:
		if before.err == nil || before.err.Error() != err.Error() {
			s.logger.Warn("cannot fetch the keys that JWTs are checked with", "error", err, "retry_in", s.pace.retry)
		}
		s.state.Store(&keySetState{keys: before.keys, err: err})
		return s.pace.retry
	}
	if before.err != nil {
		s.logger.Info("fetched the keys that JWTs are checked with", "keys", len(keys))
	}
	s.state.Store(&keySetState{keys: keys})
	return s.pace.refresh
}
