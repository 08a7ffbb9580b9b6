package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// wire is a connection to an HTTP server that costs next to nothing itself: it writes requests that are made already, and
// reads no more of the answers than where they end.
type wire struct {
	net.Conn
	answers *bufio.Reader
}

// wireRequest writes a request down as it goes over the wire.
func wireRequest(method, url, path, body string) []byte {
	host := strings.TrimPrefix(url, "http://")
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, host, len(body), body)
}

// dial connects to a server, until ctx ends.
func dial(ctx context.Context, url string) (*wire, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &wire{conn, bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (w *wire) close() { _ = w.Close() } // nothing more to be done with it

// do sends a request and reads its answer, which must be a good one.
func (w *wire) do(request []byte) error {
	if _, err := w.Write(request); err != nil {
		return err
	}
	status, err := w.answers.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(status) < 12 || status[9] != '2' {
		return fmt.Errorf("answered with %q", status)
	}
	length := -1
	for {
		header, err := w.answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(header) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(header, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return w.skipChunks()
	}
	_, err = w.answers.Discard(length)
	return err
}

// skipChunks reads past a body that comes in chunks.
func (w *wire) skipChunks() error {
	for {
		line, err := w.answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, w.answers, size+2); err != nil || size == 0 {
			return err
		}
	}
}

// load sends a request n times over so many connections, and returns how many were answered in a second.
func load(ctx context.Context, url string, connections, n int, request []byte) (float64, error) {
	var sent atomic.Int64
	start := time.Now()
	err := inParallel(connections, func(int) error {
		w, err := dial(ctx, url)
		if err != nil {
			return err
		}
		defer w.close()
		for sent.Add(1) <= int64(n) {
			if err := w.do(request); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(n) / time.Since(start).Seconds(), err
}
