package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
)

// Key is an API key.
type Key struct {
	Name   string
	Secret string
	Scopes []string
}

type keyring []digestedKey

type digestedKey struct {
	digest    [sha256.Size]byte
	principal Principal
}

// newKeyring returns an error that joins the problems of all keys.
func newKeyring(keys []Key) (keyring, error) {
	ring := make(keyring, 0, len(keys))
	var problems []error
	for i, key := range keys {
		if key.Name == "" || key.Secret == "" {
			problems = append(problems, fmt.Errorf("API key %d (%q) needs a name and a secret", i+1, key.Name))
			continue
		}
		if other, taken := ring.find(key.Secret); taken {
			problems = append(problems, fmt.Errorf(
				"API keys %q and %q have the same secret, so their callers cannot be told apart; give each its own",
				other.Name, key.Name))
			continue
		}
		principal := Principal{Kind: KindKey, Name: key.Name, Scopes: key.Scopes}
		ring = append(ring, digestedKey{sha256.Sum256([]byte(key.Secret)), principal})
	}
	return ring, errors.Join(problems...)
}

// find takes the same time for every key, known or not. Digests all have the same length, so timing does not reveal
// the length of a key either.
func (r keyring) find(secret string) (Principal, bool) {
	digest := sha256.Sum256([]byte(secret))
	found := -1
	for i := range r {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(r[i].digest[:], digest[:]), i, found)
	}
	if found < 0 {
		return Principal{}, false
	}
	return r[found].principal, true
}
