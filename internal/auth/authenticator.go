package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// maxCredentials bounds what an unauthenticated caller can make the server hash and decode, in bytes.
const maxCredentials = 8 << 10

// Config lists the accepted credentials. At least one of Keys and JWT is required.
type Config struct {
	Keys   []Key
	JWT    *JWT         // nil: no token is accepted
	Logger *slog.Logger // logs when fetching the issuer's keys starts to fail and when it recovers; nil: no logs
}

// Authenticator authenticates callers. It is safe for concurrent use.
type Authenticator struct {
	keys   keyring
	tokens *verifier // nil: no token is accepted
}

// New returns an Authenticator, which must be closed after use. It does not wait for the keys of a JWKS URL, so it
// starts even while the issuer is down. The error joins all problems of cfg, one a line. Each says how to correct
// it, and none quotes a secret.
func New(cfg Config) (*Authenticator, error) {
	return newAuthenticator(cfg, pace{
		refresh: 5 * time.Minute,
		retry:   10 * time.Second,
		gap:     10 * time.Second,
		timeout: 5 * time.Second, // a request may be waiting for the fetch
		now:     time.Now,
	})
}

func newAuthenticator(cfg Config, p pace) (*Authenticator, error) {
	if len(cfg.Keys) == 0 && cfg.JWT == nil {
		return nil, errors.New("every caller would be refused: configure an API key, or how JWTs are verified")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{}
	var keysErr, jwtErr error
	a.keys, keysErr = newKeyring(cfg.Keys)
	if cfg.JWT != nil {
		a.tokens, jwtErr = newVerifier(*cfg.JWT, p, cfg.Logger)
	}
	if err := errors.Join(keysErr, jwtErr); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close stops fetching keys and waits for a fetch in progress. It may be called more than once. Keys that were
// fetched before remain valid.
func (a *Authenticator) Close() {
	if a.tokens != nil {
		a.tokens.close()
	}
}

// Authenticate returns the principal for authorization, the value of an Authorization header: "Bearer" with an API key
// or a JWT, or "Basic" with an API key as the password and any user name. Its errors are ErrNoCredentials,
// ErrUnavailable and *BadCredentialsError. It waits for the issuer's keys for up to 5 s, or until ctx ends.
func (a *Authenticator) Authenticate(ctx context.Context, authorization string) (Principal, error) {
	if len(authorization) > maxCredentials {
		return Principal{}, bad("the credentials are longer than 8 KiB")
	}
	// Go's base64 ignores line breaks even in strict mode, so one token would have many spellings.
	if strings.ContainsAny(authorization, "\r\n") {
		return Principal{}, bad("the Authorization header has a line break in it")
	}
	scheme, credentials, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	credentials = strings.TrimSpace(credentials)
	switch {
	case scheme == "":
		return Principal{}, ErrNoCredentials
	case !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Basic"):
		return Principal{}, bad("the Authorization header must begin with Bearer or Basic")
	case credentials == "":
		return Principal{}, bad("the Authorization header has nothing after its scheme")
	case strings.EqualFold(scheme, "Basic"):
		return a.basic(credentials)
	default:
		return a.bearer(ctx, credentials)
	}
}

func (a *Authenticator) basic(credentials string) (Principal, error) {
	pair, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		return Principal{}, bad("the Basic credentials are not base64")
	}
	_, password, ok := strings.Cut(string(pair), ":")
	if !ok {
		return Principal{}, bad("the Basic credentials are not a user name and a password with a colon between them")
	}
	return a.key(password)
}

func (a *Authenticator) bearer(ctx context.Context, credentials string) (Principal, error) {
	principal, err := a.key(credentials)
	if err == nil || a.tokens == nil || strings.Count(credentials, ".") != 2 {
		return principal, err
	}
	return a.tokens.verify(ctx, credentials)
}

func (a *Authenticator) key(secret string) (Principal, error) {
	principal, ok := a.keys.find(secret)
	if !ok {
		return Principal{}, bad("the API key is unknown")
	}
	return principal, nil
}
