package auth_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/backbeat-go/backbeat/internal/auth"
)

// onDemand fetches at the start and for every unknown key, and never by itself.
var onDemand = auth.Pace{Refresh: time.Hour, Retry: time.Hour, Timeout: 30 * time.Second, Now: time.Now}

// old and next are an issuer's key and its successor.
var old, next = ed.named("2026-10"), strange["EdDSA"].named("2026-11")

func openAt(t *testing.T, url string, p auth.Pace) *auth.Authenticator {
	t.Helper()
	a, err := auth.NewWithPace(auth.Config{
		Keys: []auth.Key{{Name: "ci", Secret: "k3y"}},
		JWT:  &auth.JWT{JWKSURL: url, Issuer: issuerURL, Audience: audience},
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func passes(t *testing.T, a *auth.Authenticator, s signer) {
	t.Helper()
	accepted(t, a, "Bearer "+s.token(nil, nil),
		auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
}

func unavailable(t *testing.T, a *auth.Authenticator, s signer) {
	t.Helper()
	if p, err := a.Authenticate(t.Context(), "Bearer "+s.token(nil, nil)); !errors.Is(err, auth.ErrUnavailable) || p.Name != "" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestRotationOnDemand(t *testing.T) {
	server := newKeyServer(t, old.jwk())
	a := openAt(t, server.URL, onDemand)
	passes(t, a, old)
	server.publish(old.jwk(), next.jwk())
	passes(t, a, next)
	passes(t, a, old)
	server.publish(next.jwk())
	refused(t, a, "Bearer "+old.named("2026-12").token(nil, nil), noSuchKey)
	refused(t, a, "Bearer "+old.token(nil, nil), noSuchKey)
	passes(t, a, next)
}

func TestRotationInTheBackground(t *testing.T) {
	server := newKeyServer(t, old.jwk())
	now := time.Now() // stands still, so that no token causes a fetch
	a := openAt(t, server.URL, auth.Pace{
		Refresh: time.Millisecond, Retry: time.Hour, Gap: time.Hour, Timeout: 30 * time.Second, Now: func() time.Time { return now },
	})
	server.awaitFetch(t)
	passes(t, a, old)
	server.publish(next.jwk())
	server.awaitFetch(t)
	passes(t, a, next)
	refused(t, a, "Bearer "+old.token(nil, nil), noSuchKey)
}

func TestUnknownKeyIDsCauseFewFetches(t *testing.T) {
	server := newKeyServer(t, old.jwk())
	var clock atomic.Int64
	pace := onDemand
	pace.Gap, pace.Now = 10*time.Second, func() time.Time { return time.Unix(clock.Load(), 0) }
	a := openAt(t, server.URL, pace)
	passes(t, a, old)
	server.publish(old.jwk(), next.jwk())

	var callers sync.WaitGroup
	for i := range 100 {
		callers.Go(func() { refused(t, a, "Bearer "+old.named(fmt.Sprint("made-up-", i)).token(nil, nil), noSuchKey) })
	}
	callers.Wait()
	refused(t, a, "Bearer "+next.token(nil, nil), noSuchKey)
	if n := server.hits.Load(); n != 1 {
		t.Fatalf("%d fetches before the gap was over", n)
	}

	clock.Store(10)
	passes(t, a, next)
	refused(t, a, "Bearer "+old.named("made-up").token(nil, nil), noSuchKey)
	if n := server.hits.Load(); n != 2 {
		t.Errorf("%d more fetches after the gap, want 1", n-1)
	}
}

func TestFailedFetches(t *testing.T) {
	elsewhere := newKeyServer(t, next.jwk())
	padding := bytes.Repeat([]byte(" "), 1<<20)
	for name, answer := range map[string]http.HandlerFunc{
		"500":         answering(http.StatusInternalServerError, keySetOf(next.jwk())),
		"404":         answering(http.StatusNotFound, keySetOf(next.jwk())),
		"204":         answering(http.StatusNoContent, nil),
		"a redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"too large":   answering(http.StatusOK, append(keySetOf(next.jwk()), padding...)),
		"no JSON":     answering(http.StatusOK, []byte("<html>")),
		"empty":       answering(http.StatusOK, nil),
		"a list":      answering(http.StatusOK, []byte(`[]`)),
		"without key": answering(http.StatusOK, []byte(`{}`)),
		"keys null":   answering(http.StatusOK, []byte(`{"keys":null}`)),
		"keys a text": answering(http.StatusOK, []byte(`{"keys":"none"}`)),
		"broken off":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(keySetOf(next.jwk()))
		},
	} {
		t.Run("after a success/"+name, func(t *testing.T) {
			server := newKeyServer(t, old.jwk())
			a := openAt(t, server.URL, onDemand)
			passes(t, a, old)
			server.set(answer)
			unavailable(t, a, next)
			passes(t, a, old)
			server.publish(next.jwk())
			passes(t, a, next)
		})
		t.Run("from the start/"+name, func(t *testing.T) {
			server := newKeyServer(t)
			server.set(answer)
			a := openAt(t, server.URL, onDemand)
			unavailable(t, a, next)
			accepted(t, a, "Bearer k3y", auth.Principal{Kind: auth.KindKey, Name: "ci"})
			refused(t, a, "Bearer "+hs.token(nil, nil), wrongSign)
			server.publish(next.jwk())
			passes(t, a, next)
		})
	}
	if n := elsewhere.hits.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
}

func TestLargeKeySetIsAccepted(t *testing.T) {
	server := newKeyServer(t)
	set := keySetOf(old.jwk())
	server.set(answering(http.StatusOK, append(set, bytes.Repeat([]byte(" "), 1<<20-len(set))...)))
	passes(t, openAt(t, server.URL, onDemand), old)
}

func TestIssuerGone(t *testing.T) {
	server := newKeyServer(t, old.jwk())
	a := openAt(t, server.URL, onDemand)
	passes(t, a, old)
	server.Close()
	unavailable(t, a, next)
	passes(t, a, old)
}

func TestRecoveryInTheBackground(t *testing.T) {
	server := newKeyServer(t)
	server.set(answering(http.StatusServiceUnavailable, nil))
	now := time.Now()
	a := openAt(t, server.URL, auth.Pace{
		Refresh: time.Millisecond, Retry: time.Millisecond, Gap: time.Hour, Timeout: 30 * time.Second, Now: func() time.Time { return now },
	})
	server.awaitFetch(t)
	unavailable(t, a, old)
	server.publish(old.jwk())
	server.awaitFetch(t)
	passes(t, a, old)
}

func TestIssuerWithAnUnknownCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(answering(http.StatusOK, keySetOf(old.jwk())))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	unavailable(t, openAt(t, server.URL, onDemand), old)
}

// hanging answers only when released, or when the client has left.
func hanging(release <-chan struct{}, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			then(w, r)
		case <-r.Context().Done():
		}
	}
}

func TestHangingIssuerTimesOut(t *testing.T) {
	server := newKeyServer(t)
	server.set(hanging(nil, nil))
	pace := onDemand
	pace.Timeout = 20 * time.Millisecond
	unavailable(t, openAt(t, server.URL, pace), old)
}

// A canceled request cancels neither the fetch nor the other requests that wait for it.
func TestCanceledRequestDoesNotCancelTheFetch(t *testing.T) {
	server := newKeyServer(t)
	release := make(chan struct{})
	server.set(hanging(release, answering(http.StatusOK, keySetOf(old.jwk()))))
	pace := onDemand
	pace.Gap = time.Hour
	a := openAt(t, server.URL, pace)

	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		if _, err := a.Authenticate(ctx, "Bearer "+old.token(nil, nil)); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("the canceled request got %v", err)
		}
	}()
	leave()
	await(t, left, "the caller could not leave")
	close(release)
	passes(t, a, old)
	if n := server.hits.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestCloseEndsFetchAndWaiters(t *testing.T) {
	server := newKeyServer(t)
	arrived := make(chan struct{})
	server.set(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	a := openAt(t, server.URL, onDemand)
	await(t, arrived, "no fetch")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		unavailable(t, a, old)
	}()
	a.Close()
	await(t, answered, "a caller waits on")
	unavailable(t, a, old)
}

func TestKeysOutliveClose(t *testing.T) {
	server := newKeyServer(t, old.jwk())
	a := openAt(t, server.URL, onDemand)
	passes(t, a, old)
	a.Close()
	passes(t, a, old)
	refused(t, a, "Bearer "+next.token(nil, nil), noSuchKey)
}

// Each key of a set verifies only its own algorithm, and unsupported keys do not affect the rest.
func TestUnsupportedKeysAreIgnored(t *testing.T) {
	symmetric := signer{jwt.SigningMethodHS256, []byte(secret), "oct"}
	private := jose.JSONWebKey{Key: rs.private, KeyID: "private", Use: "sig"}
	encryption, mislabelled := rs.named("enc").jwk(), rs.named("other").jwk()
	encryption.Use, mislabelled.Algorithm = "enc", "PS256"
	weak := signer{jwt.SigningMethodRS256, rsaKey(1024), "weak"}
	p384 := signer{jwt.SigningMethodES384, ecKey(elliptic.P384()), "p384"}
	set := keySetOf(jose.JSONWebKey{Key: symmetric.private, KeyID: "oct"}, private, encryption, mislabelled, weak.jwk(), p384.jwk(), es.jwk())
	odd := `{"keys":[7,null,{},{"kty":"AKP9","kid":"new"},{"kty":"RSA","kid":"broken","n":"!"},`
	set = append([]byte(odd), bytes.TrimPrefix(set, []byte(`{"keys":[`))...)
	server := newKeyServer(t)
	server.set(answering(http.StatusOK, set))
	a := openAt(t, server.URL, onDemand)
	passes(t, a, es)
	for name, c := range map[string]struct {
		signer signer
		reason string
	}{
		"symmetric":             {symmetric, wrongSign},
		"private":               {rs.named("private"), noSuchKey},
		"for encryption":        {rs.named("enc"), noSuchKey},
		"for another algorithm": {rs.named("other"), noSuchKey},
		"weak":                  {weak, noSuchKey},
		"on P-384":              {p384, wrongSign},
		"RS256 with an EC kid":  {rs.named("ec"), noSuchKey},
		"EdDSA with an EC kid":  {ed.named("ec"), noSuchKey},
		"another EC key":        {strange["ES256"], wrongSign},
		"RS256 without a kid":   {rs.named(""), noSuchKey},
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, "Bearer "+c.signer.token(nil, nil), c.reason) })
	}
}

func TestEmptyKeySetIsAccepted(t *testing.T) {
	server := newKeyServer(t, old.jwk())
	a := openAt(t, server.URL, onDemand)
	passes(t, a, old)
	server.set(answering(http.StatusOK, []byte(`{"keys":[]}`)))
	refused(t, a, "Bearer "+next.token(nil, nil), noSuchKey)
	refused(t, a, "Bearer "+old.token(nil, nil), noSuchKey)
}

// Without a kid, every key for the algorithm is tried.
func TestTokensWithoutKeyID(t *testing.T) {
	server := newKeyServer(t, old.jwk(), next.named("").jwk())
	a := openAt(t, server.URL, onDemand)
	passes(t, a, old.named(""))
	passes(t, a, next.named(""))
	refused(t, a, "Bearer "+signer{jwt.SigningMethodEdDSA, edKey(), ""}.token(nil, nil), wrongSign)
}

func TestFetchFailureIsLoggedOnceWithoutTheAddress(t *testing.T) {
	server := newKeyServer(t)
	server.set(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	var log bytes.Buffer
	a, err := auth.NewWithPace(auth.Config{
		JWT:    &auth.JWT{JWKSURL: server.URL + "/?token=hunter2"},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, onDemand)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	unavailable(t, a, old) // the HTTP client's own errors quote the address
	server.set(answering(http.StatusBadGateway, nil))
	for range 3 {
		unavailable(t, a, old)
	}
	server.publish(old.jwk())
	passes(t, a, old)
	a.Close() // nothing is logged after this
	text := log.String()
	if !strings.Contains(text, "fetch the key set: EOF") {
		t.Errorf("the broken connection is not in the log:\n%s", text)
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the log contains the address:\n%s", text)
	}
	if n := strings.Count(text, "answered 502"); n != 1 {
		t.Errorf("the failure was logged %d times:\n%s", n, text)
	}
	if n := strings.Count(text, "level=INFO"); n != 1 {
		t.Errorf("the recovery was logged %d times:\n%s", n, text)
	}
}
