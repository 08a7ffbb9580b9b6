package tasks

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/internal/httpapi/guard"
	"github.com/backbeat-go/backbeat/internal/httpapi/rest"
	"github.com/backbeat-go/backbeat/task"
)

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
)

// IdempotencyKey is the header of a request that takes effect once, however often it is sent.
type IdempotencyKey struct {
	Given string `header:"Idempotency-Key" doc:"A name of yours for this request, 1 to 255 visible ASCII characters, in quotes or without. For 24 hours the same request with it answers with the first task and enqueues nothing; another request with it is refused." example:"\"8e03978e-40d5-43dd-bc93-6894a57f9324\""`
	key   string
}

var _ huma.Resolver = (*IdempotencyKey)(nil)

// Resolve reads the key. It also refuses an empty header and repeated ones, which Given does not show.
func (k *IdempotencyKey) Resolve(ctx huma.Context) []error {
	var given []string
	ctx.EachHeader(func(name, value string) {
		if name == idempotencyHeader {
			given = append(given, value)
		}
	})
	if len(given) == 0 {
		return nil
	}
	if key, ok := parseIdempotencyKey(given[0]); ok && len(given) == 1 {
		k.key = key
		return nil
	}
	return []error{&huma.ErrorDetail{Location: "header." + idempotencyHeader, Message: "must be one key of 1 to 255 visible ASCII characters, in quotes or without"}}
}

// parseIdempotencyKey returns the key in a header: a string of structured fields (RFC 8941), with quotes, as in the IETF's
// draft, or bare, as many clients send it.
func parseIdempotencyKey(text string) (key string, ok bool) {
	key = text
	if strings.HasPrefix(text, `"`) {
		if key, ok = unquote(text); !ok {
			return "", false
		}
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", false
		}
	}
	return key, key != "" && len(key) <= maxIdempotencyKey
}

// unquote reads a string of structured fields, in which a backslash stands before quotes and backslashes only.
func unquote(text string) (string, bool) {
	inner, closed := strings.CutSuffix(text[1:], `"`)
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return "", false
		case '\\':
			i++
			if i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return "", false
			}
		}
		b.WriteByte(inner[i])
	}
	return b.String(), closed
}

// createOnce enqueues one task for all requests with the same key.
func (a *API) createOnce(ctx context.Context, in *createTaskInput, limit time.Duration) (t *task.Task, replayed bool, err error) {
	request := catalog.Idempotency{Caller: guard.CallerIn(ctx), Key: in.key, Request: in.RawBody}
	t, replayed, err = a.Tasks.EnqueueOnce(ctx, request, func(now time.Time) (*task.Task, error) {
		return a.requests.read(in.RawBody, now)
	}, limit)
	if errors.Is(err, catalog.ErrKeyReused) {
		err = rest.NewProblem(http.StatusUnprocessableEntity, "the idempotency key was sent with another request before; take a new one for each",
			rest.At("header."+idempotencyHeader, "stands for another request"))
	}
	return t, replayed, err
}
