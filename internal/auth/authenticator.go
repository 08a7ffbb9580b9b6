package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// maxCredentials bounds what a caller that nobody knows yet can have hashed and decoded, in bytes.
const maxCredentials = 8 << 10

// Config says whose credentials are good. It needs a key or a JWT at least.
type Config struct {
	Keys   []Key
	JWT    *JWT         // nil: no token is accepted
	Logger *slog.Logger // told when the issuer's keys cannot be fetched, and when they can again; nil: nobody is
}

// Authenticator knows who may call. It is safe for use by many goroutines.
type Authenticator struct {
	keys   keyring
	tokens *verifier // nil: no token is accepted
}

// New returns an Authenticator. It does not wait for the keys of a JWKS URL, so that it starts while their issuer
// is down. Close it after use. Errors name what is wrong in cfg, without its secrets, and what to do about it.
func New(cfg Config) (*Authenticator, error) {
	return newAuthenticator(cfg, pace{
		refresh: 5 * time.Minute,
		retry:   10 * time.Second,
		gap:     10 * time.Second,
		timeout: 5 * time.Second, // a request may be waiting for it
		now:     time.Now,
	})
}

func newAuthenticator(cfg Config, p pace) (*Authenticator, error) {
	if len(cfg.Keys) == 0 && cfg.JWT == nil {
		return nil, errors.New("nobody could call: configure an API key, or how JWTs are checked")
	}
	keys, err := newKeyring(cfg.Keys)
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{keys: keys}
	if cfg.JWT != nil {
		if a.tokens, err = newVerifier(*cfg.JWT, p, cfg.Logger); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Close ends the fetching of keys and waits until it has ended. It may be called more than once. Keys that were
// fetched before go on working.
func (a *Authenticator) Close() {
	if a.tokens != nil {
		a.tokens.close()
	}
}

// Authenticate returns who sends authorization, the value of an Authorization header: "Bearer" with an API key or
// a JWT, or "Basic" with an API key as the password and any user name. Its errors are ErrNoCredentials,
// ErrUnavailable and *BadCredentialsError. It may wait for the issuer's keys, no longer than 5 s and until ctx ends.
func (a *Authenticator) Authenticate(ctx context.Context, authorization string) (Principal, error) {
	if len(authorization) > maxCredentials {
		return Principal{}, bad("the credentials are longer than 8 KiB")
	}
	// Go's base64 passes over line breaks, even where it is strict: one token would have many spellings.
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
