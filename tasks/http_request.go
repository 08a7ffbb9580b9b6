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
	task.Describe("Calls an HTTP endpoint and keeps its answer. Reaches public addresses only, unless http_task.allow_cidrs says otherwise."))

// HTTPRequestIn is the request.
type HTTPRequestIn struct {
	URL              string            `json:"url" format:"uri" maxLength:"8192" doc:"Where to, http or https. Redirects are followed, 10 at most; to another scheme, host or port without the headers." example:"https://example.com/hook"`
	Method           string            `json:"method,omitempty" default:"POST" pattern:"^[A-Z]{1,20}$" patternDescription:"an HTTP method in capitals" doc:"The HTTP method."`
	Headers          map[string]string `json:"headers,omitempty" doc:"Headers to send. Host comes from the URL, and those that begin with X-Backbeat- are ours."`
	Body             json.RawMessage   `json:"body,omitempty" doc:"What to send: any JSON; nothing for null. A string goes as it is if headers name a Content-Type other than JSON."`
	Timeout          *task.Duration    `json:"timeout,omitempty" doc:"Bounds the call, reading the answer included. Default: 30s."`
	ExpectStatus     []int             `json:"expect_status,omitempty" minimum:"200" maximum:"599" doc:"Statuses that are a success. A redirect among them is not followed. Default: 200 to 299."`
	MaxResponseBytes int64             `json:"max_response_bytes,omitempty" default:"65536" minimum:"0" maximum:"10485760" doc:"How much of the answer is kept, in bytes. max_result_bytes of the workers bounds the whole result: a body that does not fit is cut."`
}

// HTTPRequestOut is the answer.
type HTTPRequestOut struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers" doc:"The headers of the answer; several of one name are joined with a comma."`
	Body       any               `json:"body" doc:"The body: as JSON if it is that, else as a string."`
	Truncated  bool              `json:"truncated" doc:"Whether the body was longer than what is kept. A body that is cut is a string, JSON or not."`
	DurationMS int64             `json:"duration_ms"`
}

const defaultCallTimeout = 30 * time.Second

// Headers that belong to the connection, or that come from the rest of the request.
var forbiddenHeaders = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

const ownHeaders = "X-Backbeat-"

// Validate checks what the schema cannot.
func (in HTTPRequestIn) Validate() []task.ValidationError {
	var faults []task.ValidationError
	if u, err := url.Parse(in.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		faults = append(faults, task.ValidationError{Location: "url", Message: "must be an http or https URL with a host"})
	}
	if in.Method == http.MethodConnect {
		faults = append(faults, task.ValidationError{Location: "method", Message: "CONNECT is for proxies only"})
	}
	if in.Timeout != nil && *in.Timeout <= 0 {
		faults = append(faults, task.ValidationError{Location: "timeout", Message: "must be more than 0"})
	}
	return append(faults, checkHeaders(in.Headers)...)
}

func checkHeaders(headers map[string]string) (faults []task.ValidationError) {
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		message := ""
		switch {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(headers[name]):
			message = "is not a header that HTTP allows"
		case slices.Contains(forbiddenHeaders, canonical) || strings.HasPrefix(canonical, ownHeaders):
			message = "cannot be set"
		case seen[canonical]:
			message = "is given twice, in different case"
		}
		seen[canonical] = true
		if message != "" {
			faults = append(faults, task.ValidationError{Location: "headers." + name, Message: message})
		}
	}
	return faults
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
	case errors.As(err, new(*statusError)): // the status decides, however the rest of the answer came
		return HTTPRequestOut{}, err
	case ctx.Err() != nil: // the whole attempt is over
		return HTTPRequestOut{}, ctx.Err()
	case callCtx.Err() != nil:
		return HTTPRequestOut{}, fmt.Errorf("no complete answer within %s", task.Duration(timeout))
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
	most := in.MaxResponseBytes
	if d.maxResult > 0 {
		most = min(most, int64(d.maxResult)) // more could not be kept
	}
	out, err := readAnswer(res, most)
	if err != nil {
		return HTTPRequestOut{}, fmt.Errorf("read the answer: %w", err)
	}
	out.DurationMS = time.Since(start).Milliseconds()
	return fitResult(out, d.maxResult)
}

func newHTTPRequest(ctx context.Context, in HTTPRequestIn) (*http.Request, error) {
	body, contentType := requestBody(in)
	req, err := http.NewRequestWithContext(ctx, in.Method, in.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("url cannot be called")
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

// requestBody returns the body as JSON, or the text of a string for another content type.
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

// checkRedirect follows redirects, but not one that is the answer asked for.
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

// dropHeaders removes the headers of the payload, any of which may be a secret, and the URL that the redirect comes
// from. Content-Type stays where the body does: it says how to read it.
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

// callError explains why a call did not come to an answer. It names the host alone: the rest of a URL may hold a
// password or a token.
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

func readAnswer(res *http.Response, most int64) (HTTPRequestOut, error) {
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return HTTPRequestOut{}, err
	}
	out := HTTPRequestOut{Status: res.StatusCode, Headers: make(map[string]string, len(res.Header))}
	if int64(len(data)) > most {
		data, out.Truncated = data[:most], true
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

// toUTF8 makes text fit for JSON, whatever another server has sent.
func toUTF8(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// maxExcerpt is how much of an unwanted answer an error quotes, in bytes.
const maxExcerpt = 200

// maxExcerptWait is how long the excerpt may take to come.
const maxExcerptWait = time.Second

// statusError is an answer that is no success.
type statusError struct{ status, excerpt string }

func (e *statusError) Error() string { return fmt.Sprintf("answered %s: %s", e.status, e.excerpt) }

// failedStatus is the error of an answer that is no success. Most of what 4xx says is true the next time as well.
func failedStatus(res *http.Response) error {
	status := res.StatusCode
	if status >= 400 && status <= 499 && !slices.Contains([]int{408, 425, 429}, status) {
		return task.Permanent(answered(res))
	}
	return tryLater(res)
}

// answered is an error that says what was answered.
func answered(res *http.Response) error {
	return &statusError{toUTF8(res.Status), toUTF8(excerpt(res))}
}

// excerpt reads the beginning of a body, as far as it comes in time: the status says enough. It ends the body, not the
// attempt: half of what the attempt has left remains for its verdict.
func excerpt(res *http.Response) string {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return "" // the body is the connection, which heeds no context
	}
	wait := maxExcerptWait
	if deadline, ok := res.Request.Context().Deadline(); ok {
		wait = min(wait, time.Until(deadline)/2)
	}
	defer time.AfterFunc(wait, func() { res.Body.Close() }).Stop()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxExcerpt))
	return string(text)
}

// tryLater is the error of an answer that may be another one later: when it says itself, if it does.
func tryLater(res *http.Response) error {
	err := answered(res)
	if d := retryAfter(res.Header.Get("Retry-After"), time.Now()); d > 0 {
		return task.RetryAfter(d, err)
	}
	return err
}

// maxRetryAfter bounds what an answer can ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header Retry-After: seconds or an HTTP date (RFC 9110, section 10.2.3). It is 0 for what is
// neither, or not in the future: the type's backoff is kinder than no wait at all.
func retryAfter(value string, now time.Time) time.Duration {
	// More seconds than fit into 64 bits are the most that do.
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
