package auth

import (
	"crypto/sha256"
	"crypto/subtle"
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

func newKeyring(keys []Key) (keyring, error) {
	ring := make(keyring, 0, len(keys))
	for i, key := range keys {
		if key.Name == "" || key.Secret == "" {
			return nil, fmt.Errorf("API key %d (%q) needs a name and a secret", i+1, key.Name)
		}
		if other, taken := ring.find(key.Secret); taken {
			return nil, fmt.Errorf("API keys %q and %q have the same secret, so nobody could tell who calls; give each its own",
				other.Name, key.Name)
		}
		principal := Principal{Kind: KindKey, Name: key.Name, Scopes: key.Scopes}
		ring = append(ring, digestedKey{sha256.Sum256([]byte(key.Secret)), principal})
	}
	return ring, nil
}

// find takes the same time wherever the key is, and whether it is there. Digests have one length, so that not even
// the length of a key shows.
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
