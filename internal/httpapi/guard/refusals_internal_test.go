package guard

import (
	"fmt"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/ratelimit"
)

func TestRefusalsAreBounded(t *testing.T) {
	f := newRefusals(ratelimit.Rate{Limit: 1, Period: time.Hour, Burst: 1})
	for i := range 3 * maxRefusedAddresses {
		f.refused(fmt.Sprint("address:", i), "")
		f.good(fmt.Sprint("key-", i))
	}
	if len(f.buckets) > maxRefusedAddresses || len(f.accepted) > maxAcceptedCredentials {
		t.Errorf("%d addresses and %d credentials are remembered", len(f.buckets), len(f.accepted))
	}
	if f.check(fmt.Sprint("address:", 3*maxRefusedAddresses-1), "guess") == 0 {
		t.Error("the newest address is forgotten")
	}
}
