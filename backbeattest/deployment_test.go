package backbeattest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/backbeattest"
	"github.com/backbeat-go/backbeat/client"
)

// Several deployments run at once, and each has its own tasks.
func TestStart(t *testing.T) {
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d := backbeattest.Start(t, sum.Handle(add))
			api := httptest.NewServer(d.Handler())
			defer api.Close()
			overHTTP, err := client.New(api.URL)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for name, q := range map[string]client.Enqueuer{"redis": d.Client(), "http": overHTTP} {
				if out, err := client.Run(ctx, q, sum, sumIn{A: i}, client.ID(name)); err != nil || out.Sum != i+1 {
					t.Errorf("%s: Run = %+v, %v", name, out, err)
				}
			}
		})
	}
}
