package schedule

import (
	"fmt"
	"sync"
	"testing"

	"github.com/backbeat-go/backbeat/internal/cron"
)

func TestExpressionsAreParsedOnceAndBounded(t *testing.T) {
	e := expressions{parsed: make(map[expressionKey]*cron.Expression)}
	first, err := e.parse("0 0 13 * fri", cron.EitherDay)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := e.parse("0 0 13 * fri", cron.EitherDay); again != first || err != nil {
		t.Errorf("it was parsed again, %v", err)
	}
	if other, err := e.parse("0 0 13 * fri", cron.BothDays); other == first || err != nil {
		t.Errorf("another way to match days makes no difference, %v", err)
	}
	for i := range maxExpressions + 10 {
		if _, err := e.parse(fmt.Sprintf("%d %d %d * * *", i%60, i/60%60, i/3600), cron.EitherDay); err != nil {
			t.Fatal(err)
		}
		if len(e.parsed) > maxExpressions {
			t.Fatalf("it holds %d", len(e.parsed))
		}
	}
	if _, err := e.parse("61 * * * *", cron.EitherDay); err == nil || len(e.parsed) == 0 {
		t.Errorf("it holds %d, and of a bad one says %v", len(e.parsed), err)
	}
}

func TestExpressionsAreSafeForConcurrentUse(t *testing.T) {
	e := expressions{parsed: make(map[expressionKey]*cron.Expression)}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				if _, err := e.parse(fmt.Sprintf("%d * * * *", i%60), cron.EitherDay); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(e.parsed) != 60 {
		t.Errorf("it holds %d", len(e.parsed))
	}
}
