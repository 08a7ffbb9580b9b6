package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// call is a request to the API.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte // JSON, or none
	// safe calls do no harm when they are done twice.
	safe bool
	// unsure is set when an attempt has failed that may have been done all the same.
	unsure bool
	// patient calls are for those who wait anyway, and sit out a longer outage.
	patient bool
	// waits is for how long the API is asked to wait before it answers.
	waits time.Duration
	// unbounded calls may take as long as their context lets them.
	unbounded bool
}

func get(path string, query url.Values) *call {
	return &call{method: http.MethodGet, path: path, query: query, safe: true}
}

// send makes a call that changes something. Its body is encoded now, so that every attempt sends the same.
func send(method, path string, body any) (*call, error) {
	r := &call{method: method, path: path, header: http.Header{}}
	if body == nil {
		return r, nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the body of %s %s: %w", method, path, err)
	}
	r.body = data
	r.header.Set("Content-Type", "application/json")
	return r, nil
}

// answer is what the API said to a call.
type answer struct {
	header http.Header
	body   []byte
}

// attempt makes a call once. What is no success is an *Error.
func (c *Client) attempt(ctx context.Context, r *call) (*answer, error) {
	if !r.unbounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout+r.waits)
		defer cancel()
	}
	res, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", r.method, r.path, err)
	}
	return &answer{res.Header, body}, nil
}

// open makes a call once and leaves the body of the answer to be read. What is no success is an *Error.
func (c *Client) open(ctx context.Context, r *call) (*http.Response, error) {
	u := c.base + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	req.Header.Set("User-Agent", c.userAgent)
	c.authorize(req.Header)
	res, err := c.http.Do(req)
	if err != nil || res.StatusCode >= http.StatusOK && res.StatusCode < http.StatusMultipleChoices {
		return res, err
	}
	defer res.Body.Close()
	return nil, newError(r, res, problemBody(res))
}

// problemBody reads the body of an answer that is no success. The status is known, and half a problem is none.
func problemBody(res *http.Response) []byte {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil // the body is the connection, and reading it heeds no context
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return body
}

// do makes a call and decodes what it answers with.
func do[T any](ctx context.Context, c *Client, r *call) (T, error) {
	v, _, err := doFull[T](ctx, c, r)
	return v, err
}

func doFull[T any](ctx context.Context, c *Client, r *call) (v T, header http.Header, err error) {
	a, err := c.repeat(ctx, r)
	if err != nil {
		return v, nil, err
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return v, nil, fmt.Errorf("%s %s was not answered as an API of Backbeat does: %w", r.method, r.path, err)
	}
	return v, a.header, nil
}
