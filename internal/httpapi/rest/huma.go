package rest

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
)

// UseProblems makes an API answer with problems where huma refuses a request. The function huma.NewError belongs to the
// whole process and may be used by other APIs in it, so it stays unchanged: its errors are replaced when they are written,
// and described as problems. If the program has replaced huma.NewError, the problems lack the validation errors.
func UseProblems(cfg *huma.Config) {
	made := reflect.TypeOf(huma.NewError(0, ""))
	for made.Kind() == reflect.Pointer {
		made = made.Elem()
	}
	cfg.Components.Schemas.RegisterTypeAlias(made, reflect.TypeFor[Problem]())
	cfg.Transformers = append(cfg.Transformers, ownProblem)
}

// ownProblem is a huma.Transformer that replaces errors of huma by problems.
func ownProblem(ctx huma.Context, _ string, body any) (any, error) {
	err, ok := body.(huma.StatusError)
	if !ok {
		return body, nil
	}
	if p, ok := body.(*Problem); ok {
		return p, nil
	}
	p := problemOfHuma(err)
	ctx.SetHeader("Content-Type", problemType)
	if answer := humaecho.Unwrap(ctx).Response(); p.Status != err.GetStatus() {
		answer.Before(func() { answer.Status = p.Status }) // huma writes the status of its own error
	}
	return p, nil
}

func problemOfHuma(err huma.StatusError) *Problem {
	var details []*huma.ErrorDetail
	detail := err.Error()
	if model, ok := err.(*huma.ErrorModel); ok {
		details, detail = model.Errors, model.Detail
	}
	switch status := err.GetStatus(); status {
	case http.StatusInternalServerError: // of a body that could not be read: handlers make problems themselves
		return unreadable(details)
	case http.StatusRequestTimeout:
		return NewProblem(status, "the body came too slowly")
	case http.StatusRequestEntityTooLarge:
		return NewProblem(status, "the body is too large") // huma's limit is one more than ours
	default:
		p := NewProblem(status, detail)
		for _, d := range details {
			if d != nil {
				f := ValidationErrorOf(d)
				p.Errors = append(p.Errors, Fault(f))
			}
		}
		return p
	}
}

// unreadable returns the problem that a middleware has found in a body.
func unreadable(details []*huma.ErrorDetail) *Problem {
	for _, d := range details {
		if p, ok := d.Value.(*Problem); ok {
			return p
		}
	}
	return NewProblem(http.StatusBadRequest, "the body could not be read to its end")
}
