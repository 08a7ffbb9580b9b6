package apptest

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// browser returns the path of a Chromium.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium on PATH; install it with: apt-get install chromium")
	return ""
}

// render loads a page in a browser that reaches nothing but this machine, and returns what the page has become and
// what it complained of.
func render(t *testing.T, url string) (dom, console string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser(t),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
		"--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000", "--dump-dom", url)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return string(out), console
}

func TestPagesInABrowser(t *testing.T) {
	p := start(t, "standalone")
	p.wait(p.post(`{"type":"debug.echo","payload":{"n":1}}`))
	for _, page := range []struct {
		path string
		want []string
	}{
		{"/", []string{"Tasks in, results out.", `href="/docs"`, `href="/monitor"`}},
		// These are drawn by scripts, and so prove that those ran.
		{"/docs", []string{"Enqueue a task", "/v1/tasks/{id}/cancel", "opblock-summary-post"}},
		{"/monitor", []string{"Queue Size", "Tasks Processed", ">critical<", ">default<", ">low<"}},
	} {
		t.Run(page.path, func(t *testing.T) {
			dom, console := render(t, p.URL+page.path)
			for _, want := range page.want {
				if !strings.Contains(dom, want) {
					t.Errorf("the page does not show %q:\n%.3000s", want, dom)
				}
			}
			// Asynqmon asks for a font of its own accord; our own pages may ask for nothing from elsewhere.
			if page.path != "/monitor" && console != "" {
				t.Errorf("the page complains:\n%s", console)
			}
		})
	}
}
