package backbeattest

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/localredis"
	"github.com/backbeat-go/backbeat/internal/pause"
	"github.com/backbeat-go/backbeat/internal/testclock"
)

// RedisURL is the environment variable that names a Redis server for Start to use instead of miniredis, such as
// redis://127.0.0.1:6379. Each Deployment takes an empty database of the server for itself; if the URL names a database,
// that one. It waits for a minute for one to become free, and removes at the end of the test what it has written. It never
// touches a database that is not empty, except for what a test that was killed has left in one.
//
// The server must be a single one, with redis:// or rediss://: a cluster has one database. The time of the server itself is not
// changed.
const RedisURL = "BACKBEATTEST_REDIS_URL"

const (
	// claimTTL is how long a database stays claimed after its test was killed.
	claimTTL = 30 * time.Second
	// claimWait bounds the wait for a database.
	claimWait = time.Minute
)

var (
	claimScript   = scripts.Script("claim")
	releaseScript = scripts.Script("release")
)

// claimKeys are the KEYS of both scripts.
var claimKeys = []string{testclock.Prefix + "owner", testclock.Prefix + "used"}

// startRedis returns the URL of an empty Redis that is the test's until it ends.
func startRedis(t testing.TB) string {
	t.Helper()
	if raw := os.Getenv(RedisURL); raw != "" {
		return claimDatabase(t, raw)
	}
	server, err := localredis.StartEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server.URL()
}

func claimDatabase(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" {
		t.Fatalf("%s must be the redis:// or rediss:// URL of a single server", RedisURL)
	}
	number := strings.Trim(u.Path, "/")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), claimWait)
	defer cancel()
	for {
		d, err := claimOneOf(ctx, u, number)
		if err != nil {
			t.Fatalf("%s: %v", RedisURL, err)
		}
		if d != nil {
			d.keep(t)
			return d.url
		}
		if !pause.For(ctx, 100*time.Millisecond) {
			t.Fatalf("%s: no database of the server was empty within %s", RedisURL, claimWait)
		}
	}
}

// database is one that a test has claimed.
type database struct {
	url   string
	rdb   *redis.Client
	token string
}

// claimOneOf returns nil if no database is empty. number names the only one to try; "" for any.
func claimOneOf(ctx context.Context, server *url.URL, number string) (*database, error) {
	if number != "" {
		return claimOne(ctx, server, number)
	}
	for n := 0; ; n++ {
		d, err := claimOne(ctx, server, strconv.Itoa(n))
		if d != nil {
			return d, nil
		}
		if n > 0 && err != nil && strings.Contains(err.Error(), "out of range") {
			return nil, nil // the server has no more
		}
		if err != nil {
			return nil, err
		}
	}
}

// claimOne returns nil if the database is not empty.
func claimOne(ctx context.Context, server *url.URL, number string) (*database, error) {
	u := *server
	u.Path = "/" + number
	opts, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, errors.New("the URL cannot be read") // the error has the password
	}
	d := &database{url: u.String(), rdb: redis.NewClient(opts), token: uuid.NewString()}
	claimed, err := claimScript.Run(ctx, d.rdb, claimKeys, d.token, claimTTL.Milliseconds()).Bool()
	if err != nil || !claimed {
		_ = d.rdb.Close() // nothing more to be done with it
		return nil, err
	}
	return d, nil
}

// keep renews the claim until the test ends, and gives the database back then.
func (d *database) keep(t testing.TB) {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pause.For(ctx, claimTTL/10) {
			_ = d.rdb.PExpire(ctx, claimKeys[0], claimTTL).Err() // if it fails, the next may not
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := d.release(); err != nil {
			t.Errorf("clean up %s: %v", d.rdb, err)
		}
	})
}

// release removes what the test has written.
func (d *database) release() error {
	defer d.rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), redisWait)
	defer cancel()
	released, err := releaseScript.Run(ctx, d.rdb, claimKeys, d.token).Bool()
	if err == nil && !released {
		err = errors.New("the claim of the database has ended, and another test may use it")
	}
	return err
}
