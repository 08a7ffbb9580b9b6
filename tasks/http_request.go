package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/backbeat-go/backbeat/task"
)

// HTTPRequest calls an HTTP endpoint.
var HTTPRequest = define("http.request", (*deps).httpRequest,
	task.Describe("Calls an HTTP endpoint and returns the response. Connects to public addresses only, unless http_task.allow_cidrs allows others."))

// HTTPRequestIn is the request.
type HTTPRequestIn struct {
	URL              string            `json:"url" format:"uri" maxLength:"8192" doc:"The URL, http or https. Up to 10 redirects are followed, without the headers if scheme, host or port change." example:"https://example.com/hook"`
	Method           string            `json:"method,omitempty" default:"POST" pattern:"^[A-Z]{1,20}$" patternDescription:"an HTTP method in capitals" doc:"The HTTP method."`
	Headers          map[string]string `json:"headers,omitempty" doc:"Headers to send. Host is that of the URL. Names that begin with X-Backbeat- are reserved."`
	Body             json.RawMessage   `json:"body,omitempty" doc:"The body: any JSON; none for null. A string is sent as is if headers have a Content-Type other than JSON."`
	Timeout          *task.Duration    `json:"timeout,omitempty" doc:"Bounds the call, including reading the response. Default: 30s."`
	ExpectStatus     []int             `json:"expect_status,omitempty" minimum:"200" maximum:"599" doc:"Statuses that count as success. A redirect with one of them is not followed. Default: 200 to 299."`
	MaxResponseBytes int64             `json:"max_response_bytes,omitempty" default:"65536" minimum:"0" maximum:"10485760" doc:"How much of the response body is kept, in bytes. max_result_bytes of the workers bounds the whole result; a longer body is truncated."`
}

// HTTPRequestOut is the response.
type HTTPRequestOut struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers" doc:"The response headers; values of the same name are joined with a comma."`
	Body       any               `json:"body" doc:"The body: JSON if it is JSON, and otherwise a string."`
	Truncated  bool              `json:"truncated" doc:"Whether the body was truncated. A truncated body is a string, even if it is JSON."`
	DurationMS int64             `json:"duration_ms"`
}

const defaultCallTimeout = 30 * time.Second

// Headers of the connection, and headers that are set from other fields of the request.
var forbiddenHeaders = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

const ownHeaders = "X-Backbeat-"

// Validate checks the rules that a JSON Schema cannot express.
func (in HTTPRequestIn) Validate() []task.ValidationError {
	var found []task.ValidationError
	if u, err := url.Parse(in.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		found = append(found, task.ValidationError{Location: "url", Message: "must be an http or https URL with a host"})
	}
	if in.Method == http.MethodConnect {
		found = append(found, task.ValidationError{Location: "method", Message: "CONNECT is for proxies only"})
	}
	if in.Timeout != nil && *in.Timeout <= 0 {
		found = append(found, task.ValidationError{Location: "timeout", Message: "must be more than 0"})
	}
	return append(found, checkHeaders(in.Headers)...)
}

func checkHeaders(headers map[string]string) (found []task.ValidationError) {
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		message := ""
		switch {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(headers[name]):
			message = "is not a valid HTTP header"
		case slices.Contains(forbiddenHeaders, canonical) || strings.HasPrefix(canonical, ownHeaders):
			message = "cannot be set"
		case seen[canonical]:
			message = "is given twice, in different case"
		}
		seen[canonical] = true
		if message != "" {
			found = append(found, task.ValidationError{Location: "headers." + name, Message: message})
		}
	}
	return found
}

func (d *deps) httpRequest(ctx context.Context, in HTTPRequestIn) (HTTPRequestOut, error) {
	timeout := defaultCallTimeout
	if in.Timeout != nil {
		timeout = time.Duration(*in.Timeout)
	}
	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := d.call(callCtx, in)
	switch {
	case err == nil:
		return out, nil
	case errors.As(err, new(*statusError)): // the status is decisive, even if reading the body failed
		return HTTPRequestOut{}, err
	case ctx.Err() != nil: // the attempt has ended
		return HTTPRequestOut{}, ctx.Err()
	case callCtx.Err() != nil:
		return HTTPRequestOut{}, fmt.Errorf("no complete response within %s", task.Duration(timeout))
	default:
		return HTTPRequestOut{}, err
	}
}

func (d *deps) call(ctx context.Context, in HTTPRequestIn) (HTTPRequestOut, error) {
	req, err := newHTTPRequest(ctx, in)
	if err != nil {
		return HTTPRequestOut{}, task.Permanent(err)
	}
	start := time.Now()
	client := http.Client{Transport: d.http, CheckRedirect: in.checkRedirect}
	res, err := client.Do(req)
	if err != nil {
		return HTTPRequestOut{}, callError(err)
	}
	defer res.Body.Close()
	if !in.expects(res.StatusCode) {
		return HTTPRequestOut{}, failedStatus(res)
	}
	limit := in.MaxResponseBytes
	if d.maxResult > 0 {
		limit = min(limit, int64(d.maxResult)) // more would not fit into the result
	}
	out, err := readResponse(res, limit)
	if err != nil {
		return HTTPRequestOut{}, fmt.Errorf("read the response: %w", err)
	}
	out.DurationMS = time.Since(start).Milliseconds()
	return fitResult(out, d.maxResult)
}

func newHTTPRequest(ctx context.Context, in HTTPRequestIn) (*http.Request, error) {
	body, contentType := requestBody(in)
	req, err := http.NewRequestWithContext(ctx, in.Method, in.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("url is invalid")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", userAgent)
	for name, value := range in.Headers {
		req.Header.Set(name, value)
	}
	info := task.Info(ctx)
	req.Header.Set(ownHeaders+"Task-Id", info.ID)
	req.Header.Set(ownHeaders+"Attempt", strconv.Itoa(info.Attempt))
	if tick := info.Schedule; tick != nil {
		req.Header.Set(ownHeaders+"Schedule-Id", tick.ScheduleID)
		req.Header.Set(ownHeaders+"Tick", tick.At.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return req, nil
}

// requestBody returns the body as JSON, or the content of a string for another content type.
func requestBody(in HTTPRequestIn) (body []byte, contentType string) {
	if bytes.Equal(in.Body, []byte("null")) {
		return nil, ""
	}
	for name, value := range in.Headers {
		if http.CanonicalHeaderKey(name) != "Content-Type" || isJSON(value) {
			continue
		}
		var text string
		if json.Unmarshal(in.Body, &text) == nil {
			return []byte(text), value
		}
	}
	return in.Body, "application/json"
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// checkRedirect follows redirects, except those with an expected status.
func (in HTTPRequestIn) checkRedirect(req *http.Request, via []*http.Request) error {
	if slices.Contains(in.ExpectStatus, req.Response.StatusCode) {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if slices.ContainsFunc(via, func(earlier *http.Request) bool { return origin(earlier.URL) != origin(via[0].URL) }) ||
		origin(req.URL) != origin(via[0].URL) {
		in.dropHeaders(req)
	}
	return nil
}

// dropHeaders removes the headers of the payload, any of which may be a secret, and the Referer. It keeps Content-Type,
// which belongs to the body.
func (in HTTPRequestIn) dropHeaders(req *http.Request) {
	for name := range in.Headers {
		if http.CanonicalHeaderKey(name) != "Content-Type" {
			req.Header.Del(name)
		}
	}
	req.Header.Del("Referer")
	req.Header.Set("User-Agent", userAgent)
}

const userAgent = "backbeat"

// origin returns the scheme, host and port of a URL.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

const maxRedirects = 10

func (in HTTPRequestIn) expects(status int) bool {
	if len(in.ExpectStatus) > 0 {
		return slices.Contains(in.ExpectStatus, status)
	}
	return status >= 200 && status <= 299
}

// callError returns the error of a call without a response. It contains only the host of the URL, the rest of which may
// contain a password or a token.
func callError(err error) error {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	host := "the host"
	if u, err := url.Parse(failed.URL); err == nil {
		host = u.Host
	}
	return fmt.Errorf("%s %s: %w", strings.ToUpper(failed.Op), host, failed.Err)
}

func readResponse(res *http.Response, limit int64) (HTTPRequestOut, error) {
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return HTTPRequestOut{}, err
	}
	out := HTTPRequestOut{Status: res.StatusCode, Headers: make(map[string]string, len(res.Header))}
	if int64(len(data)) > limit {
		data, out.Truncated = data[:limit], true
	}
	for name, values := range res.Header {
		out.Headers[name] = toUTF8(strings.Join(values, ", "))
	}
	body := toUTF8(string(data))
	out.Body = body
	if isJSON(res.Header.Get("Content-Type")) && !out.Truncated && json.Valid([]byte(body)) {
		out.Body = json.RawMessage(body)
	}
	return out, nil
}

// toUTF8 replaces invalid UTF-8, which JSON does not allow.
func toUTF8(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// maxExcerpt bounds the part of a response body that an error quotes, in bytes.
const maxExcerpt = 200

// maxExcerptWait bounds the time to read the excerpt.
const maxExcerptWait = time.Second

// statusError is the error for a response with an unexpected status.
type statusError struct{ status, excerpt string }

func (e *statusError) Error() string { return fmt.Sprintf("answered %s: %s", e.status, e.excerpt) }

// failedStatus returns the error for an unexpected status. Most 4xx statuses are permanent.
func failedStatus(res *http.Response) error {
	status := res.StatusCode
	if status >= 400 && status <= 499 && !slices.Contains([]int{408, 425, 429}, status) {
		return task.Permanent(responseError(res))
	}
	return retryable(res)
}

// responseError returns an error with the status and an excerpt of the body.
func responseError(res *http.Response) error {
	return &statusError{toUTF8(res.Status), toUTF8(excerpt(res))}
}

// excerpt reads the beginning of a body. It waits for at most maxExcerptWait, and half of the time that the attempt has left,
// so that the status is reported even if the body hangs.
func excerpt(res *http.Response) string {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return "" // the body is the connection, and reading it ignores the context
	}
	wait := maxExcerptWait
	if deadline, ok := res.Request.Context().Deadline(); ok {
		wait = min(wait, time.Until(deadline)/2)
	}
	defer time.AfterFunc(wait, func() { res.Body.Close() }).Stop()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxExcerpt))
	return string(text)
}

// retryable returns the error of a response after which the task is retried, with the delay of its Retry-After, if any.
func retryable(res *http.Response) error {
	err := responseError(res)
	if d := retryAfter(res.Header.Get("Retry-After"), time.Now()); d > 0 {
		return task.RetryAfter(d, err)
	}
	return err
}

// maxRetryAfter bounds the Retry-After of a response.
const maxRetryAfter = 24 * time.Hour

// retryAfter parses the header Retry-After: seconds or an HTTP date (RFC 9110, section 10.2.3). It returns 0, which means
// the type's backoff, for an invalid value and for a time that is not in the future.
func retryAfter(value string, now time.Time) time.Duration {
	// On ErrRange, seconds is the largest uint64.
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
