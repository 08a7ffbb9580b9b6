package httpapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/backbeat-go/backbeat/internal/auth"
	"github.com/backbeat-go/backbeat/internal/httpapi"
)

// issuer signs tokens.
type issuer struct {
	t      *testing.T
	key    *rsa.PrivateKey
	public []byte // PEM
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{t, key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
}

func (i *issuer) token(method jwt.SigningMethod, key any, scope string, life time.Duration) string {
	i.t.Helper()
	token, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "alice", "scope": scope, "exp": time.Now().Add(life).Unix()}).SignedString(key)
	if err != nil {
		i.t.Fatal(err)
	}
	return "Bearer " + token
}

// Every call, with everything that somebody might show.
func TestWhoMayDoWhat(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, i.public, 0o600); err != nil {
		t.Fatal(err)
	}
	scopes := []string{
		auth.TasksRead, auth.TasksWrite, auth.SchedulesRead, auth.SchedulesWrite, auth.QueuesRead, auth.QueuesWrite, auth.Admin,
	}
	keys := []auth.Key{{Name: "all", Secret: "key-of-all", Scopes: []string{"*"}}}
	for _, scope := range scopes {
		keys = append(keys, auth.Key{Name: scope, Secret: "key-of-" + scope, Scopes: []string{scope}})
	}
	a, err := auth.New(auth.Config{Keys: keys, JWT: &auth.JWT{PublicKeyFile: file}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	url, _ := serveBroker(t, func(c *httpapi.Config) {
		c.Auth = a
		c.Monitor = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	})

	for call, needed := range calls(t, url) {
		method, path, _ := strings.Cut(call, " ")
		status := func(authorization string) int {
			t.Helper()
			var header []string
			if authorization != "" {
				header = []string{"Authorization", authorization}
			}
			got := ask(t, method, url+path, "", header...)
			if got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: 401 without a challenge", call)
			}
			return got.status
		}
		if needed == "" {
			if got := status(""); got >= 400 {
				t.Errorf("%s, which is open: %d", call, got)
			}
			continue
		}
		missing := strings.Join(without(scopes, needed), " ")
		for name, authorization := range map[string]string{
			"nothing":         "",
			"a wrong key":     "Bearer key-of-nobody",
			"another scheme":  "Digest key-of-all",
			"an old token":    i.token(jwt.SigningMethodRS256, i.key, "*", -time.Hour),
			"alg none":        i.token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "*", time.Hour),
			"HS for RS":       i.token(jwt.SigningMethodHS256, i.public, "*", time.Hour),
			"a wrong Basic":   "Basic " + base64.StdEncoding.EncodeToString([]byte("me:key-of-nobody")),
			"a cut-off token": i.token(jwt.SigningMethodRS256, i.key, "*", time.Hour)[:100],
		} {
			if got := status(authorization); got != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d", call, name, got)
			}
		}
		if got := status(i.token(jwt.SigningMethodRS256, i.key, missing, time.Hour)); got != http.StatusForbidden {
			t.Errorf("%s without the scope %s: %d", call, needed, got)
		}
		for name, authorization := range map[string]string{
			"the key":            "Bearer key-of-" + needed,
			"the key of all":     "Bearer key-of-all",
			"Basic":              "Basic " + base64.StdEncoding.EncodeToString([]byte("me:key-of-"+needed)),
			"a token":            i.token(jwt.SigningMethodRS256, i.key, needed, time.Hour),
			"a token for a few":  i.token(jwt.SigningMethodRS256, i.key, "other "+needed, time.Hour),
			"a token for it all": i.token(jwt.SigningMethodRS256, i.key, "*", time.Hour),
		} {
			if got := status(authorization); got == http.StatusUnauthorized || got == http.StatusForbidden || got >= 500 {
				t.Errorf("%s with %s: %d", call, name, got)
			}
		}
	}
}

// calls returns all that there is, with the scope that it takes, as its documentation says.
func calls(t *testing.T, url string) map[string]string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal([]byte(ask(t, "GET", url+"/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"GET /": "", "GET /docs": "", "GET /openapi.json": "", "GET /monitor": auth.Admin, "GET /monitor/api/queues": auth.Admin,
		"DELETE /monitor/api/queues/x": auth.Admin, "GET /v1/": auth.Admin, "GET /nowhere": auth.Admin,
	}
	parameter := regexp.MustCompile(`\{\w+\}`)
	for path, operations := range doc.Paths {
		for method, op := range operations {
			scope := ""
			if len(op.Security) > 0 {
				scope = op.Security[0]["bearer"][0]
			}
			if (scope == "") != (path == "/healthz" || path == "/readyz") {
				t.Errorf("%s %s takes the scope %q", method, path, scope)
			}
			all[strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, "x")] = scope
		}
	}
	return all
}

func without(list []string, one string) (rest []string) {
	for _, s := range list {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

func TestChallenges(t *testing.T) {
	a, err := auth.New(auth.Config{Keys: []auth.Key{{Name: "k", Secret: "s", Scopes: []string{auth.TasksRead}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	url := serve(t, &stub{}, func(c *httpapi.Config) { c.Auth = a })
	for path, want := range map[string]string{
		"/v1/tasks": `Bearer realm="backbeat"`,
		"/monitor":  `Basic realm="backbeat", charset="UTF-8"`,
	} {
		if got := ask(t, "GET", url+path, ""); got.status != 401 || got.header.Get("WWW-Authenticate") != want {
			t.Errorf("%s: %d %q", path, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
	got := ask(t, "GET", url+"/v1/tasks", "", "Authorization", "Bearer x")
	if want := `Bearer realm="backbeat", error="invalid_token", error_description="the API key is unknown"`; got.header.Get("WWW-Authenticate") != want {
		t.Errorf("%q", got.header.Get("WWW-Authenticate"))
	}
	got = ask(t, "POST", url+"/v1/tasks", "{}", "Authorization", "Bearer s")
	if p := got.problem(t); p.Status != 403 || !strings.Contains(p.Detail, auth.TasksWrite) {
		t.Errorf("%+v", p)
	}
}
