package config_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/config"
)

func TestCallbackSecrets(t *testing.T) {
	secret := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	for _, p := range []config.Program{config.APIProgram, config.WorkerProgram, config.BeatProgram, config.Standalone} {
		cfg := load(t, p, nil, "BACKBEAT_CALLBACK_SECRETS="+secret(24)+", "+secret(64))
		if got := cfg.Callback.Secrets; len(got) != 2 || got[0].Reveal() != secret(24) || got[1].Reveal() != secret(64) {
			t.Errorf("%s: %d secrets", p, len(got))
		}
		file := write(t, "callback: {secrets: ["+secret(32)+"]}\n")
		if got := load(t, p, []string{"--config", file}).Callback.Secrets; len(got) != 1 || got[0].Reveal() != secret(32) {
			t.Errorf("%s, by file: %d secrets", p, len(got))
		}
	}
	for _, bad := range []string{secret(23), secret(65), "whsec_", "whsec_!", strings.TrimPrefix(secret(32), "whsec_"), secret(32) + ","} {
		if f := validationErrors(t, config.WorkerProgram, nil, "BACKBEAT_CALLBACK_SECRETS="+bad)["callback.secrets"]; !strings.Contains(f.Message, "24 to 64 bytes") {
			t.Errorf("%q: %+v", bad, f)
		}
	}
}
