package httpapi_test

import (
	"testing"

	"github.com/backbeat-go/backbeat/internal/openapitest"
)

func TestOpenAPIIsValid(t *testing.T) {
	for _, fault := range openapitest.Fetch(t, serve(t, &stub{})).Faults() {
		t.Error(fault)
	}
}
