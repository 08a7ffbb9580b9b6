package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/backbeat-go/backbeat/internal/task"
)

// HTTPRequest calls an HTTP endpoint.
var HTTPRequest = define("http.request", (*Deps).httpRequest,
	task.Describe("Calls an HTTP endpoint and keeps its answer. Reaches public addresses only, unless http_task.allow_cidrs says otherwise."))

// HTTPRequestIn is the request.
type HTTPRequestIn struct {
	URL              string            `json:"url" format:"uri" maxLength:"8192" doc:"Where to, http or https." example:"https://example.com/hook"`
	Method           string            `json:"method,omitempty" default:"POST" pattern:"^[A-Z]{1,20}$" patternDescription:"an HTTP method in capitals" doc:"The HTTP method."`
	Headers          map[string]string `json:"headers,omitempty" doc:"Headers to send. Those that begin with X-Backbeat- are ours."`
	Body             json.RawMessage   `json:"body,omitempty" doc:"What to send: any JSON. A string goes as it is if headers name a Content-Type other than JSON."`
	Timeout          *task.Duration    `json:"timeout,omitempty" doc:"Bounds the call, reading the answer included. Default: 30s."`
	ExpectStatus     []int             `json:"expect_status,omitempty" doc:"Statuses that are a success. Default: 200 to 299."`
	MaxResponseBytes int64             `json:"max_response_bytes,omitempty" default:"65536" minimum:"0" maximum:"10485760" doc:"How much of the answer is kept."`
}

// HTTPRequestOut is the answer.
type HTTPRequestOut struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers"`
	Body       any               `json:"body" doc:"The body: as JSON if it is that, else as a string."`
	Truncated  bool              `json:"truncated" doc:"Whether the body was longer than what is kept."`
	DurationMS int64             `json:"duration_ms"`
}

const defaultCallTimeout = 30 * time.Second

// Headers that belong to the connection or to us.
var forbiddenHeaders = []string{
	"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

const ownHeaders = "X-Backbeat-"

// Validate checks what the schema cannot.
func (in HTTPRequestIn) Validate() (faults []task.Fault) {
	if u, err := url.Parse(in.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		faults = append(faults, task.Fault{Location: "url", Message: "must be an http or https URL with a host"})
	}
	for name, value := range in.Headers {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			faults = append(faults, task.Fault{Location: "headers." + name, Message: "is not a header that HTTP allows"})
		case slices.Contains(forbiddenHeaders, canonical) || strings.HasPrefix(canonical, ownHeaders):
			faults = append(faults, task.Fault{Location: "headers." + name, Message: "cannot be set"})
		}
	}
	for i, status := range in.ExpectStatus {
		if status < 200 || status > 599 {
			faults = append(faults, task.Fault{Location: fmt.Sprintf("expect_status[%d]", i), Message: "must be 200 to 599"})
		}
	}
	if in.Timeout != nil && *in.Timeout <= 0 {
		faults = append(faults, task.Fault{Location: "timeout", Message: "must be more than 0"})
	}
	return faults
}

func (d *Deps) httpRequest(ctx context.Context, in HTTPRequestIn) (HTTPRequestOut, error) {
	timeout := defaultCallTimeout
	if in.Timeout != nil {
		timeout = time.Duration(*in.Timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := newHTTPRequest(ctx, in)
	if err != nil {
		return HTTPRequestOut{}, task.Permanent(err)
	}
	start := time.Now()
	res, err := d.http.Do(req)
	if err != nil {
		return HTTPRequestOut{}, callError(err)
	}
	defer res.Body.Close()
	out, err := readAnswer(res, in.MaxResponseBytes)
	if err != nil {
		return HTTPRequestOut{}, fmt.Errorf("read the answer: %w", err)
	}
	out.DurationMS = time.Since(start).Milliseconds()
	if !expected(res.StatusCode, in.ExpectStatus) {
		return HTTPRequestOut{}, statusError(res, out.Body)
	}
	return out, nil
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
	req.Header.Set("User-Agent", "backbeat")
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

// callError explains why a call did not come to an answer. An address that may not be called is not worth another
// try.
func callError(err error) error {
	if e, ok := errors.AsType[*forbiddenAddress](err); ok {
		return task.Permanent(e)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		// Its text holds the URL, and that perhaps a token in its query.
		return fmt.Errorf("%s: %w", strings.ToUpper(e.Op), e.Err)
	}
	return err
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
		out.Headers[name] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	out.Body = strings.ToValidUTF8(string(data), "\uFFFD")
	if isJSON(res.Header.Get("Content-Type")) && !out.Truncated && json.Valid(data) {
		out.Body = json.RawMessage(data)
	}
	return out, nil
}

func expected(status int, list []int) bool {
	if len(list) > 0 {
		return slices.Contains(list, status)
	}
	return status >= 200 && status <= 299
}

// maxExcerpt is how much of an unwanted answer an error quotes, in bytes.
const maxExcerpt = 200

// statusError is the error of an answer that is no success. Most of what 4xx says is true the next time as well.
func statusError(res *http.Response, body any) error {
	text := fmt.Sprintf("%s", body)
	if len(text) > maxExcerpt {
		text = strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
	}
	err := fmt.Errorf("answered %s: %s", res.Status, text)
	status := res.StatusCode
	if status >= 400 && status <= 499 && !slices.Contains([]int{408, 425, 429}, status) {
		return task.Permanent(err)
	}
	if d, ok := retryAfter(res.Header.Get("Retry-After"), time.Now()); ok {
		return task.RetryAfter(d, err)
	}
	return err
}

// maxRetryAfter bounds what an answer can ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header Retry-After: seconds or an HTTP date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}
