// Package config is what the programs can be told: defaults, then a YAML file, then the environment, then flags.
// Every fault of every source is found at once and named with its key, and secrets are never printed.
package config

import (
	"net/netip"
	"time"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

// Config is the configuration of all programs; each reads its part.
type Config struct {
	Redis          Redis
	Queues         Queues
	StrictPriority bool
	Retention      time.Duration
	MaxResultBytes int // of the result of a task; a larger one fails it
	DebugTasks     bool
	Types          Types
	HTTPTask       HTTPTask
	Callback       Callback
	SMTP           SMTP
	Log            Log
	API            API
	Worker         Worker
	Beat           Beat
	// Schedules are those of the file.
	Schedules []Schedule
}

// Redis says where the tasks are.
type Redis struct {
	// URL is one of redis://, rediss://, redis-socket://, redis-sentinel://, redis-cluster://. In standalone it is
	// empty unless somebody set it.
	URL Secret
}

// Types says how programs know the types that others run.
type Types struct {
	TTL time.Duration // how long a type is known after its last live worker
}

// HTTPTask limits http.request and callbacks.
type HTTPTask struct {
	// AllowCIDRs are addresses that http.request and callbacks may call besides public ones.
	AllowCIDRs []netip.Prefix
}

// Callback says how callbacks are signed.
type Callback struct {
	// Secrets are as Standard Webhooks writes them: whsec_ and base64. Every callback is signed with each, the first one
	// first. Without any, tasks can have no callbacks.
	Secrets []Secret
}

// SMTP says how email.send delivers.
type SMTP struct {
	URL  Secret // smtp://user:password@host:587 or smtps://host:465; empty: email.send fails
	From string // the sender where a task names none
}

// Log says what is logged, and how.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // text, json, or empty for text on a terminal and else json
}

// API is the HTTP API.
type API struct {
	Addr         string
	Keys         []Key
	JWT          JWT
	Insecure     bool
	AllowedHosts []string // names that an API without authentication answers to, besides localhost; in lower case
	MaxBodyBytes int64
	RateLimit    ratelimit.Rate // what each caller is held to
	MaxWaiters   int
}

// Key is an API key with what it may do.
type Key struct {
	Name   string
	Secret Secret
	Scopes []string
}

// JWT says which tokens are accepted. One of Secret, PublicKeyFile and JWKSURL is set, or none.
type JWT struct {
	Secret        Secret
	PublicKeyFile string
	JWKSURL       string
	Issuer        string
	Audience      string
}

// Worker runs tasks.
type Worker struct {
	Concurrency     int
	Queues          Queues
	ShutdownTimeout time.Duration
	AdminAddr       string
}

// Beat fires schedules.
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

// Default returns the configuration of a program that nobody has told anything.
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
