package openapi

import (
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
	humaecho.New(echo.New(), Describe("1.2.3", ""))
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
