package redisstore_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// TestMain also is the program of the processes that tests start; see stopped_test.go.
func TestMain(m *testing.M) {
	if url := os.Getenv(leaderProcess); url != "" {
		runLeader(url)
		return
	}
	redis.SetLogger(quiet{}) // connections break here on purpose
	goleak.VerifyTestMain(m)
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
