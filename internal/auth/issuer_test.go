package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret    = "an HS256 secret of more than 32 bytes"
	issuerURL = "https://issuer.example"
	audience  = "backbeat"
)

// signer signs tokens, as an issuer or as an attacker.
type signer struct {
	method  jwt.SigningMethod
	private any
	kid     string
}

// A trusted and an untrusted key for each algorithm. RSA keys are slow to generate, so they are shared.
var (
	hs      = signer{jwt.SigningMethodHS256, []byte(secret), ""}
	rs      = signer{jwt.SigningMethodRS256, rsaKey(2048), "rsa"}
	es      = signer{jwt.SigningMethodES256, ecKey(elliptic.P256()), "ec"}
	ed      = signer{jwt.SigningMethodEdDSA, edKey(), "ed"}
	strange = map[string]signer{
		"HS256": {jwt.SigningMethodHS256, []byte("another HS256 secret of more than 32 bytes"), ""},
		"RS256": {jwt.SigningMethodRS256, rsaKey(2048), "rsa"},
		"ES256": {jwt.SigningMethodES256, ecKey(elliptic.P256()), "ec"},
		"EdDSA": {jwt.SigningMethodEdDSA, edKey(), "ed"},
	}
)

func rsaKey(bits int) *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, bits)) }

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func edKey() ed25519.PrivateKey {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(private, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (s signer) public() crypto.PublicKey { return s.private.(crypto.Signer).Public() }

func (s signer) der() []byte { return must(x509.MarshalPKIXPublicKey(s.public())) }

func (s signer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.der()})
}

func (s signer) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.public(), KeyID: s.kid, Use: "sig"}
}

// named returns the same key under another kid.
func (s signer) named(kid string) signer {
	s.kid = kid
	return s
}

type object = map[string]any

// token signs valid claims after applying change and header; a nil value removes the claim or header.
func (s signer) token(change object, header object) string {
	claims := jwt.MapClaims{
		"iss": issuerURL, "aud": audience, "sub": "alice", "scope": "tasks.read tasks.write", "exp": fromNow(time.Hour),
	}
	merge(claims, change)
	t := jwt.NewWithClaims(s.method, claims)
	if s.kid != "" {
		t.Header["kid"] = s.kid
	}
	merge(t.Header, header)
	return must(t.SignedString(s.private))
}

func merge(into, change object) {
	maps.Copy(into, change)
	maps.DeleteFunc(into, func(_ string, v any) bool { return v == nil })
}

func fromNow(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func keySetOf(keys ...jose.JSONWebKey) []byte {
	return must(json.Marshal(jose.JSONWebKeySet{Keys: keys}))
}

// keyServer is an issuer's JWKS URL.
type keyServer struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	hits   atomic.Int64
	begun  chan struct{} // receives when a request begins, if a test is waiting
}

func newKeyServer(t *testing.T, keys ...jose.JSONWebKey) *keyServer {
	t.Helper()
	s := &keyServer{begun: make(chan struct{})}
	s.publish(keys...)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.hits.Add(1)
	select {
	case s.begun <- struct{}{}:
	default:
	}
	(*s.answer.Load())(w, r)
}

func (s *keyServer) set(answer http.HandlerFunc) { s.answer.Store(&answer) }

func (s *keyServer) publish(keys ...jose.JSONWebKey) {
	s.set(answering(http.StatusOK, keySetOf(keys...)))
}

// awaitFetch waits until the keys published now have been fetched and stored. One goroutine does both, so the first
// answer is stored when the second request begins.
func (s *keyServer) awaitFetch(t *testing.T) {
	t.Helper()
	for range 2 {
		await(t, s.begun, "no fetch")
	}
}

func await(t *testing.T, signal <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(30 * time.Second):
		t.Fatal(otherwise)
	}
}

func answering(status int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// source is one way to verify tokens, and a signer that it trusts.
type source struct {
	name   string
	jwt    auth.JWT
	signer signer
}

// sources returns all of them.
func sources(t *testing.T) []source {
	t.Helper()
	server := newKeyServer(t, rs.jwk(), es.jwk(), ed.jwk())
	all := []source{{"secret HS256", auth.JWT{Secret: secret}, hs}}
	for _, s := range []signer{rs, es, ed} {
		alg := s.method.Alg()
		all = append(all, source{"file " + alg, auth.JWT{PublicKeyFile: write(t, s.pem())}, s},
			source{"JWKS " + alg, auth.JWT{JWKSURL: server.URL}, s})
	}
	for i := range all {
		all[i].jwt.Issuer, all[i].jwt.Audience = issuerURL, audience
	}
	return all
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// open returns an Authenticator for cfg that is closed when the test ends.
func open(t testing.TB, cfg auth.Config) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}
