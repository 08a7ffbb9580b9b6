package program

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/backbeat-go/backbeat/config"
)

// net/http logs through the logger, in its format.
func TestServersLogThroughTheLogger(t *testing.T) {
	var log bytes.Buffer
	a := newApp(API, config.Default(API), options{logger: slog.New(slog.NewJSONHandler(&log, nil))})
	server := a.newServer("api", "127.0.0.1:0", &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("at the disco")
	})})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(a.attrs[1].(string))
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		t.Errorf("status %d", resp.StatusCode)
	}
	server.Stop(t.Context()) // after which nobody writes to the log
	if text := log.String(); !strings.Contains(text, `"level":"WARN"`) || !strings.Contains(text, "at the disco") {
		t.Errorf("the log has %q", text)
	}
}
