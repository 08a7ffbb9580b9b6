package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Client sends requests to the HTTP API at one address. It is safe for concurrent use, and does not have to be closed.
type Client struct {
	base      string // without a trailing slash
	http      *http.Client
	userAgent string
	// authorize adds the credentials to a request. It is a function so that %+v does not print the key.
	authorize func(http.Header)
	// timeout bounds an attempt of a call, in case the API accepts connections but does not respond.
	timeout time.Duration
	// silence is the time without data after which an event stream counts as broken.
	silence time.Duration
}

const (
	callTimeout   = 30 * time.Second
	streamSilence = 45 * time.Second // three heartbeats of the API
)

// Option is an option of New.
type Option func(*options)

type options struct {
	key       string
	http      *http.Client
	userAgent string
	plainHTTP bool
}

// WithKey sets the API key or JWT that authenticates the client. Default: none, for an API without authentication.
func WithKey(key string) Option { return func(o *options) { o.key = key } }

// WithHTTPClient sets the HTTP client, for example to use a proxy or custom certificates. Its CheckRedirect is ignored:
// redirects are not followed. Its Timeout, if set, also ends waits and streams. Default: a client that uses
// http.DefaultTransport.
func WithHTTPClient(h *http.Client) Option { return func(o *options) { o.http = h } }

// WithUserAgent sets the User-Agent header. Default: backbeat-go.
func WithUserAgent(name string) Option { return func(o *options) { o.userAgent = name } }

// WithPlainHTTP allows sending the key unencrypted, over http://, to other machines. Use it only on a network that is
// encrypted by other means. Default: New returns an error.
func WithPlainHTTP() Option { return func(o *options) { o.plainHTTP = true } }

// New returns a client for the API at a base URL such as https://backbeat.example.com. It returns an error for an invalid
// URL, and for a key that would be sent over http:// to another machine, unless WithPlainHTTP allows that.
func New(baseURL string, opts ...Option) (*Client, error) {
	o := options{http: &http.Client{}, userAgent: "backbeat-go"}
	for _, opt := range opts {
		opt(&o)
	}
	base, err := parseBase(baseURL)
	if err != nil {
		return nil, err
	}
	if o.key != "" && !o.plainHTTP && base.Scheme == "http" && !isLoopback(base.Hostname()) {
		return nil, fmt.Errorf("the key would be sent to %s unencrypted: use https://, or allow it with WithPlainHTTP", base.Host)
	}
	h := *o.http
	// The API does not redirect. A redirect comes from a login page, or from a proxy, and would turn a POST into a GET.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &Client{
		base: strings.TrimRight(base.String(), "/"), http: &h, userAgent: o.userAgent, timeout: callTimeout, silence: streamSilence,
	}
	c.authorize = func(header http.Header) {
		if o.key != "" {
			header.Set("Authorization", "Bearer "+o.key)
		}
	}
	return c, nil
}

func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the server's address is not a URL such as https://backbeat.example.com") // text may contain a password
	case u.User != nil:
		return nil, errors.New("the server's URL contains a user or password; pass the key with WithKey instead")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is not a URL such as https://backbeat.example.com", text)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
