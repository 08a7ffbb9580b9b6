package program_test

import (
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/config"
	"github.com/backbeat-go/backbeat/program"
)

// All problems of the authentication are reported at once, each on a line of its own.
func TestAuthenticationProblemsAreReportedAtOnce(t *testing.T) {
	var stdout, stderr strings.Builder
	code := program.Execute(config.APIProgram, nil, []string{
		"BACKBEAT_API_KEYS=a:k3y:*,b:k3y:*", "BACKBEAT_API_JWT_SECRET=short",
	}, &stdout, &stderr)
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, line := range []string{`api: API keys "a" and "b" have the same secret`, "api: the JWT secret has 5 bytes"} {
		if !strings.Contains(stderr.String(), "\n  "+line) {
			t.Errorf("%q is not reported in\n%s", line, stderr.String())
		}
	}
}
