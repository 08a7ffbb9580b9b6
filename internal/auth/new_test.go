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

func TestNewSaysWhatToDo(t *testing.T) {
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
		"keys alike":          {keys(auth.Key{Name: "a", Secret: hidden}, auth.Key{Name: "b", Secret: hidden}), `"a" and "b" have the same secret`},
		"no source":           {auth.Config{JWT: &auth.JWT{Issuer: issuerURL}}, "0 of them are set; set exactly one"},
		"two sources":         {auth.Config{JWT: &auth.JWT{Secret: secret + hidden, JWKSURL: "https://a.example"}}, "2 of them are set; set exactly one"},
		"secret short":        {auth.Config{JWT: &auth.JWT{Secret: hidden}}, "openssl rand"},
		"no file":             {file(filepath.Join(t.TempDir(), "missing.pem")), "missing.pem: no such file"},
		"file not PEM":        {file(write(t, []byte(hidden))), "is not PEM"},
		"file broken":         {file(block("PUBLIC KEY", []byte(hidden))), "key.pem: "},
		"private key":         {file(block("PRIVATE KEY", private)), "openssl pkey -in FILE -pubout"},
		"EC private key":      {file(block("EC PRIVATE KEY", private)), "openssl pkey -in FILE -pubout"},
		"certificate":         {file(block("CERTIFICATE", private)), "holds a CERTIFICATE, and must hold a PUBLIC KEY"},
		"weak RSA key":        {file(block("PUBLIC KEY", weak)), "1024 bits is too weak"},
		"key for X25519":      {file(block("PUBLIC KEY", exchange)), "neither RSA nor P-256 nor Ed25519"},
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
				t.Fatal("New took it")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), secret) {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

func TestOldRSAFormatIsTaken(t *testing.T) {
	der := x509.MarshalPKCS1PublicKey(&rs.private.(*rsa.PrivateKey).PublicKey)
	file := write(t, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der}))
	a := open(t, auth.Config{JWT: &auth.JWT{PublicKeyFile: file}})
	accepted(t, a, "Bearer "+rs.token(nil, nil),
		auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
}

func TestJWKSAddressesThatAreTaken(t *testing.T) {
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
