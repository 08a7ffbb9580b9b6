package httpapi

import (
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
)

// huma's variables belong to the program that imports this one, which may have APIs of its own.
func TestGlobalsOfHumaStayAsTheyAre(t *testing.T) {
	humaecho.New(echo.New(), describe("1.2.3", ""))
	for name, f := range map[string]any{
		"NewError": huma.NewError, "NewErrorWithContext": huma.NewErrorWithContext, "ErrorFormatter": huma.ErrorFormatter,
		"GenerateOperationID": huma.GenerateOperationID, "GenerateSummary": huma.GenerateSummary,
	} {
		made := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
		if !strings.HasPrefix(made, "github.com/danielgtaylor/huma/v2.") && made != "fmt.Sprintf" {
			t.Errorf("huma.%s is %s", name, made)
		}
	}
	if huma.ValidateStrictCasing || !huma.DefaultArrayNullable || len(huma.DefaultFormats) != 2 {
		t.Errorf("strict casing %t, nullable arrays %t, formats %v", huma.ValidateStrictCasing, huma.DefaultArrayNullable, huma.DefaultFormats)
	}
}

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
