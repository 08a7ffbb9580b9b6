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

// call is a request to the API, with the rules for repeating it.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte // JSON, or none
	// safe: the call can be made twice without harm.
	safe bool
	// unsure: an attempt failed after the API may have executed it.
	unsure bool
	// patient: the call is repeated more often, to survive a longer outage.
	patient bool
	// waits is how long the API is asked to wait before it responds.
	waits time.Duration
	// unbounded: only the context bounds the call.
	unbounded bool
}

func get(path string, query url.Values) *call {
	return &call{method: http.MethodGet, path: path, query: query, safe: true}
}

// send returns a call that changes something. The body is encoded once, so that every attempt sends the same.
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

// response is the API's response to a call.
type response struct {
	header http.Header
	body   []byte
}

// attempt makes a call once. It returns an *Error for a status other than 2xx.
func (c *Client) attempt(ctx context.Context, r *call) (*response, error) {
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
		return nil, fmt.Errorf("read the response to %s %s: %w", r.method, r.path, err)
	}
	return &response{res.Header, body}, nil
}

// open makes a call once and returns the response with an open body. It returns an *Error for a status other than 2xx.
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

// problemBody reads the body of a response with a status other than 2xx. It ignores read errors: the status is known, and
// newError ignores a truncated problem document.
func problemBody(res *http.Response) []byte {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil // the body is the connection, and reading it ignores the context
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return body
}

// do makes a call and decodes the response.
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
		return v, nil, fmt.Errorf("decode the response to %s %s, which is not that of a Backbeat API: %w", r.method, r.path, err)
	}
	return v, a.header, nil
}
