package rest

import (
	"net/http"
	"testing"
)

// foreignError is what the huma.NewError of another program may make.
type foreignError struct{ status int }

func (foreignError) Error() string    { return "somebody's words" }
func (e foreignError) GetStatus() int { return e.status }

func TestForeignErrorsOfHumaAreProblems(t *testing.T) {
	for status, want := range map[int]int{
		http.StatusUnprocessableEntity: http.StatusUnprocessableEntity, http.StatusInternalServerError: http.StatusBadRequest,
	} {
		if p := problemOfHuma(foreignError{status}); p.Status != want || p.Detail == "" || p.Title != http.StatusText(want) {
			t.Errorf("%d: %+v, want a problem with %d", status, p, want)
		}
	}
}
