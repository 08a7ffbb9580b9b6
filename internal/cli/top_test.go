package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

// The rate of the second sample is that since the first one. The third is refused, which ends the program.
func TestTopShowsTheRateSinceTheSampleBefore(t *testing.T) {
	samples := 0
	a := &api{Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/queues" {
			fmt.Fprint(w, `{"items": []}`)
			return
		}
		if samples++; samples > 2 {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"items": [{"queue": "default", "processed_today": %d}]}`, 1000000*samples)
	}))}
	defer a.Close()
	code, screen := a.onTerminal(t, "top")
	// However slow the machine is, some tasks a second were done.
	if rate := regexp.MustCompile(` [1-9]\d*\.\d +2000000 `); code == 0 || !rate.MatchString(screen) {
		t.Errorf("exit code %d, screen %q", code, screen)
	}
}
