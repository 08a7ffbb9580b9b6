package httpapi

import (
	"context"
	"net/http"
	"regexp"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// exchange is what the log tells of a request beyond what the request and its answer say.
type exchange struct {
	id string
	// cause is why the answer is a 5xx; nil if it is none.
	cause error
}

type exchangeKey struct{}

// exchangeOf returns the exchange that a request's context belongs to.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// An id goes into logs and back to the client, so it must not be able to forge lines of either.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// beginExchange gives the request an id, the client's own if that is sane.
func beginExchange(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !saneRequestID.MatchString(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		ctx := context.WithValue(c.Request().Context(), exchangeKey{}, &exchange{id: id})
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// answerHead lets HEAD do what GET does. The server, which still knows what the request was, drops the body.
func answerHead(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().Method == http.MethodHead {
			get := *c.Request()
			get.Method = http.MethodGet
			c.SetRequest(&get)
		}
		return next(c)
	}
}
