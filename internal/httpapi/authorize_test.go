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
	"sync/atomic"
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
		c.Auth, c.RefusalRate = a, manyRefusals
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/plain") })
		c.Monitor = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	})

	all := calls(t, url)
	// "preview" is the id of a schedule too; only to POST there changes nothing.
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		all[method+" /v1/schedules/preview"] = auth.SchedulesWrite
	}
	for call, needed := range all {
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
		// Where credentials are not looked for, they do not count.
		for _, header := range []string{"Proxy-Authorization", "X-Api-Key", "Cookie"} {
			if got := ask(t, method, url+path+"?access_token=key-of-all&api_key=key-of-all", "", header, "Bearer key-of-all"); got.status != http.StatusUnauthorized {
				t.Errorf("%s with a key in %s: %d", call, header, got.status)
			}
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
			"two keys":        "Bearer key-of-nobody, Bearer key-of-all",
			"a token's Basic": "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+i.token(jwt.SigningMethodRS256, i.key, "*", time.Hour)[7:])),
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
		"DELETE /monitor/api/queues/x": auth.Admin, "GET /metrics": auth.Admin,
	}
	parameter := regexp.MustCompile(`\{\w+\}`)
	for path, operations := range doc.Paths {
		for method, op := range operations {
			scope := ""
			if len(op.Security) > 0 {
				scope = op.Security[0]["bearer"][0]
			}
			if want := promisedScope(strings.ToUpper(method), path); scope != want {
				t.Errorf("%s %s takes the scope %q, not %q", method, path, scope, want)
			}
			all[strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, "x")] = scope
		}
	}
	return all
}

// promisedScope returns the scope of a call as users are told, not as the code has it.
func promisedScope(method, path string) string {
	verb := ".write"
	if method == http.MethodGet || path == "/v1/schedules/preview" {
		verb = ".read"
	}
	noun, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	switch noun {
	case "tasks", "schedules", "queues":
		return noun + verb
	case "task-types":
		return auth.TasksRead
	case "beat":
		return auth.SchedulesRead
	case "workers":
		return auth.QueuesRead
	}
	if path == "/healthz" || path == "/readyz" {
		return ""
	}
	return auth.Admin
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
	url := serve(t, &stub{}, func(c *httpapi.Config) { c.Auth, c.RefusalRate = a, manyRefusals })
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

// A browser sends its credentials along wherever a page makes it send something, so that pages of other origins may change
// nothing, and least of all in the dashboard.
func TestOtherOriginsChangeNothing(t *testing.T) {
	var changed atomic.Bool
	url := serve(t, &stub{}, guard(t), func(c *httpapi.Config) {
		c.Monitor = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { changed.Store(r.Method != http.MethodGet) })
	})
	const body = `{"type":"echo"}`
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:key-of-all"))
	for _, call := range []string{"POST /monitor/api/queues/low:pause", "DELETE /monitor/api/queues/low", "PUT /monitor", "PATCH /monitor/x", "POST /v1/tasks"} {
		method, path, _ := strings.Cut(call, " ")
		for _, tt := range []struct {
			header, value string
			allowed       bool
		}{
			{"Origin", "https://evil.example", false},
			{"Origin", "null", false},
			{"Origin", "https://evil.example:443", false},
			{"Origin", url + ".evil.example", false},
			{"Origin", url + "0", false},
			{"Origin", url, true},
			{"Sec-Fetch-Site", "cross-site", false},
			{"Sec-Fetch-Site", "same-site", false},
			{"Sec-Fetch-Site", "same-origin", true},
			{"Sec-Fetch-Site", "none", true}, // typed into the address bar
			{"User-Agent", "curl", true},     // no browser says neither
		} {
			changed.Store(false)
			got := ask(t, method, url+path, body, "Authorization", basic, tt.header, tt.value)
			if got.status == http.StatusForbidden == tt.allowed || changed.Load() && !tt.allowed {
				t.Errorf("%s with %s %s: %d, changed %v", call, tt.header, tt.value, got.status, changed.Load())
			}
		}
	}
	if got := ask(t, "GET", url+"/monitor", "", "Authorization", basic, "Sec-Fetch-Site", "cross-site"); got.status != http.StatusOK {
		t.Errorf("a link to the dashboard: %d", got.status)
	}
}
