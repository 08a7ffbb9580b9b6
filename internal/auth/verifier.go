package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// leeway is the allowed difference between the clocks of the issuer and of this machine.
	leeway = 30 * time.Second
	// minSecret is the minimum length of an HS256 secret by RFC 7518, section 3.2, in bytes: an attacker who has a
	// token can guess secrets offline.
	minSecret = 32
	// maxSubject is the limit of OpenID Connect, in bytes. Subjects are logged and stored.
	maxSubject = 255
)

// JWT says which tokens are accepted. Exactly one of Secret, PublicKeyFile and JWKSURL must be set.
type JWT struct {
	Secret        string // for HS256, at least 32 bytes, used as is
	PublicKeyFile string // a PEM file with an RSA, P-256 or Ed25519 public key
	JWKSURL       string // the issuer's key set: https, or http on a loopback address
	Issuer        string // the required iss; empty: not checked
	Audience      string // the required member of aud; empty: not checked
}

// verifier verifies tokens.
type verifier struct {
	parser *jwt.Parser
	// find returns the keys that may have signed a token with these headers. kid is empty if the token has none.
	find  func(ctx context.Context, alg, kid string) ([]jwt.VerificationKey, error)
	close func()
}

func newVerifier(cfg JWT, p pace, logger *slog.Logger) (*verifier, error) {
	if err := checkSources(cfg); err != nil {
		return nil, err
	}
	if cfg.JWKSURL != "" {
		set, err := openKeySet(cfg.JWKSURL, p, logger)
		if err != nil {
			return nil, err
		}
		return &verifier{cfg.parser(algRS256, algES256, algEdDSA), set.find, set.close}, nil
	}
	key, alg, err := cfg.key()
	if err != nil {
		return nil, err
	}
	find := func(context.Context, string, string) ([]jwt.VerificationKey, error) {
		return []jwt.VerificationKey{key}, nil
	}
	return &verifier{cfg.parser(alg), find, func() {}}, nil
}

func checkSources(cfg JWT) error {
	sources := 0
	for _, source := range []string{cfg.Secret, cfg.PublicKeyFile, cfg.JWKSURL} {
		if source != "" {
			sources++
		}
	}
	if sources != 1 {
		return fmt.Errorf("JWTs are verified with a secret, a public key file or a JWKS URL, and %d of them are set; set exactly one", sources)
	}
	return nil
}

// key returns the secret or the public key of cfg, and its algorithm.
func (cfg JWT) key() (jwt.VerificationKey, string, error) {
	if cfg.PublicKeyFile != "" {
		return readPublicKey(cfg.PublicKeyFile)
	}
	if len(cfg.Secret) < minSecret {
		return nil, "", fmt.Errorf("the JWT secret has %d bytes, and HS256 needs at least %d; make one with: openssl rand -base64 32",
			len(cfg.Secret), minSecret)
	}
	return []byte(cfg.Secret), algHS256, nil
}

func (cfg JWT) parser(algorithms ...string) *jwt.Parser {
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	return jwt.NewParser(options...)
}

func (v *verifier) verify(ctx context.Context, token string) (Principal, error) {
	// A map, not a struct: encoding/json matches field names without regard to case, so a claim SCOPE would count as scope.
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) { return v.keys(ctx, t.Header) })
	if err != nil {
		return Principal{}, refusal(err)
	}
	subject, err := claims.GetSubject()
	if err != nil || subject == "" || len(subject) > maxSubject {
		return Principal{}, bad("the token has no subject (sub) of 1 to 255 bytes")
	}
	return Principal{Kind: KindToken, Name: subject, Scopes: scopesOf(claims)}, nil
}

// keys returns the keys that may have signed a token. The parser has checked alg before.
func (v *verifier) keys(ctx context.Context, header map[string]any) (any, error) {
	if _, ok := header["crit"]; ok {
		return nil, bad("the token has critical extensions (crit), and none are supported")
	}
	kid, ok := header["kid"].(string)
	if _, named := header["kid"]; named && (!ok || kid == "") {
		return nil, bad("the token's key ID (kid) is empty or not a string")
	}
	alg, _ := header["alg"].(string)
	keys, err := v.find(ctx, alg, kid)
	return jwt.VerificationKeySet{Keys: keys}, err
}

// refusal maps an error of the JWT library, which may quote the token, to one of this package.
func refusal(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return ErrUnavailable
	}
	if ours, ok := errors.AsType[*BadCredentialsError](err); ok {
		return ours
	}
	for _, r := range []struct {
		is     error
		reason string
	}{
		{jwt.ErrTokenExpired, "the token has expired"},
		{jwt.ErrTokenNotValidYet, "the token is not valid yet"},
		{jwt.ErrTokenInvalidIssuer, "the token is from another issuer"},
		{jwt.ErrTokenInvalidAudience, "the token is for another audience"},
		{jwt.ErrTokenRequiredClaimMissing, "the token lacks exp, or iss or aud where they are required"},
		{jwt.ErrTokenInvalidClaims, "a claim of the token has the wrong type"},
		{jwt.ErrTokenMalformed, "the token is malformed"},
	} {
		if errors.Is(err, r.is) {
			return bad(r.reason)
		}
	}
	return bad("the signature of the token is wrong, or its algorithm is not allowed")
}

func scopesOf(claims jwt.MapClaims) (scopes []string) {
	claim, ok := claims["scope"]
	if !ok {
		claim = claims["scp"]
	}
	var names []string
	switch claim := claim.(type) {
	case string:
		names = strings.Fields(claim)
	case []any:
		for _, element := range claim {
			name, _ := element.(string)
			names = append(names, name)
		}
	}
	for _, name := range names {
		if isScope(name) {
			scopes = append(scopes, name)
		}
	}
	return scopes
}
