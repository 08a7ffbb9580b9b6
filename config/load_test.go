package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backbeat.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, p config.Program, args []string, environ ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(p, args, environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// validationErrors loads an invalid configuration, and returns its errors by key.
func validationErrors(t *testing.T, p config.Program, args []string, environ ...string) map[string]config.ValidationError {
	t.Helper()
	_, err := config.Load(p, args, environ)
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	byKey := make(map[string]config.ValidationError)
	for _, f := range e.Errors {
		byKey[f.Key] = f
	}
	return byKey
}

func TestDefaults(t *testing.T) {
	cfg := load(t, config.WorkerProgram, nil)
	want := config.Queues{{Name: "critical", Weight: 6}, {Name: "default", Weight: 3}, {Name: "low", Weight: 1}}
	switch {
	case cfg.Redis.URL.Reveal() != "redis://127.0.0.1:6379/0", !reflect.DeepEqual(cfg.Queues, want), !reflect.DeepEqual(cfg.Worker.Queues, want),
		cfg.StrictPriority, cfg.Retention != 24*time.Hour, cfg.Types.TTL != 24*time.Hour, cfg.DebugTasks, cfg.HTTPTask.AllowCIDRs != nil, cfg.Log.Level != "info",
		cfg.API.Addr != "127.0.0.1:8080", cfg.API.Insecure, cfg.API.RateLimit.Limits(), cfg.API.MaxBodyBytes != 1<<20, cfg.API.MaxWaiters != 10_000, cfg.Worker.Concurrency != 64,
		cfg.Worker.ShutdownTimeout != 30*time.Second, cfg.Worker.AdminAddr != "", cfg.Beat.AdminAddr != "", cfg.Beat.LeaseTTL != 5*time.Second:
		t.Errorf("%+v", cfg)
	}
	alone := load(t, config.Standalone, nil)
	if alone.Redis.URL != "" || !alone.DebugTasks {
		t.Errorf("standalone: redis %q, debug tasks %v", alone.Redis.URL, alone.DebugTasks)
	}
}

// everything lists every key with its value in a file and in the environment.
var everything = []struct{ key, env, yaml, text string }{
	{"redis.url", "BACKBEAT_REDIS_URL", `"redis://u:p@h:1234/5"`, "redis://u:p@h:1234/5"},
	{"queues", "BACKBEAT_QUEUES", "{b: 2, a: 9}", "a=9,b=2"},
	{"strict_priority", "BACKBEAT_STRICT_PRIORITY", "true", "true"},
	{"retention", "BACKBEAT_RETENTION", "90m", "90m"},
	{"max_result_bytes", "BACKBEAT_MAX_RESULT_BYTES", "4096", "4096"},
	{"debug_tasks", "BACKBEAT_DEBUG_TASKS", "true", "true"},
	{"types.ttl", "BACKBEAT_TYPES_TTL", "12h", "12h"},
	{"http_task.allow_cidrs", "BACKBEAT_HTTP_TASK_ALLOW_CIDRS", `[10.0.0.0/8, "fd00::/8"]`, "10.0.0.0/8, fd00::/8"},
	{"smtp.url", "BACKBEAT_SMTP_URL", `"smtp://u:p@mail:587"`, "smtp://u:p@mail:587"},
	{"smtp.from", "BACKBEAT_SMTP_FROM", "a@b.example", "a@b.example"},
	{"log.level", "BACKBEAT_LOG_LEVEL", "warn", "warn"},
	{"log.format", "BACKBEAT_LOG_FORMAT", "json", "json"},
	{"api.addr", "BACKBEAT_API_ADDR", `"127.0.0.1:1"`, "127.0.0.1:1"},
	{"api.insecure", "BACKBEAT_API_INSECURE", "true", "true"},
	{"api.allowed_hosts", "BACKBEAT_API_ALLOWED_HOSTS", "[api, Tasks.example.com.]", "api, Tasks.example.com."},
	{"api.max_body_bytes", "BACKBEAT_API_MAX_BODY_BYTES", "2048", "2048"},
	{"api.rate_limit", "BACKBEAT_API_RATE_LIMIT", "100/m burst=9", "100/m burst=9"},
	{"api.max_waiters", "BACKBEAT_API_MAX_WAITERS", "500", "500"},
	{"worker.concurrency", "BACKBEAT_WORKER_CONCURRENCY", "3", "3"},
	{"worker.queues", "BACKBEAT_WORKER_QUEUES", "[b, a]", "b,a"},
	{"worker.shutdown_timeout", "BACKBEAT_WORKER_SHUTDOWN_TIMEOUT", "7s", "7s"},
	{"worker.admin_addr", "BACKBEAT_WORKER_ADMIN_ADDR", `"127.0.0.1:2"`, "127.0.0.1:2"},
	{"beat.admin_addr", "BACKBEAT_BEAT_ADMIN_ADDR", `"127.0.0.1:3"`, "127.0.0.1:3"},
	{"beat.lease_ttl", "BACKBEAT_BEAT_LEASE_TTL", "9s", "9s"},
}

func TestEveryKeyBySource(t *testing.T) {
	want := &config.Config{
		Redis:          config.Redis{URL: "redis://u:p@h:1234/5"},
		Queues:         config.Queues{{Name: "a", Weight: 9}, {Name: "b", Weight: 2}},
		StrictPriority: true,
		Retention:      90 * time.Minute,
		MaxResultBytes: 4096,
		DebugTasks:     true,
		Types:          config.Types{TTL: 12 * time.Hour},
		HTTPTask:       config.HTTPTask{AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}},
		SMTP:           config.SMTP{URL: "smtp://u:p@mail:587", From: "a@b.example"},
		Log:            config.Log{Level: "warn", Format: "json"},
		API: config.API{
			Addr: "127.0.0.1:1", Insecure: true, AllowedHosts: []string{"api", "tasks.example.com"}, MaxBodyBytes: 2048, MaxWaiters: 500, RateLimit: ratelimit.Rate{Limit: 100, Period: time.Minute, Burst: 9},
		},
		Worker: config.Worker{
			Concurrency: 3, Queues: config.Queues{{Name: "b", Weight: 2}, {Name: "a", Weight: 9}}, ShutdownTimeout: 7 * time.Second, AdminAddr: "127.0.0.1:2",
		},
		Beat: config.Beat{AdminAddr: "127.0.0.1:3", LeaseTTL: 9 * time.Second},
	}
	var environ []string
	var file strings.Builder
	var args []string
	sections := make(map[string][]string)
	for _, e := range everything {
		environ = append(environ, e.env+"="+e.text)
		if section, key, nested := strings.Cut(e.key, "."); nested {
			sections[section] = append(sections[section], fmt.Sprintf("  %s: %s\n", key, e.yaml))
		} else {
			fmt.Fprintf(&file, "%s: %s\n", e.key, e.yaml)
		}
		if e.key != "smtp.url" { // a secret
			args = append(args, "--"+strings.NewReplacer(".", "-", "_", "-").Replace(e.key)+"="+e.text)
		}
	}
	for section, lines := range sections {
		fmt.Fprintf(&file, "%s:\n%s", section, strings.Join(lines, ""))
	}
	for name, cfg := range map[string]*config.Config{
		"environment": load(t, config.Standalone, nil, environ...),
		"file":        load(t, config.Standalone, []string{"--config", write(t, file.String())}),
		"flags":       load(t, config.Standalone, args, "BACKBEAT_SMTP_URL=smtp://u:p@mail:587"),
	} {
		if !reflect.DeepEqual(cfg, want) {
			t.Errorf("by %s:\n%#v, want\n%#v", name, cfg, want)
		}
	}
}

// The variables of the command line client may be set in the environment of a program.
func TestClientVariablesAreIgnored(t *testing.T) {
	for _, name := range []string{"BACKBEAT_SERVER", "BACKBEAT_KEY", "BACKBEAT_PROFILE"} {
		if _, err := config.Load(config.APIProgram, nil, []string{name + "=x"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "worker: {concurrency: 2}\nretention: 2h\nlog: {level: warn}\n")
	cfg := load(t, config.WorkerProgram, []string{"--worker-concurrency", "4"},
		"BACKBEAT_CONFIG="+file, "BACKBEAT_WORKER_CONCURRENCY=3", "BACKBEAT_RETENTION=3h", "BACKBEAT_LOG_LEVEL=")
	if cfg.Worker.Concurrency != 4 || cfg.Retention != 3*time.Hour || cfg.Log.Level != "warn" {
		t.Errorf("concurrency %d by flag, retention %s by environment, level %s by file", cfg.Worker.Concurrency, cfg.Retention, cfg.Log.Level)
	}
	other := write(t, "retention: 5h\n")
	if cfg := load(t, config.WorkerProgram, []string{"--config", other}, "BACKBEAT_CONFIG="+file); cfg.Retention != 5*time.Hour {
		t.Errorf("--config does not override BACKBEAT_CONFIG: %s", cfg.Retention)
	}
}

// Each file in testdata has one error. Its first line names the key and a part of the message.
func TestInvalidFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(data), "\n")
			key, message, ok := strings.Cut(strings.TrimPrefix(first, "# "), ": ")
			if !ok {
				t.Fatalf("the first line must be: # key: message")
			}
			found := validationErrors(t, config.Standalone, []string{"--config", path})
			f, ok := found[key]
			if !ok || len(found) != 1 || !strings.Contains(f.Message, message) {
				t.Errorf("got %+v, want one of %s: …%s…", found, key, message)
			}
			if f.Source != "" && f.Source != path {
				t.Errorf("the source is %s", f.Source)
			}
		})
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	file := write(t, "retention: soon\nno_such_key: 1\nschedules: {}\n")
	found := validationErrors(t, config.APIProgram, []string{"--config", file, "--api-max-body-bytes", "0", "stray"},
		"BACKBEAT_QUEUES=a=0", "BACKBEAT_API_ADDR=:80", "BACKBEAT_APl_KEYS=x", "UNRELATED=1")
	for _, key := range []string{"retention", "no_such_key", "schedules", "api.max_body_bytes", "flags", "queues", "api.addr", "BACKBEAT_APl_KEYS"} {
		if _, ok := found[key]; !ok {
			t.Errorf("no error for %s", key)
		}
	}
	if got := found["queues"].Source; got != "BACKBEAT_QUEUES" {
		t.Errorf("the source of queues is %q", got)
	}
	if got := found["api.max_body_bytes"].Source; got != "--api-max-body-bytes" {
		t.Errorf("the source of api.max_body_bytes is %q", got)
	}
	_, err := config.Load(config.APIProgram, []string{"--config", file, "--no-such-flag"}, nil)
	if lines := strings.Split(err.Error(), "\n"); len(lines) < 4 || !strings.Contains(err.Error(), "--no-such-flag") {
		t.Errorf("not every error has a line: %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	found := validationErrors(t, config.BeatProgram, []string{"--config", filepath.Join(t.TempDir(), "none.yaml")})
	if f := found["config"]; !strings.Contains(f.Message, "no such file") {
		t.Errorf("%+v", found)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, p := range []config.Program{config.APIProgram, config.WorkerProgram, config.BeatProgram, config.Standalone} {
		if _, err := config.Load(p, []string{"--help"}, nil); !errors.Is(err, config.ErrHelp) {
			t.Errorf("%s --help: %v", p, err)
		}
		if _, err := config.Load(p, []string{"--version"}, nil); !errors.Is(err, config.ErrVersion) {
			t.Errorf("%s --version: %v", p, err)
		}
	}
	usage := config.Usage(config.Standalone)
	for _, e := range everything {
		if !strings.Contains(usage, e.env) {
			t.Errorf("help does not list %s", e.env)
		}
	}
	for _, secret := range []string{"--api-keys", "--smtp-url", "--api-jwt-secret", "--callback-secrets"} {
		if strings.Contains(usage, secret) {
			t.Errorf("%s is a flag, so the process list shows the secret", secret)
		}
	}
	if strings.Contains(config.Usage(config.BeatProgram), "BACKBEAT_WORKER_CONCURRENCY") {
		t.Error("beat's help lists the worker's settings")
	}
}

func TestUnprotectedAPI(t *testing.T) {
	loopback := []string{"127.0.0.1:80", "127.8.9.10:80", "[::1]:80", "localhost:80", "[::ffff:127.0.0.1]:80"}
	open := []string{":80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.com:80", "localhost.example.com:80"}
	for _, p := range []config.Program{config.APIProgram, config.Standalone} {
		for _, addr := range loopback {
			load(t, p, nil, "BACKBEAT_API_ADDR="+addr)
		}
		for _, addr := range open {
			if f := validationErrors(t, p, nil, "BACKBEAT_API_ADDR="+addr)["api.addr"]; !strings.Contains(f.Message, "api.insecure") {
				t.Errorf("%s on %s: %+v", p, addr, f)
			}
			load(t, p, nil, "BACKBEAT_API_ADDR="+addr, "BACKBEAT_API_INSECURE=true")
		}
	}
	load(t, config.WorkerProgram, nil, "BACKBEAT_API_ADDR=0.0.0.0:80") // the worker does not listen there
}

// With authentication, the API may listen on any address.
func TestAuthenticationAllowsAnyAddress(t *testing.T) {
	for _, env := range []string{
		"BACKBEAT_API_KEYS=ci:s3cret:tasks.read+tasks.write", "BACKBEAT_API_JWT_SECRET=s3cret",
		"BACKBEAT_API_JWT_JWKS_URL=https://issuer.example/keys", "BACKBEAT_API_JWT_PUBLIC_KEY_FILE=key.pem",
	} {
		for _, p := range []config.Program{config.APIProgram, config.Standalone, config.WorkerProgram} {
			load(t, p, nil, env, "BACKBEAT_API_ADDR=0.0.0.0:80")
		}
	}
}

// If an incomplete JWT configuration were ignored, the API would be open to everyone.
func TestIncompleteJWTConfigurationIsAnError(t *testing.T) {
	for env, want := range map[string]string{
		"BACKBEAT_API_JWT_ISSUER=https://issuer.example": "needs secret",
		"BACKBEAT_API_JWT_AUDIENCE=backbeat":             "needs secret",
	} {
		if f := validationErrors(t, config.APIProgram, nil, env)["api.jwt"]; !strings.Contains(f.Message, want) {
			t.Errorf("%s: %+v", env, f)
		}
	}
	both := []string{"BACKBEAT_API_JWT_SECRET=s3cret", "BACKBEAT_API_JWT_PUBLIC_KEY_FILE=key.pem"}
	if f := validationErrors(t, config.APIProgram, nil, both...)["api.jwt"]; !strings.Contains(f.Message, "takes exactly one of") {
		t.Errorf("%+v", f)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "hunter2"
	sources := []string{
		"BACKBEAT_REDIS_URL=redis://user:" + secret + "@host/0",
		"BACKBEAT_REDIS_URL=redis://user:" + secret + "@host/x",
		"BACKBEAT_REDIS_URL=redis://user:" + secret + "%zz@host/0",
		"BACKBEAT_REDIS_URL=redis://:" + secret + "@a,b/0",
		"BACKBEAT_REDIS_URL=redis-sentinel://:" + secret + "@a,b/0?master=m&sentinel_password=" + secret,
		"BACKBEAT_REDIS_URL=redis-cluster://u:" + secret + "@a:1,b:2",
		"BACKBEAT_REDIS_URL=" + secret,
		"BACKBEAT_REDIS_URL=mysql://u:" + secret + "@h",
		"BACKBEAT_SMTP_URL=smtp://u:" + secret + "@mail",
		"BACKBEAT_SMTP_URL=" + secret,
		"BACKBEAT_API_KEYS=name:" + secret + ":no.such.scope",
		"BACKBEAT_API_KEYS=" + secret,
		"BACKBEAT_API_KEYS=a:" + secret + ":*",
		"BACKBEAT_API_JWT_SECRET=" + secret,
		"BACKBEAT_CALLBACK_SECRETS=" + secret,
		"BACKBEAT_CALLBACK_SECRETS=whsec_" + secret + "AAAABBBBCCCCDDDDEEEEFFFFG",
	}
	for _, source := range sources {
		for _, p := range []config.Program{config.APIProgram, config.WorkerProgram} {
			_, err := config.Load(p, nil, []string{source, "BACKBEAT_RETENTION=bad"})
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("%s: the error contains it: %v", source, err)
			}
			cfg, err := config.Load(p, nil, []string{source})
			if err != nil {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error contains it: %v", source, err)
				}
				continue
			}
			var logged bytes.Buffer
			slog.New(slog.NewJSONHandler(&logged, nil)).Info("config", "config", cfg, "url", cfg.Redis.URL, "keys", cfg.API.Keys, "callback", cfg.Callback)
			slog.New(slog.NewTextHandler(&logged, nil)).Info("config", "config", cfg, "url", cfg.Redis.URL, "keys", cfg.API.Keys, "callback", cfg.Callback)
			asJSON, err := json.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			all := fmt.Sprintf("%v %+v %#v %s %s", cfg, *cfg, *cfg, logged.String(), asJSON)
			if strings.Contains(all, secret) {
				t.Errorf("%s is printed: %s", source, all)
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"", "a: 1", "queues: {a: 1}", "queues: [1, {}]", "redis: 1", "redis:", "schedules: [1, {id: x}]", "- 1", "\x00", "api: {keys: [a]}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = config.Load(config.Standalone, []string{"--config", write(t, text)}, nil) // must not panic
	})
}

func FuzzRedisURL(f *testing.F) {
	for _, seed := range []string{"redis://h", "rediss://u:p@h:1/2", "redis-socket:///a?db=1", "redis-sentinel://a,b?master=m", "redis-cluster://[::1]:1", "://", "redis://@/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		opts, err := config.Redis{URL: config.Secret(text)}.Options()
		if err == nil && len(opts.Addrs) == 0 {
			t.Errorf("%q is accepted, and has no address", text)
		}
	})
}

// FuzzKeys checks that the error for an API key does not depend on its secret.
func FuzzKeys(f *testing.F) {
	for _, seed := range [][3]string{
		{"ci", "hunter2-hunter2", "tasks.read+admin"}, {"ci", "hunter2", "*"}, {"", "hunter2", "*"}, {"ci", "hunter2", ""}, {"ci", "hunter2", "hunter2"},
		{"ci:", "hunter2", "*"}, {"a,ci", "hunter2", "*"}, {"ci", "hunter2", "*,ci:other:*"}, {" ", "\x00", "+"}, {"\xff", "é", "tasks.read+"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	load := func(name, secret, scopes string) (*config.Config, string) {
		cfg, err := config.Load(config.APIProgram, nil, []string{"BACKBEAT_API_KEYS=" + name + ":" + secret + ":" + scopes})
		return cfg, fmt.Sprint(err)
	}
	f.Fuzz(func(t *testing.T, name, secret, scopes string) {
		if secret == "" || strings.ContainsAny(secret, ":,") {
			return // not a single secret
		}
		cfg, said := load(name, secret, scopes)
		if _, other := load(name, "another", scopes); said != other {
			t.Errorf("the error is %q for one secret, and %q for another", said, other)
		}
		if cfg != nil && len(cfg.API.Keys) == 1 {
			if key := cfg.API.Keys[0]; key.Secret.Reveal() != secret || !strings.HasSuffix(name, key.Name) || len(key.Scopes) == 0 {
				t.Errorf("%q:%q:%q is %q with the secret %q and scopes %q", name, secret, scopes, key.Name, key.Secret.Reveal(), key.Scopes)
			}
		}
	})
}

func TestAllowedHostsAreNames(t *testing.T) {
	for _, text := range []string{"https://a.example", "a.example:80", "*", "a..example", ".", "a b", "a,,b", "[::1]"} {
		if f := validationErrors(t, config.APIProgram, nil, "BACKBEAT_API_ALLOWED_HOSTS="+text)["api.allowed_hosts"]; f.Message == "" {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestTrailingLineBreaksAreTrimmed(t *testing.T) {
	secret := strings.Repeat("s", 32)
	file := write(t, "redis: {url: \"redis://h:1/0\\n\"}\napi:\n  jwt:\n    secret: |\n      "+secret+"\n    issuer: \"i\\r\\n\"\n")
	fromFile := load(t, config.APIProgram, []string{"--config", file, "--api-jwt-audience", "a\n"}, "BACKBEAT_API_INSECURE=\n")
	fromEnv := load(t, config.APIProgram, nil, "BACKBEAT_REDIS_URL=redis://h:1/0\n", "BACKBEAT_API_JWT_SECRET="+secret+"\r\n",
		"BACKBEAT_API_JWT_ISSUER=i\n", "BACKBEAT_API_JWT_AUDIENCE=a\n\n")
	for _, cfg := range []*config.Config{fromFile, fromEnv} {
		jwt := cfg.API.JWT
		got := []string{cfg.Redis.URL.Reveal(), jwt.Secret.Reveal(), jwt.Issuer, jwt.Audience}
		if want := []string{"redis://h:1/0", secret, "i", "a"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
