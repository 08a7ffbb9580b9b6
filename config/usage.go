package config

import (
	"fmt"
	"strings"
)

var about = map[Program]string{
	APIProgram:    "backbeat-api serves the HTTP API, its documentation and the dashboard.",
	WorkerProgram: "backbeat-worker runs tasks. Start any number of them.",
	BeatProgram:   "backbeat-beat fires schedules. Start two or more: one leads, the others stand by.",
	Standalone: "backbeat-standalone runs the API, a worker and beat in one process. Unless a Redis is configured, it starts\n" +
		"redis-server from PATH, with its data in .backbeat/, or embeds a Redis in memory if there is none.",
}

var examples = map[Program]string{
	APIProgram:    "  backbeat-api --redis-url redis://redis.internal:6379/0\n  BACKBEAT_API_ADDR=127.0.0.1:9000 backbeat-api",
	WorkerProgram: "  backbeat-worker --worker-concurrency 128\n  backbeat-worker --worker-queues critical   # no other queues",
	BeatProgram:   "  backbeat-beat --config /etc/backbeat.yaml",
	Standalone:    "  backbeat-standalone\n  BACKBEAT_REDIS_URL=redis://127.0.0.1:6379/0 backbeat-standalone",
}

// Usage returns the help text of a program.
func Usage(p Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage:\n  backbeat-%s [flags]\n  backbeat-%[2]s healthcheck [flags]   exit 0 if the program with the same settings is healthy\n", about[p], p)
	b.WriteString("\nFlags override environment variables, which override the file of --config or BACKBEAT_CONFIG, which overrides the defaults.\n")
	b.WriteString("\nFlags:\n      --config FILE\n          read this YAML file (BACKBEAT_CONFIG)\n      --help\n      --version\n")
	for _, s := range settings {
		if s.appliesTo(p) {
			b.WriteString(s.help(p))
		}
	}
	fmt.Fprintf(&b, "\nExamples:\n%s\n\nDocumentation: docs/ beside the README, and /docs of the API.\n", examples[p])
	return b.String()
}

func (s setting) help(p Program) string {
	name := "--" + s.flag() + " VALUE"
	if s.secret {
		name = "(no flag: the process list would show it)"
	}
	text := fmt.Sprintf("      %s\n          %s (%s: in the file %s)", name, s.usage, s.env(), s.key)
	if def := s.get(Default(p)); def != "" {
		text += ", default " + def
	}
	return text + "\n"
}
