package cli_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/internal/cli"
)

// home writes a configuration file and returns the environment to find it.
func home(t *testing.T, text string) []string {
	path := write(t, ".config/backbeat/config.yaml", text, 0o600)
	return []string{"HOME=" + filepath.Dir(filepath.Dir(filepath.Dir(path)))}
}

func TestSourcesOfServerAndKey(t *testing.T) {
	a := serve(t, map[string]string{"GET /v1/queues": `{"items": []}`})
	keyFile := write(t, "key", "from-file\n", 0o600)
	env := home(t, `
profiles:
  default: {server: "`+a.URL+`", key: from-profile}
  file: {server: "`+a.URL+`", key_file: `+keyFile+`}
  elsewhere: {server: "http://127.0.0.1:1", key: from-elsewhere}
`)
	tests := []struct {
		args string
		env  string
		want string
	}{
		{"", "", "Bearer from-profile"},
		{"--profile file", "", "Bearer from-file"},
		{"", "BACKBEAT_PROFILE=file", "Bearer from-file"},
		{"--profile default", "BACKBEAT_PROFILE=file", "Bearer from-profile"},
		{"", "BACKBEAT_KEY=from-env", "Bearer from-env"},
		{"--key-file " + keyFile, "BACKBEAT_KEY=from-env", "Bearer from-file"},
		{"--key from-flag --key-file " + keyFile, "", "Bearer from-flag"},
		// The key of a profile is sent to its own server only.
		{"--profile elsewhere --server " + a.URL, "", ""},
		{"--profile elsewhere", "BACKBEAT_SERVER=" + a.URL, ""},
	}
	for _, tt := range tests {
		t.Run(tt.args+" "+tt.env, func(t *testing.T) {
			got := run(append(slices.Clone(env), tt.env), "", append(strings.Fields(tt.args), "queues")...)
			a.mu.Lock()
			defer a.mu.Unlock()
			if key := a.keys[len(a.keys)-1]; key != tt.want || got.code != 0 || got.stderr != "" {
				t.Errorf("key %q, want %q; %+v", key, tt.want, got)
			}
		})
	}
	if got := run(append(slices.Clone(env), "BACKBEAT_PROFILE=elsewhere"), "", "queues"); got.code != 1 || !strings.Contains(got.stderr, "http://127.0.0.1:1") {
		t.Errorf("%+v", got)
	}
}

func TestInvalidConfigurationFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                                `has no profile "mine"`,
		"profiles: {default: {sever: x}}": "field sever not found",
		"profiles: [":                     "read ",
		"profiles: {other: {}}":           `has no profile "mine"`,
	} {
		got := run(append(home(t, text), "BACKBEAT_PROFILE=mine"), "", "queues")
		if got.code == 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v, want %q", text, got, want)
		}
	}
	if got := run([]string{"HOME=" + t.TempDir()}, "", "queues", "--profile", "mine"); got.code != 1 || !strings.Contains(got.stderr, "no such file") {
		t.Errorf("without a file: %+v", got)
	}
}

func TestDefaultServer(t *testing.T) {
	for name, env := range map[string][]string{
		"nothing is set":          {"HOME=" + t.TempDir()},
		"a profile with a key":    home(t, "profiles: {default: {key: k}}"),
		"a key that is not there": home(t, "profiles: {default: {key_file: /no}}"), // it is for the profile's server, and there is none
	} {
		if server, err := cli.ServerOf(env); server != "http://127.0.0.1:8080" || err != nil {
			t.Errorf("%s: %s, %v", name, server, err)
		}
	}
}

func TestWarningAboutReadableKeys(t *testing.T) {
	a := serve(t, map[string]string{"GET /v1/queues": `{"items": []}`})
	for text, warned := range map[string]bool{
		`profiles: {default: {server: "` + a.URL + `", key: top-secret}}`: true,
		`profiles: {default: {server: "` + a.URL + `"}}`:                  false,
	} {
		path := write(t, ".config/backbeat/config.yaml", text, 0o644)
		got := run([]string{"XDG_CONFIG_HOME=" + filepath.Dir(filepath.Dir(path))}, "", "queues")
		if got.code != 0 || strings.Contains(got.stderr, "chmod 600") != warned || strings.Contains(got.stderr, "top-secret") {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
