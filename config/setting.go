package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// setting is one key of the configuration.
type setting struct {
	key    string
	usage  string
	secret bool // has no flag, because the process list shows flags
	parts  []Program
	// set parses a value. Its errors say what a value must be, and quote it only if it is not secret.
	set func(cfg *Config, value string) error
	// get returns the value in the form that set parses, for the help text.
	get func(cfg *Config) string
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

func (s setting) appliesTo(p Program) bool {
	return p == Standalone || len(s.parts) == 0 || slices.Contains(s.parts, p)
}

const envPrefix = "BACKBEAT_"

var (
	onlyAPI    = []Program{APIProgram}
	onlyWorker = []Program{WorkerProgram}
	onlyBeat   = []Program{BeatProgram}
)

// settings lists every key, in the order of the help text. queues comes before worker.queues, which refers to it.
var settings = []setting{
	{
		key: "redis.url", usage: "Redis that stores the tasks: redis://, rediss://, redis-socket://, redis-sentinel:// or redis-cluster://",
		set: func(c *Config, v string) error { c.Redis.URL = Secret(v); _, err := c.Redis.Options(); return err },
		get: func(c *Config) string { return c.Redis.URL.String() },
	},
	{
		key: "queues", usage: "queues and their weights",
		set: func(c *Config, v string) (err error) { c.Queues, err = parseQueues(v, nil); return err },
		get: func(c *Config) string { return c.Queues.String() },
	},
	{
		key: "strict_priority", usage: "always take tasks from the queue of the highest weight first, instead of in proportion to the weights",
		set: func(c *Config, v string) error { return setBool(&c.StrictPriority, v) },
		get: func(c *Config) string { return strconv.FormatBool(c.StrictPriority) },
	},
	{
		key: "retention", usage: "how long a finished task and its result are kept",
		set: func(c *Config, v string) error { return setDuration(&c.Retention, v, 0) },
		get: func(c *Config) string { return c.Retention.String() },
	},
	{
		key: "max_result_bytes", usage: "largest result of a task, in bytes; a larger one fails the task", parts: onlyWorker,
		set: func(c *Config, v string) error { return setInt(&c.MaxResultBytes, v, 1, 256<<20) },
		get: func(c *Config) string { return strconv.Itoa(c.MaxResultBytes) },
	},
	{
		key: "debug_tasks", usage: "enable the debug.* task types",
		set: func(c *Config, v string) error { return setBool(&c.DebugTasks, v) },
		get: func(c *Config) string { return strconv.FormatBool(c.DebugTasks) },
	},
	{
		key: "types.ttl", usage: "how long a task type stays known after its last live worker; the same for all programs",
		set: func(c *Config, v string) error { return setDuration(&c.Types.TTL, v, time.Second) },
		get: func(c *Config) string { return c.Types.TTL.String() },
	},
	{
		key: "http_task.allow_cidrs", usage: "addresses that http.request and callbacks may connect to besides public ones, such as 10.0.0.0/8", parts: onlyWorker,
		set: func(c *Config, v string) (err error) { c.HTTPTask.AllowCIDRs, err = parsePrefixes(v); return err },
		get: func(*Config) string { return "" },
	},
	{
		key: "callback.secrets", usage: "secrets that sign callbacks: whsec_ and the base64 of 24 to 64 random bytes, comma-separated; the same for all programs", secret: true,
		set: func(c *Config, v string) (err error) { c.Callback.Secrets, err = parseWebhookSecrets(v); return err },
		get: func(*Config) string { return "" },
	},
	{
		key: "smtp.url", usage: "mail server of email.send: smtp://user:password@host:587 (STARTTLS) or smtps://host:465; ?tls=opportunistic or none for others",
		secret: true, parts: onlyWorker,
		set: func(c *Config, v string) error { c.SMTP.URL = Secret(v); return checkSMTP(v) },
		get: func(*Config) string { return "" },
	},
	{
		key: "smtp.from", usage: "default sender of email.send", parts: onlyWorker,
		set: func(c *Config, v string) error { return setIf(&c.SMTP.From, v, checkAddress(v)) },
		get: func(*Config) string { return "" },
	},
	{
		key: "log.level", usage: "debug, info, warn or error",
		set: func(c *Config, v string) error { return setOneOf(&c.Log.Level, v, "debug", "info", "warn", "error") },
		get: func(c *Config) string { return c.Log.Level },
	},
	{
		key: "log.format", usage: "text or json; if not set, text on a terminal and json otherwise",
		set: func(c *Config, v string) error { return setOneOf(&c.Log.Format, v, "text", "json") },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.addr", usage: "host:port that the HTTP API listens on", parts: onlyAPI,
		set: func(c *Config, v string) error { return setIf(&c.API.Addr, v, checkAddr(v)) },
		get: func(c *Config) string { return c.API.Addr },
	},
	{
		key: "api.keys", usage: "API keys: name:secret:scope+scope, comma-separated; * is every scope", secret: true, parts: onlyAPI,
		set: func(c *Config, v string) (err error) { c.API.Keys, err = parseKeys(v); return err },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.jwt.secret", usage: "secret of JWTs signed with HS256, at least 32 bytes", secret: true, parts: onlyAPI,
		set: func(c *Config, v string) error { c.API.JWT.Secret = Secret(v); return nil },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.jwt.public_key_file", usage: "PEM file with the public key of JWTs signed with RS256, ES256 or EdDSA", parts: onlyAPI,
		set: func(c *Config, v string) error { c.API.JWT.PublicKeyFile = v; return nil },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.jwt.jwks_url", usage: "URL of the key set that verifies JWTs", parts: onlyAPI,
		set: func(c *Config, v string) error { return setIf(&c.API.JWT.JWKSURL, v, checkHTTP(v)) },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.jwt.issuer", usage: "required issuer (iss) of JWTs", parts: onlyAPI,
		set: func(c *Config, v string) error { c.API.JWT.Issuer = v; return nil },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.jwt.audience", usage: "required audience (aud) of JWTs", parts: onlyAPI,
		set: func(c *Config, v string) error { c.API.JWT.Audience = v; return nil },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.insecure", usage: "serve without authentication on addresses other than loopback", parts: onlyAPI,
		set: func(c *Config, v string) error { return setBool(&c.API.Insecure, v) },
		get: func(c *Config) string { return strconv.FormatBool(c.API.Insecure) },
	},
	{
		key: "api.allowed_hosts", usage: "host names, comma-separated, that requests to an API without authentication may use besides localhost and IP addresses", parts: onlyAPI,
		set: func(c *Config, v string) (err error) { c.API.AllowedHosts, err = parseHosts(v); return err },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.max_body_bytes", usage: "largest request body, in bytes", parts: onlyAPI,
		set: func(c *Config, v string) error { return setInt(&c.API.MaxBodyBytes, v, 1, 1<<30) },
		get: func(c *Config) string { return strconv.FormatInt(c.API.MaxBodyBytes, 10) },
	},
	{
		key: "api.rate_limit", usage: "request rate limit of each caller, such as 100/s, 6000/m or 100/s burst=200; no limit if not set", parts: onlyAPI,
		set: func(c *Config, v string) (err error) { c.API.RateLimit, err = ratelimit.Parse(v); return err },
		get: func(*Config) string { return "" },
	},
	{
		key: "api.max_waiters", usage: "how many requests to one process may wait for a task or follow it at the same time; more get 429", parts: onlyAPI,
		set: func(c *Config, v string) error { return setInt(&c.API.MaxWaiters, v, 1, 1_000_000) },
		get: func(c *Config) string { return strconv.Itoa(c.API.MaxWaiters) },
	},
	{
		key: "worker.concurrency", usage: "how many tasks one worker runs at the same time", parts: onlyWorker,
		set: func(c *Config, v string) error { return setInt(&c.Worker.Concurrency, v, 1, 10_000) },
		get: func(c *Config) string { return strconv.Itoa(c.Worker.Concurrency) },
	},
	{
		key: "worker.queues", usage: "queues that the worker takes tasks from, with or without weights of their own; if not set, all of queues", parts: onlyWorker,
		set: func(c *Config, v string) (err error) { c.Worker.Queues, err = parseQueues(v, c.Queues); return err },
		get: func(*Config) string { return "" },
	},
	{
		key: "worker.shutdown_timeout", usage: "how long running tasks may take to finish before they are requeued", parts: onlyWorker,
		set: func(c *Config, v string) error { return setDuration(&c.Worker.ShutdownTimeout, v, time.Millisecond) },
		get: func(c *Config) string { return c.Worker.ShutdownTimeout.String() },
	},
	{
		key: "worker.admin_addr", usage: "host:port that serves the worker's /healthz, /readyz and /metrics", parts: onlyWorker,
		set: func(c *Config, v string) error { return setIf(&c.Worker.AdminAddr, v, checkAddr(v)) },
		get: func(*Config) string { return "" },
	},
	{
		key: "beat.lease_ttl", usage: "how long it takes at most until a dead leader is replaced", parts: onlyBeat,
		set: func(c *Config, v string) error { return setDuration(&c.Beat.LeaseTTL, v, time.Second) },
		get: func(c *Config) string { return c.Beat.LeaseTTL.String() },
	},
	{
		key: "beat.admin_addr", usage: "host:port that serves beat's /healthz, /readyz and /metrics", parts: onlyBeat,
		set: func(c *Config, v string) error { return setIf(&c.Beat.AdminAddr, v, checkAddr(v)) },
		get: func(*Config) string { return "" },
	},
}

func setIf(to *string, value string, err error) error {
	if err == nil {
		*to = value
	}
	return err
}

func setBool(to *bool, value string) error {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("must be true or false, not %q", value)
	}
	*to = b
	return nil
}

func setDuration(to *time.Duration, value string, minimum time.Duration) error {
	d, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("must be a duration such as 90s or 1h30m, not %q", value)
	}
	if d < minimum {
		return fmt.Errorf("must be at least %s, not %s", minimum, value)
	}
	*to = d
	return nil
}

func setInt[T int | int64](to *T, value string, minimum, maximum T) error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || T(n) < minimum || T(n) > maximum {
		return fmt.Errorf("must be a number from %d to %d, not %q", minimum, maximum, value)
	}
	*to = T(n)
	return nil
}

func setOneOf(to *string, value string, choices ...string) error {
	if !slices.Contains(choices, value) {
		return fmt.Errorf("must be one of %s, not %q", strings.Join(choices, ", "), value)
	}
	*to = value
	return nil
}

func checkAddr(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("must be host:port, as in 127.0.0.1:8080, not %q", value)
	}
	return nil
}

func checkHTTP(value string) error {
	if u, err := url.Parse(value); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("must be an http or https URL")
	}
	return nil
}

func checkAddress(value string) error {
	if _, err := mail.ParseAddress(value); err != nil {
		return fmt.Errorf("must be a mail address, not %q", value)
	}
	return nil
}

func checkSMTP(value string) error {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" {
		return errors.New("must be smtp://host:port or smtps://host:port, with user:password@ before the host if needed")
	}
	if mode := u.Query().Get("tls"); !slices.Contains([]string{"", "required", "opportunistic", "none"}, mode) {
		return fmt.Errorf("tls must be required, opportunistic or none, not %q", mode)
	}
	return nil
}

var hostName = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// parseHosts reads comma-separated host names.
func parseHosts(value string) ([]string, error) {
	var hosts []string
	for part := range strings.SplitSeq(value, ",") {
		host := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(part), "."))
		if !hostName.MatchString(host) {
			return nil, fmt.Errorf("must be host names without ports, such as backbeat.example.com, not %q", part)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

func parsePrefixes(value string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(value, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("must be address ranges such as 10.0.0.0/8 or fd00::/8, not %q", part)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}
