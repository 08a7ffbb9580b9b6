// Package config loads the configuration of the programs: defaults, overridden by a YAML file, then by environment
// variables, then by flags. Load reports all errors of all sources at once, each with its key. Secrets are never printed.
package config

import (
	"net/netip"
	"time"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// Config is the configuration of all programs. Each program uses only its own part.
type Config struct {
	Redis          Redis
	Queues         Queues
	StrictPriority bool
	Retention      time.Duration
	MaxResultBytes int // the size limit of a task's result; a larger result fails the task
	DebugTasks     bool
	Types          Types
	HTTPTask       HTTPTask
	Callback       Callback
	SMTP           SMTP
	Log            Log
	API            API
	Worker         Worker
	Beat           Beat
	// Schedules are defined in the file.
	Schedules []Schedule
}

// Redis is the Redis that stores the tasks.
type Redis struct {
	// URL has the scheme redis, rediss, redis-socket, redis-sentinel or redis-cluster. It is empty in standalone unless it
	// is set.
	URL Secret
}

// Types configures the registry of task types.
type Types struct {
	TTL time.Duration // how long a type stays known after its last live worker
}

// HTTPTask restricts http.request and callbacks.
type HTTPTask struct {
	// AllowCIDRs are the addresses that http.request and callbacks may connect to besides public ones.
	AllowCIDRs []netip.Prefix
}

// Callback configures the signatures of callbacks.
type Callback struct {
	// Secrets have the form of Standard Webhooks: whsec_ and base64. Every callback is signed with all of them, in order.
	// Without secrets, callbacks are disabled.
	Secrets []Secret
}

// SMTP configures the mail server of email.send.
type SMTP struct {
	URL  Secret // smtp://user:password@host:587 or smtps://host:465; empty: email.send fails
	From string // the default sender
}

// Log configures logging.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text or json; empty: text on a terminal, json otherwise
}

// API configures the HTTP API.
type API struct {
	Addr         string
	Keys         []Key
	JWT          JWT
	Insecure     bool
	AllowedHosts []string // lower-case names, besides localhost, that an API without authentication accepts as the Host of requests
	MaxBodyBytes int64
	RateLimit    ratelimit.Rate // applies to each caller
	MaxWaiters   int            // limits the requests per process that wait for a task or follow it
}

// Key is an API key with its scopes.
type Key struct {
	Name   string
	Secret Secret
	Scopes []string
}

// JWT says which tokens are accepted. At most one of Secret, PublicKeyFile and JWKSURL is set.
type JWT struct {
	Secret        Secret
	PublicKeyFile string
	JWKSURL       string
	Issuer        string
	Audience      string
}

// Worker configures a worker, which runs tasks.
type Worker struct {
	Concurrency     int
	Queues          Queues
	ShutdownTimeout time.Duration
	AdminAddr       string
}

// Beat configures a beat, which fires schedules.
type Beat struct {
	AdminAddr string
	LeaseTTL  time.Duration
}

// Program is one of the programs.
type Program string

// The programs.
const (
	APIProgram    Program = "api"
	WorkerProgram Program = "worker"
	BeatProgram   Program = "beat"
	Standalone    Program = "standalone"
)

func (p Program) serves() bool { return p == APIProgram || p == Standalone }

// Default returns the default configuration of a program.
func Default(p Program) *Config {
	cfg := &Config{
		Redis:          Redis{URL: "redis://127.0.0.1:6379/0"},
		Queues:         Queues{{"critical", 6}, {"default", 3}, {"low", 1}},
		Retention:      24 * time.Hour,
		Types:          Types{TTL: 24 * time.Hour},
		MaxResultBytes: 1 << 20,
		Log:            Log{Level: "info"},
		API:            API{Addr: "127.0.0.1:8080", MaxBodyBytes: 1 << 20, MaxWaiters: 10_000},
		Worker:         Worker{Concurrency: 64, ShutdownTimeout: 30 * time.Second},
		Beat:           Beat{LeaseTTL: 5 * time.Second},
	}
	if p == Standalone {
		cfg.Redis.URL = ""
		cfg.DebugTasks = true
	}
	return cfg
}
