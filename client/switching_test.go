package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/backbeat-go/backbeat/client"
)

// The body of an answer that switches protocols is the connection, and reading it heeds no context. The server waits until
// the client closes it.
func TestAnAnswerThatSwitchesProtocolsEndsTheCall(t *testing.T) {
	closed := make(chan struct{}, 1)
	calls := map[string]func(context.Context, *client.Client) error{
		"Task":    func(ctx context.Context, c *client.Client) error { _, err := c.Task(ctx, "x"); return err },
		"Enqueue": func(ctx context.Context, c *client.Client) error { _, err := c.Enqueue(ctx, "t", nil); return err },
		"Events":  func(ctx context.Context, c *client.Client) error { _, err := follow(ctx, c); return err },
	}
	for name, call := range calls {
		api := newFake(t)
		api.then(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			closed <- struct{}{}
		})
		err := call(within(t), connect(t, api.URL))
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Status != http.StatusSwitchingProtocols || len(api.requests()) != 1 {
			t.Errorf("%s: error %v after %d requests", name, err, len(api.requests()))
		}
		<-closed
	}
}
