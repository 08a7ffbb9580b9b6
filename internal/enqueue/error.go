package enqueue

import (
	"errors"
	"net/http"
	"strings"

	"github.com/backbeat-go/backbeat/client"
	"github.com/backbeat-go/backbeat/internal/catalog"
	"github.com/backbeat-go/backbeat/task"
)

// statuses are what the API answers.
var statuses = map[task.Code]int{
	task.CodeInvalid:     http.StatusUnprocessableEntity,
	task.CodeNotFound:    http.StatusNotFound,
	task.CodeConflict:    http.StatusConflict,
	task.CodeUnavailable: http.StatusServiceUnavailable,
}

// Error makes a *client.Error of an error with a code, and returns any other as it is.
func Error(err error) error {
	if errors.Is(err, catalog.ErrKeyReused) {
		return &client.Error{Status: http.StatusUnprocessableEntity, Title: http.StatusText(http.StatusUnprocessableEntity), Detail: err.Error()}
	}
	e, ok := errors.AsType[*task.Error](err)
	if !ok {
		return err
	}
	status := statuses[e.Code]
	made := &client.Error{Status: status, Title: http.StatusText(status), Detail: e.Message, Cause: e.Cause}
	for _, f := range e.Faults {
		made.Errors = append(made.Errors, client.ValidationError{Location: strings.TrimSuffix("body."+f.Location, "."), Message: f.Message})
	}
	return made
}
