// Package archtest keeps the direction of the imports: programs import the composition root, that imports the
// adapters, they import the domain, and the domain imports no technology. The linter's depguard has the rules too and
// tells an editor at once; this test also sees what comes in through a third package.
package archtest

import (
	"slices"
	"strings"
	"testing"
)

const (
	asynq    = "github.com/hibiken/asynq"
	asynqmon = "github.com/hibiken/asynqmon"
	echo     = "github.com/labstack/echo"
	goRedis  = "github.com/redis/go-redis"
)

var (
	project  = under(module)
	domain   = own("task", "internal/catalog", "internal/fleet", "internal/jsonschema", "internal/cron", "internal/schedule", "internal/lease", "internal/ratelimit", "internal/pause")
	adapters = []string{"internal/broker", "internal/redisstore", "internal/typestore", "internal/httpapi", "internal/localredis"}
)

// rooms are the packages of the broker, and which of them each may import.
var rooms = map[string][]string{
	"wire":      nil,
	"clock":     nil,
	"meter":     nil,
	"setup":     {"wire"},
	"script":    {"wire"},
	"watch":     {"wire"},
	"recovery":  {"wire", "script"},
	"outbox":    {"wire", "script"},
	"queue":     {"wire", "script", "clock", "meter", "setup", "watch"},
	"ticks":     {"wire", "script", "queue"},
	"intercept": {"wire", "script", "meter"},
	"worker":    {"wire", "script", "clock", "meter", "intercept", "outbox", "recovery"},
}

// rules returns the rules of the house.
func rules() []rule {
	rules := []rule{
		{
			says:  "the domain and beat import no technology",
			from:  domain.or(own("internal/beat")),
			never: under(asynq, asynqmon, echo, goRedis),
			deep:  true,
		},
		{
			says:  "of the project, the domain and beat import only the domain",
			from:  domain.or(own("internal/beat")),
			never: project.but(domain),
		},
		{
			says:  "cron, lease and ratelimit need the standard library only",
			from:  own("internal/cron", "internal/lease", "internal/ratelimit"),
			never: project.or(outside),
		},
		{
			says:  "only the broker's worker imports asynq", // and the benchmark, which runs stock asynq beside ours
			from:  project.but(own("internal/broker/intercept", "internal/broker/worker", "bench")),
			never: under(asynq),
		},
		{
			says:  "only the composition root imports asynqmon",
			from:  project.but(own("program")),
			never: under(asynqmon),
		},
		{
			says:  "of the adapters, only the HTTP API knows the web framework, and it knows no Redis",
			from:  own("internal/httpapi"),
			never: under(goRedis),
		},
		{
			says:  "of the adapters, only the HTTP API knows the web framework, and it knows no Redis",
			from:  own(adapters...).but(own("internal/httpapi")),
			never: under(echo),
		},
		{
			says:  "only programs and the kit for tests import the composition root",
			from:  project.but(own("cmd", "program", "backbeattest")),
			never: own("program"),
		},
		{
			says:  "programs import only the composition root, tasks, config and the standard library",
			from:  own("cmd").but(own("cmd/backbeat")),
			never: project.or(outside).but(own("program", "tasks", "config")),
		},
		{
			says:  "of the project, the client program imports only its command line",
			from:  own("cmd/backbeat"),
			never: project.or(outside).but(own("internal/cli")),
		},
		{
			says:  "the client knows of the project only the domain, and the command line only the client",
			from:  own("client"),
			never: project.but(own("client", "task")),
		},
		{
			says:  "the client knows of the project only the domain, and the command line only the client",
			from:  own("internal/cli"),
			never: project.but(own("internal/cli", "client")),
		},
		{
			says:  "the client and the command line need no server technology",
			from:  own("client", "internal/cli", "cmd/backbeat"),
			never: under(asynq, asynqmon, echo, goRedis),
			deep:  true,
		},
		{
			says:  "only tests and the benchmark import the packages that serve tests",
			from:  project.but(own("bench")),
			never: own("internal/redistest", "internal/openapitest", "internal/storetest"),
		},
	}
	for _, adapter := range adapters {
		rules = append(rules, rule{
			says:  "adapters do not import one another",
			from:  own(adapter),
			never: own(adapters...).but(own(adapter)),
			deep:  true,
		})
	}
	for room, below := range rooms {
		allowed := own("internal/broker/" + room)
		for _, name := range below {
			allowed = allowed.or(own("internal/broker/" + name))
		}
		rules = append(rules, rule{
			says:  "the packages of the broker import only what stands below them",
			from:  own("internal/broker/" + room),
			never: own("internal/broker").but(allowed),
		})
	}
	// rest and guard serve the resources of the HTTP API, and guard stands on rest.
	for _, resource := range []string{"auditlog", "console", "fleet", "openapi", "schedules", "tasks"} {
		rules = append(rules, rule{
			says:  "the resources of the HTTP API import of it only rest and guard",
			from:  own("internal/httpapi/" + resource),
			never: own("internal/httpapi").but(own("internal/httpapi/rest", "internal/httpapi/guard", "internal/httpapi/"+resource)),
		})
	}
	return append(rules,
		rule{
			says:  "of the HTTP API, guard imports only rest, and rest nothing",
			from:  own("internal/httpapi/guard"),
			never: own("internal/httpapi").but(own("internal/httpapi/rest", "internal/httpapi/guard")),
		},
		rule{
			says:  "of the HTTP API, guard imports only rest, and rest nothing",
			from:  own("internal/httpapi/rest"),
			never: own("internal/httpapi").but(own("internal/httpapi/rest")),
		},
	)
}

func TestImports(t *testing.T) {
	g, err := readGraph()
	if err != nil {
		t.Fatal(err)
	}
	// A graph without what is surely there would satisfy every rule.
	if worker := g[module+"/internal/broker/worker"]; !slices.Contains(worker, asynq) {
		t.Fatalf("the graph of %d packages does not show that the worker imports asynq", len(g))
	}
	for _, r := range rules() {
		for _, chain := range r.check(g) {
			t.Errorf("%s, but %s", r.says, chain)
		}
	}
}

func TestRules(t *testing.T) {
	// What a line of imports leads to: the rules that it breaks, none for what is allowed.
	tests := []struct {
		imports string
		broken  []string
	}{
		{"task -> encoding/json", nil},
		{"task -> github.com/danielgtaylor/huma/v2", nil},
		{"internal/schedule -> internal/cron", nil},
		{"internal/beat -> internal/lease", nil},
		{"internal/broker/worker -> " + asynq, nil},
		{"bench -> " + asynq, nil},
		{"bench -> internal/redistest", nil},
		{"internal/broker -> task", nil},
		{"internal/httpapi -> github.com/labstack/echo/v4", nil},
		{"internal/httpapi -> internal/httpapi/tasks", nil},
		{"internal/httpapi/tasks -> internal/httpapi/guard", nil},
		{"internal/httpapi/guard -> internal/httpapi/rest", nil},
		{"program -> internal/broker", nil},
		{"program -> " + asynqmon, nil},
		{"program/inner -> program", nil},
		{"cmd/api -> program", nil},
		{"cmd/api -> os", nil},
		{"config -> github.com/redis/go-redis/v9", nil},
		{"cmd/backbeat -> internal/cli", nil},
		{"internal/cli -> client", nil},
		{"client -> task", nil},

		{"task -> " + goRedis + "/v9", []string{"the domain and beat import no technology"}},
		{"internal/schedule -> " + echo + "/v4/middleware", []string{"the domain and beat import no technology"}},
		{"task -> example.com/x -> " + asynqmon, []string{"the domain and beat import no technology"}},
		{"task/sub -> config", []string{"of the project, the domain and beat import only the domain"}},
		{"internal/beat -> internal/redisstore", []string{"of the project, the domain and beat import only the domain"}},
		{"internal/cron -> example.com/x", []string{"cron, lease and ratelimit need the standard library only"}},
		{"internal/lease -> task", []string{"cron, lease and ratelimit need the standard library only"}},
		{"internal/broker/queue -> " + asynq, []string{"only the broker's worker imports asynq"}},
		{"internal/broker/script -> internal/broker/queue", []string{"the packages of the broker import only what stands below them"}},
		{"program -> " + asynq, []string{"only the broker's worker imports asynq"}},
		{"tasks -> " + asynq + "/tools", []string{"only the broker's worker imports asynq"}},
		{"internal/httpapi -> " + asynqmon, []string{"only the composition root imports asynqmon"}},
		{"internal/httpapi -> " + goRedis + "/v9", []string{"of the adapters, only the HTTP API knows the web framework, and it knows no Redis"}},
		{"internal/broker -> " + echo + "/v4", []string{"of the adapters, only the HTTP API knows the web framework, and it knows no Redis"}},
		{"tasks -> program", []string{"only programs and the kit for tests import the composition root"}},
		{"cmd/api -> task", []string{"programs import only the composition root, tasks, config and the standard library"}},
		{"cmd/api -> example.com/x", []string{"programs import only the composition root, tasks, config and the standard library"}},
		{"cmd/api -> internal/cli", []string{"programs import only the composition root, tasks, config and the standard library"}},
		{"cmd/backbeat -> program", []string{"of the project, the client program imports only its command line"}},
		{"client -> tasks", []string{"the client knows of the project only the domain, and the command line only the client"}},
		{"internal/cli -> task", []string{"the client knows of the project only the domain, and the command line only the client"}},
		{"client -> example.com/x -> " + goRedis + "/v9", []string{"the client and the command line need no server technology"}},
		{"program -> internal/redistest", []string{"only tests and the benchmark import the packages that serve tests"}},
		{"internal/httpapi -> internal/broker", []string{"adapters do not import one another"}},
		{"internal/httpapi/tasks -> internal/redisstore", []string{"adapters do not import one another"}},
		{"internal/httpapi/schedules -> internal/httpapi/tasks", []string{"the resources of the HTTP API import of it only rest and guard"}},
		{"internal/httpapi/fleet -> internal/httpapi", []string{"the resources of the HTTP API import of it only rest and guard"}},
		{"internal/httpapi/guard -> internal/httpapi/tasks", []string{"of the HTTP API, guard imports only rest, and rest nothing"}},
		{"internal/httpapi/rest -> internal/httpapi/guard", []string{"of the HTTP API, guard imports only rest, and rest nothing"}},
		{"internal/broker -> internal/telemetry -> internal/redisstore", []string{"adapters do not import one another"}},
	}
	for _, tt := range tests {
		t.Run(tt.imports, func(t *testing.T) {
			g := line(tt.imports)
			var broken []string
			for _, r := range rules() {
				if r.check(g) != nil {
					broken = append(broken, r.says)
				}
			}
			if !slices.Equal(broken, tt.broken) {
				t.Errorf("broken: %q, want %q", broken, tt.broken)
			}
		})
	}
}

// line makes a graph of "a -> b -> c", with the project's packages given by their folders.
func line(imports string) graph {
	g := graph{}
	last := ""
	for pkg := range strings.SplitSeq(imports, " -> ") {
		if first, _, _ := strings.Cut(pkg, "/"); slices.Contains([]string{"bench", "client", "cmd", "config", "internal", "program", "task", "tasks"}, first) {
			pkg = module + "/" + pkg
		}
		g[pkg] = nil
		if last != "" {
			g[last] = []string{pkg}
		}
		last = pkg
	}
	return g
}
