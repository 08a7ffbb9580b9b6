package auth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/backbeat-go/backbeat/internal/auth"
)

// Reasons that several tests check. The others are spelled out where they are tested.
const (
	unknownKey   = "the API key is unknown"
	malformed    = "the token is malformed"
	wrongSign    = "the signature of the token is wrong, or its algorithm is not allowed"
	expired      = "the token has expired"
	lacking      = "the token lacks exp, or iss or aud where they are required"
	noSubject    = "the token has no subject (sub) of 1 to 255 bytes"
	otherType    = "a claim of the token has the wrong type"
	lineBreak    = "the Authorization header has a line break in it"
	noSuchKey    = "the issuer has no such key"
	invalidKeyID = "the token's key ID (kid) is empty or not a string"
	critical     = "the token has critical extensions (crit), and none are supported"
)

// refused checks that authorization is refused for the reason, and that the error reveals nothing of it.
func refused(t *testing.T, a *auth.Authenticator, authorization, reason string) {
	t.Helper()
	p, err := a.Authenticate(t.Context(), authorization)
	badCredentials, ok := errors.AsType[*auth.BadCredentialsError](err)
	if !ok || badCredentials.Reason != reason {
		t.Errorf("got %v, want the reason %q", err, reason)
		return
	}
	if diff := cmp.Diff(auth.Principal{}, p); diff != "" {
		t.Errorf("principal returned with the error (-want +got):\n%s", diff)
	}
	if i := strings.IndexFunc(badCredentials.Reason, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }); i >= 0 {
		t.Errorf("%q does not fit into a header", badCredentials.Reason)
	}
	if _, credentials, ok := strings.Cut(authorization, " "); ok && len(credentials) > 8 && strings.Contains(err.Error(), credentials) {
		t.Errorf("%q quotes the credentials", err)
	}
}

// accepted checks that authorization yields the principal.
func accepted(t *testing.T, a *auth.Authenticator, authorization string, want auth.Principal) {
	t.Helper()
	p, err := a.Authenticate(t.Context(), authorization)
	if err != nil {
		t.Errorf("refused: %v", err)
		return
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
}

func basic(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }

func TestAPIKeys(t *testing.T) {
	const right = "k3y-of-the-deployer"
	a := open(t, auth.Config{Keys: []auth.Key{
		{Name: "reader", Secret: "k3y-of-the-reader", Scopes: []string{auth.TasksRead}},
		{Name: "deployer", Secret: right, Scopes: []string{auth.Every}},
		{Name: "dotted", Secret: "a.key.with-dots", Scopes: []string{auth.Admin}},
	}})
	deployer := auth.Principal{Kind: auth.KindKey, Name: "deployer", Scopes: []string{"*"}}
	for name, authorization := range map[string]string{
		"Bearer":                "Bearer " + right,
		"another case":          "bEARER " + right,
		"spaces":                "  Bearer \t " + right + " ",
		"Basic":                 basic("anybody:" + right),
		"Basic, another case":   "bASIC" + strings.TrimPrefix(basic("anybody:"+right), "Basic"),
		"Basic without a user":  basic(":" + right),
		"Basic with the spaces": "Basic   " + strings.TrimPrefix(basic("a:"+right), "Basic "),
	} {
		t.Run(name, func(t *testing.T) { accepted(t, a, authorization, deployer) })
	}
	accepted(t, a, "Bearer k3y-of-the-reader", auth.Principal{Kind: auth.KindKey, Name: "reader", Scopes: []string{"tasks.read"}})
	accepted(t, a, "Bearer a.key.with-dots", auth.Principal{Kind: auth.KindKey, Name: "dotted", Scopes: []string{"admin"}})

	const scheme, empty = "the Authorization header must begin with Bearer or Basic", "the Authorization header has nothing after its scheme"
	const notBase64 = "the Basic credentials are not base64"
	const notPair = "the Basic credentials are not a user name and a password with a colon between them"
	for name, c := range map[string]struct{ authorization, reason string }{
		"wrong key":               {"Bearer wrong", unknownKey},
		"prefix of a key":         {"Bearer " + right[:len(right)-1], unknownKey},
		"a key and more":          {"Bearer " + right + "x", unknownKey},
		"another case of a key":   {"Bearer " + strings.ToUpper(right), unknownKey},
		"name of a key":           {"Bearer deployer", unknownKey},
		"two keys":                {"Bearer " + right + "," + right, unknownKey},
		"a token, but none is":    {"Bearer " + hs.token(nil, nil), unknownKey},
		"key alone":               {right, scheme},
		"unknown scheme":          {"Digest " + right, scheme},
		"scheme with a colon":     {"Bearer: " + right, scheme},
		"scheme without a space":  {"Bearer" + right, scheme},
		"Bearer alone":            {"Bearer", empty},
		"Bearer and spaces":       {"Bearer   ", empty},
		"Basic alone":             {"Basic", empty},
		"Basic, wrong key":        {basic("deployer:wrong"), unknownKey},
		"Basic, prefix of a key":  {basic("deployer:" + right[:5]), unknownKey},
		"Basic, key as the user":  {basic(right + ":"), unknownKey},
		"Basic, no password":      {basic("deployer:"), unknownKey},
		"Basic, colon in the key": {basic("a:b:" + right), unknownKey},
		"Basic without a colon":   {basic(right), notPair},
		"Basic, not base64":       {"Basic !" + right, notBase64},
		"Basic, plain":            {"Basic a:" + right, notBase64},
		"line break in the key":   {"Bearer " + right[:5] + "\n" + right[5:], lineBreak},
		"line break at the end":   {"Bearer " + right + "\r\n", lineBreak},
		"Basic, line break":       {basic("a:" + right)[:12] + "\n" + basic("a:" + right)[12:], lineBreak},
		"too long":                {"Bearer " + strings.Repeat("x", 8<<10), "the credentials are longer than 8 KiB"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, c.authorization, c.reason) })
	}
}

func TestNoCredentials(t *testing.T) {
	a := open(t, auth.Config{Keys: []auth.Key{{Name: "k", Secret: "k3y"}}})
	for _, authorization := range []string{"", " ", "\t"} {
		if p, err := a.Authenticate(t.Context(), authorization); !errors.Is(err, auth.ErrNoCredentials) || p.Name != "" {
			t.Errorf("%q: got %+v, %v", authorization, p, err)
		}
	}
}

// A browser would store a token that is accepted as a password, and keep it long after it expired.
func TestBasicRefusesTokens(t *testing.T) {
	a := open(t, auth.Config{JWT: &auth.JWT{Secret: secret}})
	refused(t, a, basic("alice:"+hs.token(nil, nil)), unknownKey)
}

func TestTokenClaims(t *testing.T) {
	may := func(scopes ...string) *auth.Principal {
		return &auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: scopes}
	}
	cases := map[string]struct {
		claims, header object
		want           *auth.Principal
		reason         string
	}{
		"valid":                     {want: may("tasks.read", "tasks.write")},
		"expired":                   {claims: object{"exp": fromNow(-time.Minute)}, reason: expired},
		"expired within the leeway": {claims: object{"exp": fromNow(-10 * time.Second)}, want: may("tasks.read", "tasks.write")},
		"expired, and scopes":       {claims: object{"exp": 1, "scope": "*"}, reason: expired},
		"without exp":               {claims: object{"exp": nil}, reason: lacking},
		"exp 0":                     {claims: object{"exp": 0}, reason: lacking},
		"exp a string":              {claims: object{"exp": "never"}, reason: otherType},
		"not valid yet":             {claims: object{"nbf": fromNow(time.Minute)}, reason: "the token is not valid yet"},
		"valid soon":                {claims: object{"nbf": fromNow(10 * time.Second)}, want: may("tasks.read", "tasks.write")},
		"another issuer":            {claims: object{"iss": issuerURL + "/"}, reason: "the token is from another issuer"},
		"without an issuer":         {claims: object{"iss": nil}, reason: lacking},
		"issuer a list":             {claims: object{"iss": []string{issuerURL}}, reason: otherType},
		"another audience":          {claims: object{"aud": "billing"}, reason: "the token is for another audience"},
		"without an audience":       {claims: object{"aud": nil}, reason: lacking},
		"several audiences":         {claims: object{"aud": []string{"billing", audience}}, want: may("tasks.read", "tasks.write")},
		"without a subject":         {claims: object{"sub": nil}, reason: noSubject},
		"subject empty":             {claims: object{"sub": ""}, reason: noSubject},
		"subject a number":          {claims: object{"sub": 7}, reason: noSubject},
		"subject long":              {claims: object{"sub": strings.Repeat("a", 256)}, reason: noSubject},
		"without scopes":            {claims: object{"scope": nil}, want: may()},
		"scope empty":               {claims: object{"scope": ""}, want: may()},
		"scope a list":              {claims: object{"scope": []any{"queues.read", 7, "admin"}}, want: may("queues.read", "admin")},
		"scope a number":            {claims: object{"scope": 7}, want: may()},
		"scopes unknown":            {claims: object{"scope": "openid tasks.read tasks tasks.* Admin"}, want: may("tasks.read")},
		"every scope":               {claims: object{"scope": "*"}, want: may("*")},
		"scp a list":                {claims: object{"scope": nil, "scp": []string{"admin"}}, want: may("admin")},
		"scp a string":              {claims: object{"scope": nil, "scp": "admin queues.write"}, want: may("admin", "queues.write")},
		"scope overrides scp":       {claims: object{"scp": []string{"admin"}}, want: may("tasks.read", "tasks.write")},
		"empty scope overrides scp": {claims: object{"scope": "", "scp": []string{"admin"}}, want: may()},
		"scopes is ignored":         {claims: object{"scope": nil, "scopes": []string{"admin"}}, want: may()},
		"names are exact":           {claims: object{"scope": nil, "SCOPE": "admin", "EXP": 1, "Sub": "bob", "zcope": "admin"}, want: may()},
		"critical extensions":       {header: object{"crit": []string{"b64"}, "b64": true}, reason: critical},
		"crit empty":                {header: object{"crit": []string{}}, reason: critical},
		"kid a number":              {header: object{"kid": 7}, reason: invalidKeyID},
		"kid empty":                 {header: object{"kid": ""}, reason: invalidKeyID},
		"without kid":               {header: object{"kid": nil}, want: may("tasks.read", "tasks.write")},
		"without typ":               {header: object{"typ": nil}, want: may("tasks.read", "tasks.write")},
	}
	for _, s := range sources(t) {
		a := open(t, auth.Config{JWT: &s.jwt})
		for name, c := range cases {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				authorization := "Bearer " + s.signer.token(c.claims, c.header)
				if c.want == nil {
					refused(t, a, authorization, c.reason)
					return
				}
				accepted(t, a, authorization, *c.want)
			})
		}
	}
}

func TestIssuerAndAudienceAreNotCheckedUnlessConfigured(t *testing.T) {
	a := open(t, auth.Config{JWT: &auth.JWT{Secret: secret}})
	accepted(t, a, "Bearer "+hs.token(object{"iss": "anybody", "aud": nil}, nil),
		auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
}

// API keys work if JWTs are configured too, and the error for a wrong key names a key, not a token.
func TestKeysAndTokens(t *testing.T) {
	a := open(t, auth.Config{
		Keys: []auth.Key{{Name: "alice", Secret: "k3y", Scopes: []string{auth.Admin}}},
		JWT:  &auth.JWT{Secret: secret},
	})
	accepted(t, a, "Bearer k3y", auth.Principal{Kind: auth.KindKey, Name: "alice", Scopes: []string{"admin"}})
	accepted(t, a, "Bearer "+hs.token(nil, nil),
		auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
	refused(t, a, "Bearer wrong", unknownKey)
}

// encode writes a token by hand: the JWT library does not write invalid ones.
func encode(header, claims, signature string) string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) + "." + signature
}

func firstHalf(signature string) string {
	raw := must(base64.RawURLEncoding.DecodeString(signature))
	return base64.RawURLEncoding.EncodeToString(raw[:len(raw)/2])
}

// respelled changes the unused bits in the last character of the signature.
func respelled(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	return token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])+1])
}

func TestForgedTokens(t *testing.T) {
	const claims = `{"iss":"https://issuer.example","aud":"backbeat","sub":"mallory","scope":"*","exp":99999999999}`
	jku := newKeyServer(t)
	for _, s := range sources(t) {
		a := open(t, auth.Config{JWT: &s.jwt})
		good := s.signer.token(nil, nil)
		parts := strings.Split(good, ".")
		forged := map[string]struct{ token, reason string }{
			"without a signature":   {parts[0] + "." + parts[1] + ".", wrongSign},
			"other claims":          {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + parts[2], wrongSign},
			"a signature respelled": {respelled(good), malformed},
			"a signature cut":       {parts[0] + "." + parts[1] + "." + firstHalf(parts[2]), wrongSign},
			"alg missing":           {encode(`{"typ":"JWT"}`, claims, parts[2]), wrongSign},
			"alg a list":            {encode(`{"alg":["none"]}`, claims, ""), wrongSign},
			"header null":           {encode(`null`, claims, ""), wrongSign},
			"claims null":           {encode(`{"alg":"none"}`, `null`, ""), wrongSign},
			"claims a list":         {encode(`{"alg":"none"}`, `[]`, ""), malformed},
			"header no JSON":        {encode(`{`, claims, parts[2]), malformed},
			"a line break inside":   {good[:len(good)-2] + "\n" + good[len(good)-2:], lineBreak},
			"empty parts":           {"..", malformed},
			"padded":                {parts[0] + "=." + parts[1] + "." + parts[2], malformed},
			"an unknown key":        {strange[s.signer.method.Alg()].token(nil, nil), wrongSign},
		}
		for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "HS384", "RS384", "RS512", "PS256", "ES384", "ES512"} {
			forged["alg "+alg] = struct{ token, reason string }{encode(`{"alg":"`+alg+`"}`, claims, ""), wrongSign}
			forged["signed, alg "+alg] = struct{ token, reason string }{encode(`{"alg":"`+alg+`"}`, claims, parts[2]), wrongSign}
		}
		brought := object{
			"jwk": rs.jwk(), "jku": jku.URL, "x5u": jku.URL, "x5c": []string{base64.StdEncoding.EncodeToString(rs.der())},
		}
		stranger := strange[s.signer.method.Alg()]
		forged["with its own key"] = struct{ token, reason string }{stranger.token(nil, brought), wrongSign}
		// Tokens signed with every other algorithm, under the kid of the trusted signer, RS256 against HS256 among them.
		for _, other := range []signer{hs, rs, es, ed} {
			if alg := other.method.Alg(); alg != s.signer.method.Alg() && !strings.HasPrefix(s.name, "JWKS") {
				forged["valid for "+alg] = struct{ token, reason string }{other.named(s.signer.kid).token(nil, nil), wrongSign}
			}
		}
		for name, f := range forged {
			t.Run(s.name+"/"+name, func(t *testing.T) { refused(t, a, "Bearer "+f.token, f.reason) })
		}
		t.Run(s.name+"/keys in a valid token are ignored", func(t *testing.T) {
			accepted(t, a, "Bearer "+s.signer.token(nil, brought),
				auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
		})
	}
	if n := jku.hits.Load(); n != 0 {
		t.Errorf("the URL in a token was fetched %d times", n)
	}
}

// A public key must not work as an HMAC secret in any of its usual encodings.
func TestPublicKeysAreNotHMACSecrets(t *testing.T) {
	for _, s := range sources(t) {
		if s.jwt.Secret != "" {
			continue
		}
		a := open(t, auth.Config{JWT: &s.jwt})
		pem := s.signer.pem()
		for name, key := range map[string][]byte{
			"PEM": pem, "PEM without its newline": pem[:len(pem)-1], "DER": s.signer.der(), "JWK": must(s.signer.jwk().MarshalJSON()),
		} {
			for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				t.Run(s.name+"/"+name+"/"+method.Alg(), func(t *testing.T) {
					confused := signer{method, key, s.signer.kid}
					refused(t, a, "Bearer "+confused.token(nil, nil), wrongSign)
					refused(t, a, "Bearer "+confused.token(nil, object{"kid": nil}), wrongSign)
					// Signed with HMAC, with alg set to the algorithm of the key.
					refused(t, a, "Bearer "+confused.token(nil, object{"alg": s.signer.method.Alg()}), wrongSign)
				})
			}
		}
	}
}

// The example of RFC 7515, appendix A.1, was signed by other code. It has expired.
func TestTokenOfRFC7515(t *testing.T) {
	const key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	const token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6" +
		"Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	raw := must(base64.RawURLEncoding.DecodeString(key))
	a := open(t, auth.Config{JWT: &auth.JWT{Secret: string(raw)}})
	refused(t, a, "Bearer "+token, expired)
	refused(t, a, "Bearer "+strings.Replace(token, ".dBj", ".dBk", 1), wrongSign)
}

// The key is that of RFC 8037, appendix A.
func TestKeyOfRFC8037(t *testing.T) {
	server := newKeyServer(t)
	server.set(answering(200, []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)))
	seed := must(base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	a := open(t, auth.Config{JWT: &auth.JWT{JWKSURL: server.URL}})
	token := signer{jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed(seed), "a"}.token(nil, nil)
	accepted(t, a, "Bearer "+token, auth.Principal{Kind: auth.KindToken, Name: "alice", Scopes: []string{"tasks.read", "tasks.write"}})
}

func TestMay(t *testing.T) {
	all := []string{
		auth.TasksRead, auth.TasksWrite, auth.SchedulesRead, auth.SchedulesWrite, auth.QueuesRead, auth.QueuesWrite, auth.Admin,
	}
	for _, has := range append(all, auth.Every, "") {
		for _, wants := range all {
			p := auth.Principal{Name: "p", Scopes: []string{has}}
			if got, want := p.May(wants), has == wants || has == "*"; got != want {
				t.Errorf("%q may %q: %t", has, wants, got)
			}
		}
	}
	if (auth.Principal{}).May(auth.TasksRead) {
		t.Error("the zero Principal may read tasks")
	}
}

// Verification needs no request to the issuer if the key is known, so a canceled context does not matter.
func TestCanceledContextWithKnownKey(t *testing.T) {
	a := open(t, auth.Config{JWT: &auth.JWT{Secret: secret}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Authenticate(ctx, "Bearer "+hs.token(nil, nil)); err != nil {
		t.Error(err)
	}
}
