package auth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/backbeat-go/backbeat/internal/auth"
)

// FuzzAuthenticate looks for a header that causes a panic, that passes without issued credentials, or whose error
// reveals a secret.
func FuzzAuthenticate(f *testing.F) {
	const key = "k3y-that-nobody-guesses"
	// Fuzzing runs in several processes, so the tokens must be the same in all of them.
	fixed := signer{jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), ""}
	lasting := object{"exp": 99999999999}
	file := filepath.Join(f.TempDir(), "key.pem")
	if err := os.WriteFile(file, fixed.pem(), 0o600); err != nil {
		f.Fatal(err)
	}
	keys := []auth.Key{{Name: "ci", Secret: key, Scopes: []string{auth.Every}}}
	authenticators := []*auth.Authenticator{
		open(f, auth.Config{Keys: keys, JWT: &auth.JWT{Secret: secret}}),
		open(f, auth.Config{Keys: keys, JWT: &auth.JWT{PublicKeyFile: file}}),
	}
	// Several valid tokens, so that mutation can mix their parts.
	tokens := []string{hs.token(lasting, nil), fixed.token(lasting, nil)}
	lasting["scope"] = "*"
	tokens = append(tokens, hs.token(lasting, nil), fixed.token(lasting, nil))
	for _, seed := range append(tokens, key, tokens[0][:40]+"\n"+tokens[0][40:], strange["HS256"].token(nil, nil), strange["EdDSA"].token(nil, nil),
		encode(`{"alg":"none"}`, `{"sub":"mallory","exp":99999999999}`, ""), "a.b.c", "..", "") {
		f.Add("Bearer " + seed)
		f.Add(basic("user:" + seed))
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		for _, a := range authenticators {
			p, err := a.Authenticate(t.Context(), authorization)
			switch {
			case err == nil && !issued(authorization, key, tokens):
				t.Errorf("%q is %+v", authorization, p)
			case err != nil && (p.Name != "" || p.Scopes != nil):
				t.Errorf("%+v comes with %v", p, err)
			case err != nil:
				checkError(t, err, key)
			}
		}
	})
}

// issued finds the credentials by other means than Authenticate.
func issued(authorization, key string, tokens []string) bool {
	fields := strings.Fields(authorization)
	last := fields[len(fields)-1]
	pair, _ := base64.StdEncoding.DecodeString(last)
	if last == key || strings.HasSuffix(string(pair), ":"+key) {
		return true
	}
	for _, token := range tokens {
		if last == token {
			return true
		}
	}
	return false
}

func checkError(t *testing.T, err error, key string) {
	t.Helper()
	if _, ok := errors.AsType[*auth.BadCredentialsError](err); !ok && !errors.Is(err, auth.ErrNoCredentials) {
		t.Errorf("an error of another kind: %v", err)
	}
	for _, hidden := range []string{key, secret} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("%v reveals a secret", err)
		}
	}
}
