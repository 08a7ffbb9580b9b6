package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

// The second sample shows the rate since the first one. The API refuses the third request, which ends the program.
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
	// The rate depends on the speed of the machine, but is not 0.
	if rate := regexp.MustCompile(` [1-9]\d*\.\d +2000000 `); code == 0 || !rate.MatchString(screen) {
		t.Errorf("exit code %d, screen %q", code, screen)
	}
}
