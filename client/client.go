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

// Client calls one API. It is safe for concurrent use, and needs no closing.
type Client struct {
	base      string // without a slash at its end
	http      *http.Client
	userAgent string
	// authorize shows the API who calls. It is a function so that no %+v prints the key.
	authorize func(http.Header)
	// timeout bounds an attempt of a call, so that an API that takes connections and answers nothing is found out.
	timeout time.Duration
	// silence is how long an event stream may say nothing before it counts as broken.
	silence time.Duration
}

const (
	callTimeout   = 30 * time.Second
	streamSilence = 45 * time.Second // three heartbeats of the API
)

// Option changes how a Client is made.
type Option func(*options)

type options struct {
	key       string
	http      *http.Client
	userAgent string
	plainHTTP bool
}

// WithKey shows the API who calls: by an API key or a JWT. Default: none, for an API that has no keys.
func WithKey(key string) Option { return func(o *options) { o.key = key } }

// WithHTTPClient sets what makes the requests, for a proxy or certificates of one's own. Redirects are not followed,
// whatever it says about them, and a Timeout of it ends waits and streams early. Default: a client with the settings of
// http.DefaultTransport.
func WithHTTPClient(h *http.Client) Option { return func(o *options) { o.http = h } }

// WithUserAgent names the program that calls, for the logs of what lies between. Default: backbeat-go.
func WithUserAgent(name string) Option { return func(o *options) { o.userAgent = name } }

// WithPlainHTTP lets the key go over http:// to other machines, where whoever is on the way can read it: for a network that
// is encrypted by other means.
func WithPlainHTTP() Option { return func(o *options) { o.plainHTTP = true } }

// New returns a client for the API at a base URL such as https://backbeat.example.com. It returns an error for what is no such
// URL, and for a key that would go over http:// to another machine, unless WithPlainHTTP allows it.
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
		return nil, fmt.Errorf("the key would go to %s unencrypted: use https://, or allow it with WithPlainHTTP", base.Host)
	}
	h := *o.http
	// The API redirects nobody. What does is a login page, or a proxy that turns a POST into a GET.
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
		return nil, errors.New("the server's address is not a URL such as https://backbeat.example.com") // text may hold a password
	case u.User != nil:
		return nil, errors.New("the server's URL holds a user or password; pass the key with WithKey instead")
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
