package apptest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// typescript is a program in TypeScript, and the packages that it needs.
type typescript struct {
	t   *testing.T
	dir string
}

// newTypeScript copies the program to where its types can be generated, and links the packages that npm has installed.
func newTypeScript(t *testing.T) typescript {
	t.Helper()
	source, err := filepath.Abs("typescript")
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(source, "node_modules")
	if _, err := os.Stat(modules); err != nil {
		t.Fatal("the packages of test/apptest/typescript are not installed; install them with: make tools")
	}
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "tsconfig.json", "client.ts"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return typescript{t, dir}
}

// node runs a script and returns what it printed.
func (ts typescript) node(script string, args []string, env ...string) string {
	ts.t.Helper()
	ctx, cancel := context.WithTimeout(ts.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	cmd.Dir = ts.dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.t.Fatalf("node %s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestTypeScriptClient(t *testing.T) {
	const key = "key-of-the-typescript-client"
	p := start(t, "standalone", "BACKBEAT_API_KEYS=ts:"+key+":tasks.read+tasks.write+schedules.read+schedules.write")
	ts := newTypeScript(t)
	document := p.call("GET", "/openapi.json", "").Body
	if err := os.WriteFile(filepath.Join(ts.dir, "openapi.json"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	ts.node("node_modules/openapi-typescript/bin/cli.js", []string{"openapi.json", "--output", "api.d.ts"})
	ts.node("node_modules/typescript/bin/tsc", nil)
	id := ts.node("out/client.js", nil, "BACKBEAT_URL="+p.URL, "BACKBEAT_KEY="+key)

	got := p.callAs(key, "GET", "/v1/tasks/"+id, "").document(t)
	if got["state"] != "succeeded" || got["metadata"].(map[string]any)["by"] != "typescript" {
		t.Errorf("task %s: %v", id, got)
	}
	if left := p.callAs(key, "GET", "/v1/schedules", "").document(t)["items"].([]any); len(left) > 0 {
		t.Errorf("schedules that the client has not deleted: %v", left)
	}
}
