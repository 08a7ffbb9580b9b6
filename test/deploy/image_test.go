package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// TestImageBuild builds the programs as the Dockerfile does: from what .dockerignore leaves, with scripts/build.
func TestImageBuild(t *testing.T) {
	context, out := t.TempDir(), t.TempDir()
	copyContext(t, context)
	build := exec.CommandContext(t.Context(), "sh", "scripts/build", out, "v1.2.3")
	build.Dir = context
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("scripts/build: %v\n%s", err, output)
	}
	for _, program := range []string{"backbeat", "backbeat-api", "backbeat-beat", "backbeat-standalone", "backbeat-worker"} {
		version, err := exec.CommandContext(t.Context(), filepath.Join(out, program), "--version").CombinedOutput()
		if want := program + " v1.2.3\n"; err != nil || string(version) != want {
			t.Errorf("%s --version: %q, %v; want %q", program, version, err, want)
		}
	}
}

// TestImageContext tells what the Dockerfile copies that is not there, and whether secrets stay outside.
func TestImageContext(t *testing.T) {
	context := t.TempDir()
	copyContext(t, context)
	for line := range strings.Lines(read(t, "Dockerfile")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "COPY" || strings.HasPrefix(words[1], "--from") {
			continue
		}
		for _, source := range words[1 : len(words)-1] {
			if _, err := os.Stat(filepath.Join(context, source)); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	for _, secret := range []string{".env", ".git/config", ".backbeat/appendonlydir/a.aof", "config/.env"} {
		if sent, err := ignored(t).MatchesOrParentMatches(secret); err != nil || !sent {
			t.Errorf("%s is sent to the builder", secret)
		}
	}
}

func TestImageStages(t *testing.T) {
	stages := regexp.MustCompile(`(?m)^FROM .*?([^ =]+:\S+)`).FindAllStringSubmatch(read(t, "Dockerfile"), -1)
	if len(stages) != 2 {
		t.Fatalf("stages %q, want one that builds and one that runs", stages)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	if build := stages[0][1]; !strings.HasPrefix(build, "golang:"+version+"-") {
		t.Errorf("built in %s, and go.mod asks for Go %s", build, version)
	}
	if final := stages[1][1]; !strings.HasSuffix(final, ":nonroot") {
		t.Errorf("runs in %s, which may have another user than nonroot", final)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func ignored(t *testing.T) *patternmatcher.PatternMatcher {
	t.Helper()
	file, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return matcher
}

// copyContext copies what a container engine would send to the builder.
func copyContext(t *testing.T, to string) {
	t.Helper()
	matcher := ignored(t)
	for _, file := range files(t) {
		skip, err := matcher.MatchesOrParentMatches(file)
		if err != nil {
			t.Fatal(err)
		}
		if skip {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// files lists the files of the project, relative to its root; those of git and of running programs are no part of it.
func files(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".backbeat"):
			return filepath.SkipDir
		case entry.Type().IsRegular():
			file, err := filepath.Rel(root, path)
			files = append(files, file)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
