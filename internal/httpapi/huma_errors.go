package httpapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
)

// useProblems has an API answer with problems where huma finds something wrong itself. The function that huma makes its
// errors with, huma.NewError, belongs to the whole process and may be used by other APIs in it, so it stays as it is: its
// errors are replaced as they are written, and described as problems. If the process has another huma.NewError than huma's
// own, the problems lack the fields at fault.
func useProblems(cfg *huma.Config) {
	made := reflect.TypeOf(huma.NewError(0, ""))
	for made.Kind() == reflect.Pointer {
		made = made.Elem()
	}
	cfg.Components.Schemas.RegisterTypeAlias(made, reflect.TypeFor[problem]())
	cfg.Transformers = append(cfg.Transformers, ownProblem)
}

// ownProblem is a huma.Transformer that makes a problem of an error of huma's and leaves all else as it is.
func ownProblem(ctx huma.Context, _ string, body any) (any, error) {
	err, ok := body.(huma.StatusError)
	if !ok {
		return body, nil
	}
	if p, ok := body.(*problem); ok {
		return p, nil
	}
	p := problemOfHuma(err)
	ctx.SetHeader("Content-Type", problemType)
	if answer := humaecho.Unwrap(ctx).Response(); p.Status != err.GetStatus() {
		answer.Before(func() { answer.Status = p.Status }) // huma writes the status of its own error
	}
	return p, nil
}

func problemOfHuma(err huma.StatusError) *problem {
	var details []*huma.ErrorDetail
	detail := err.Error()
	if model, ok := err.(*huma.ErrorModel); ok {
		details, detail = model.Errors, model.Detail
	}
	switch status := err.GetStatus(); status {
	case http.StatusInternalServerError: // of a body that could not be read: handlers make problems themselves
		return unreadable(details)
	case http.StatusRequestTimeout:
		return newProblem(status, "the body came too slowly")
	case http.StatusRequestEntityTooLarge:
		return newProblem(status, "the body is too large") // huma's limit is one more than ours
	default:
		p := newProblem(status, detail)
		for _, d := range details {
			if d != nil {
				f := faultOf(d)
				p.Errors = append(p.Errors, fault{f.Location, f.Message})
			}
		}
		return p
	}
}

// unreadable returns the problem that limitBody or decodeBody has found in a body.
func unreadable(details []*huma.ErrorDetail) *problem {
	for _, d := range details {
		if p, ok := d.Value.(*problem); ok {
			return p
		}
	}
	return newProblem(http.StatusBadRequest, "the body could not be read to its end")
}
