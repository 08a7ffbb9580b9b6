package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const maxKeySet = 1 << 20 // bytes

// checkAddress returns errors that do not quote the address, which may contain a password.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("the JWKS URL is not a URL; it looks like https://issuer.example/.well-known/jwks.json")
	case u.User != nil:
		return errors.New("the JWKS URL has a user or a password; the keys are public, so remove it")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("the JWKS URL must begin with https://, since an attacker who can modify the keys in transit can sign tokens; " +
			"http:// is for loopback addresses only")
	}
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func newClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		// A transport of its own: CloseIdleConnections must not close connections of other packages.
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// A redirect could lead from https to http, or into a private network.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *keySet) fetch(ctx context.Context) ([]publishedKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		// The client's *url.Error quotes the address, whose query may contain a secret, so only its cause is kept.
		return nil, fmt.Errorf("fetch the key set: %w", errors.Unwrap(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the JWKS URL answered %d, and must answer 200 without a redirect", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("read the key set: %w", err)
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("the key set is larger than %d bytes", maxKeySet)
	}
	return parseKeySet(body)
}

// parseKeySet returns errors that do not quote the body, which may contain anything.
func parseKeySet(body []byte) ([]publishedKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("the JWKS URL did not answer with a key set, a JSON object with a list of keys")
	}
	var keys []publishedKey
	for _, text := range set.Keys {
		if key, ok := parseKey(text); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// parseKey reads one key of a set. It returns false for keys with another use or algorithm, and for symmetric keys,
// which are not secret once they are published.
func parseKey(text json.RawMessage) (publishedKey, bool) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(text, &key); err != nil || !key.Valid() {
		return publishedKey{}, false
	}
	alg, err := algorithmOf(key.Key) // returns an error for anything but a public key
	if err != nil || key.Algorithm != "" && key.Algorithm != alg || key.Use != "" && key.Use != "sig" {
		return publishedKey{}, false
	}
	return publishedKey{id: key.KeyID, alg: alg, key: key.Key}, true
}
