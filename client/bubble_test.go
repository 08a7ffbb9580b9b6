package client_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/backbeat-go/backbeat/client"
)

// inBubble returns a fake and a client of it without a network in between, for tests in a bubble of synctest: there time
// passes only while everybody waits.
func inBubble(t *testing.T) (*fake, *client.Client) {
	t.Helper()
	api := &fake{}
	c, err := client.New("http://fake", client.WithHTTPClient(&http.Client{Transport: handlerTransport{api}}))
	if err != nil {
		t.Fatal(err)
	}
	return api, c
}

// handlerTransport makes each request a call of the handler.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	body, w := io.Pipe()
	context.AfterFunc(ctx, func() { body.CloseWithError(ctx.Err()) })
	answer := &pipedAnswer{
		PipeWriter: w, res: &http.Response{Header: http.Header{}, Body: body, Request: r}, begun: make(chan struct{}),
	}
	go func() {
		defer w.Close()
		h.ServeHTTP(answer, r)
		answer.WriteHeader(http.StatusOK)
	}()
	select {
	case <-answer.begun:
		return answer.res, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipedAnswer is a ResponseWriter whose body is read as it is written.
type pipedAnswer struct {
	*io.PipeWriter
	res   *http.Response
	once  sync.Once
	begun chan struct{} // closed when res has its status
}

func (a *pipedAnswer) Header() http.Header { return a.res.Header }

func (a *pipedAnswer) WriteHeader(status int) {
	a.once.Do(func() {
		a.res.StatusCode = status
		close(a.begun)
	})
}

func (a *pipedAnswer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.PipeWriter.Write(data)
}

func (a *pipedAnswer) Flush() {}
