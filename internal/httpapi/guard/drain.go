package guard

import (
	"io"
	"net/http"
	"time"
)

// The rest of a body is read for a moment after its request is answered, within these bounds. Most clients send all of a
// body before they read the answer, and report a broken pipe if the connection is closed meanwhile.
const (
	drainTime  = 3 * time.Second
	drainBytes = 64 << 20
	// smallRest is how much net/http reads by itself.
	smallRest = 256 << 10
)

// Drain reads the rest of large bodies that handlers leave unread.
func Drain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength >= 0 && r.ContentLength <= smallRest {
			next.ServeHTTP(w, r)
			return
		}
		body := &trackedBody{Reader: r.Body}
		r.Body = body
		next.ServeHTTP(w, r)
		// A client that waits for 100 Continue has the answer in its place, and sends no body.
		if !body.ended && r.Header.Get("Expect") == "" {
			drain(w, body)
		}
	})
}

// drain sends the answer and reads on. The connection is closed afterwards, as the answer announces.
func drain(w http.ResponseWriter, body io.Reader) {
	c := http.NewResponseController(w)
	if c.Flush() != nil || c.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return // there is no connection, or it is broken
	}
	_, _ = io.CopyN(io.Discard, body, drainBytes)
}

// trackedBody knows whether a body has ended, by whatever error. Its readers do not close it, since closed bodies cannot be
// drained: net/http closes it.
type trackedBody struct {
	io.Reader
	ended bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}

// Close does nothing.
func (b *trackedBody) Close() error { return nil }
