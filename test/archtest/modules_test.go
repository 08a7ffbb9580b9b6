package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// schemas are the modules that the task types' schemas need.
var schemas = []string{"github.com/santhosh-tekuri/jsonschema/v6", "golang.org/x/text"}

// inherited lists the modules that importers of a public package inherit. Task and client have no Redis, no asynq and no web
// framework; the root package has no web framework.
var inherited = map[string][]string{
	"task":   schemas,
	"client": append([]string{"github.com/google/uuid", "github.com/tmaxmax/go-sse"}, schemas...),
	"": append([]string{
		"github.com/cespare/xxhash/v2", "github.com/google/uuid", "github.com/hibiken/asynq", "github.com/redis/go-redis/v9",
		"github.com/robfig/cron/v3", "github.com/spf13/cast", "github.com/tmaxmax/go-sse", "go.uber.org/atomic", "golang.org/x/sys",
		"golang.org/x/time", "google.golang.org/protobuf",
	}, schemas...),
}

func TestImportersInheritLittle(t *testing.T) {
	for pkg, want := range inherited {
		out, err := exec.Command("go", "list", "-C", "../..", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./"+pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Compact(slices.Sorted(strings.FieldsSeq(string(out))))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("importers of ./%s inherit %q, and not %q: do without the module, or change the list with a reason", pkg, got, want)
		}
	}
}

// A program that requires this module downloads and checks the modules of its build list.
func TestTheModuleGraphIsSmall(t *testing.T) {
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(sums, []byte("\n")); lines > 400 {
		t.Errorf("go.sum has %d lines, and not 400 at most", lines)
	}
	modules, err := exec.Command("go", "list", "-C", "../..", "-m", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	if count := bytes.Count(modules, []byte("\n")); count > 175 {
		t.Errorf("the build list has %d modules, and not 175 at most", count)
	}
}
