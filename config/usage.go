package config

import (
	"fmt"
	"strings"
)

var about = map[Program]string{
	APIProgram:    "backbeat-api serves the HTTP API, its documentation and the dashboard.",
	WorkerProgram: "backbeat-worker runs tasks. Start as many as you like.",
	BeatProgram:   "backbeat-beat fires schedules. Start two or more: one leads, the others stand by.",
	Standalone: "backbeat-standalone is the API, a worker and beat in one process, with a Redis of its own unless it is told of one:\n" +
		"a redis-server from PATH that keeps its data in .backbeat/, or else one in memory.",
}

var examples = map[Program]string{
	APIProgram:    "  backbeat-api --redis-url redis://redis.internal:6379/0\n  BACKBEAT_API_ADDR=127.0.0.1:9000 backbeat-api",
	WorkerProgram: "  backbeat-worker --worker-concurrency 128\n  backbeat-worker --worker-queues critical   # for nothing else",
	BeatProgram:   "  backbeat-beat --config /etc/backbeat.yaml",
	Standalone:    "  backbeat-standalone\n  BACKBEAT_REDIS_URL=redis://127.0.0.1:6379/0 backbeat-standalone",
}

// Usage is the help text of a program.
func Usage(p Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage:\n  backbeat-%s [flags]\n  backbeat-%[2]s healthcheck [flags]   exit 0 if the program that runs with the same settings is healthy\n", about[p], p)
	b.WriteString("\nSettings come from defaults, then the file of --config or BACKBEAT_CONFIG, then the environment, then flags.\n")
	b.WriteString("\nFlags:\n      --config FILE\n          read this YAML file (BACKBEAT_CONFIG)\n      --help\n      --version\n")
	for _, s := range settings {
		if s.concerns(p) {
			b.WriteString(s.help(p))
		}
	}
	fmt.Fprintf(&b, "\nExamples:\n%s\n\nDocumentation: docs/ beside the README, and /docs of the API.\n", examples[p])
	return b.String()
}

func (s setting) help(p Program) string {
	name := "--" + s.flag() + " VALUE"
	if s.secret {
		name = "(no flag, which the list of processes would show)"
	}
	text := fmt.Sprintf("      %s\n          %s (%s: in the file %s)", name, s.usage, s.env(), s.key)
	if def := s.get(Default(p)); def != "" {
		text += ", default " + def
	}
	return text + "\n"
}
