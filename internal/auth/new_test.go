package auth_test

import (
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/auth"
)

func TestNewErrors(t *testing.T) {
	const hidden = "hunter2"
	block := func(kind string, der []byte) string {
		return write(t, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	private := must(x509.MarshalPKCS8PrivateKey(ed.private))
	weak := must(x509.MarshalPKIXPublicKey(&rsaKey(1024).PublicKey))
	p384 := must(x509.MarshalPKIXPublicKey(&ecKey(elliptic.P384()).PublicKey))
	exchange := must(x509.MarshalPKIXPublicKey(must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey()))
	file := func(name string) auth.Config { return auth.Config{JWT: &auth.JWT{PublicKeyFile: name}} }
	set := func(url string) auth.Config { return auth.Config{JWT: &auth.JWT{JWKSURL: url}} }
	keys := func(keys ...auth.Key) auth.Config { return auth.Config{Keys: keys} }
	for name, c := range map[string]struct {
		cfg  auth.Config
		says string
	}{
		"nothing":             {auth.Config{}, "configure an API key"},
		"key without a name":  {keys(auth.Key{Secret: hidden}), `API key 1 ("") needs a name and a secret`},
		"key without secret":  {keys(auth.Key{Name: "ci"}), `API key 1 ("ci") needs a name and a secret`},
		"equal keys":          {keys(auth.Key{Name: "a", Secret: hidden}, auth.Key{Name: "b", Secret: hidden}), `"a" and "b" have the same secret`},
		"no source":           {auth.Config{JWT: &auth.JWT{Issuer: issuerURL}}, "0 of them are set; set exactly one"},
		"two sources":         {auth.Config{JWT: &auth.JWT{Secret: secret + hidden, JWKSURL: "https://a.example"}}, "2 of them are set; set exactly one"},
		"secret short":        {auth.Config{JWT: &auth.JWT{Secret: hidden}}, "openssl rand"},
		"no file":             {file(filepath.Join(t.TempDir(), "missing.pem")), "missing.pem: no such file"},
		"file not PEM":        {file(write(t, []byte(hidden))), "is not PEM"},
		"file broken":         {file(block("PUBLIC KEY", []byte(hidden))), "key.pem: "},
		"private key":         {file(block("PRIVATE KEY", private)), "openssl pkey -in FILE -pubout"},
		"EC private key":      {file(block("EC PRIVATE KEY", private)), "openssl pkey -in FILE -pubout"},
		"certificate":         {file(block("CERTIFICATE", private)), "contains a CERTIFICATE, and must contain a PUBLIC KEY"},
		"weak RSA key":        {file(block("PUBLIC KEY", weak)), "1024 bits is too weak"},
		"key for X25519":      {file(block("PUBLIC KEY", exchange)), "must be RSA, P-256 or Ed25519"},
		"key on P-384":        {file(block("PUBLIC KEY", p384)), "P-384 does not fit"},
		"URL over http":       {set("http://issuer.example/?t=" + hidden), "must begin with https://"},
		"URL like loopback":   {set("http://localhost.example/"), "must begin with https://"},
		"URL with a password": {set("https://me:" + hidden + "@issuer.example/"), "has a user or a password"},
		"URL of a file":       {set("file:///etc/" + hidden), "is not a URL"},
		"URL broken":          {set("https://" + hidden + "%zz/"), "is not a URL"},
		"URL relative":        {set(hidden), "is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := auth.New(c.cfg)
			if err == nil {
				a.Close()
				t.Fatal("New accepted it")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), secret) {
				t.Errorf("%q reveals a secret", err)
			}
		})
	}
}

// New reports all problems of the keys and of the JWT configuration at once, and leaves no goroutine behind.
func TestNewReportsAllProblems(t *testing.T) {
	badKeys := []auth.Key{
		{Name: "ci"}, {Secret: "k3y-without-a-name"},
		{Name: "a", Secret: "k3y"}, {Name: "b", Secret: "k3y"}, {Name: "c", Secret: "k3y"},
	}
	keyProblems := []string{
		`API key 1 ("ci") needs`, `API key 2 ("") needs`, `"a" and "b" have the same secret`, `"a" and "c" have the same secret`,
	}
	for name, c := range map[string]struct {
		jwt  auth.JWT
		says []string
	}{
		"keys and secret": {auth.JWT{Secret: "short"}, append(keyProblems, "the JWT secret has 5 bytes")},
		"keys only":       {auth.JWT{JWKSURL: "https://127.0.0.1:1/"}, keyProblems},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := auth.New(auth.Config{Keys: badKeys, JWT: &c.jwt})
			if err == nil {
				t.Fatal("New accepted it")
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(c.says) {
				t.Errorf("got %d problems, want %d: %q", len(lines), len(c.says), lines)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%q does not say %q", err, says)
				}
			}
		})
	}
}

func TestPKCS1KeyIsAccepted(t *testing.T) {
	der := x509.MarshalPKCS1PublicKey(&rs.private.(*rsa.PrivateKey).PublicKey)
	file := write(t, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der}))
	a := open(t, auth.Config{JWT: &auth.JWT{PublicKeyFile: file}})
	accepted(t, a, "Bearer "+rs.token(nil, nil),
		auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
}

func TestAcceptedJWKSURLs(t *testing.T) {
	for _, url := range []string{"http://localhost:1/keys", "http://127.0.0.1:1", "http://[::1]:1", "https://127.0.0.1:1/keys?x=y"} {
		a, err := auth.New(auth.Config{JWT: &auth.JWT{JWKSURL: url}})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		a.Close()
		a.Close() // a second time does nothing
	}
}
