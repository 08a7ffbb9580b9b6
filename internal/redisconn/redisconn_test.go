package redisconn_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/redisconn"
	"github.com/backbeat-go/backbeat/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is far longer than a client needs to find a new master, and far shorter than go-redis' own minute.
const patience = 20 * time.Second

func once(opts *redis.UniversalOptions) { opts.MaxRetries = -1 }

func TestClientFollowsAnElection(t *testing.T) {
	for name, fail := range map[string]func(*redistest.Server){
		"killed": (*redistest.Server).Kill,
		"hangs":  (*redistest.Server).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := redistest.StartCluster(t, redistest.WithReplicas())
			single, piped := c.Client(t, once), c.Client(t, once)
			for _, rdb := range []*redis.ClusterClient{single, piped} {
				if err := rdb.Set(t.Context(), "a", 1, 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			master := c.Master("a")
			fail(master)
			c.AwaitFailover("a", master)
			until(t, "a command reaches the new master", func() error { return single.Set(t.Context(), "a", 2, 0).Err() })
			until(t, "a pipeline does", func() error {
				_, err := piped.Pipelined(t.Context(), func(p redis.Pipeliner) error {
					p.Set(t.Context(), "a", 3, 0)
					return nil
				})
				return err
			})
		})
	}
}

func until(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Errorf("waited %s until %s: %v", patience, what, err)
}

// A command that was sent is not repeated: it may have been executed.
func TestCommandIsSentOnce(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	rdb := c.Client(t, once, func(opts *redis.UniversalOptions) { opts.ReadTimeout = 500 * time.Millisecond })
	master := c.Master("n")
	direct := master.Client(t)
	send := map[string]func() error{
		"a command": func() error { return rdb.Incr(t.Context(), "n").Err() },
		"a pipeline": func() error {
			_, err := rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error {
				p.Incr(t.Context(), "n")
				return nil
			})
			return err
		},
	}
	for name, send := range send {
		if err := rdb.Set(t.Context(), "n", 0, 0).Err(); err != nil {
			t.Fatal(err)
		}
		connect(t, rdb, 4) // a frozen master cannot complete a handshake
		master.Freeze()
		if err := send(); err == nil {
			t.Fatalf("%s: a frozen master replied", name)
		}
		master.Thaw()
		c.AwaitWhole()
		until(t, "the master has read it", func() error {
			if n, err := direct.Get(t.Context(), "n").Int(); err != nil || n == 0 {
				return fmt.Errorf("%d, %w", n, err)
			}
			return nil
		})
		if n := direct.Get(t.Context(), "n").Val(); n != "1" {
			t.Errorf("%s was executed %s times", name, n)
		}
	}
}

// connect opens idle connections of the client to the master of the key n.
func connect(t *testing.T, rdb redis.UniversalClient, connections int) {
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() { rdb.BLPop(t.Context(), 100*time.Millisecond, "{n}:empty") })
	}
	wg.Wait()
}

// subscription is a subscription that runs until the test ends.
type subscription struct {
	begun    chan struct{}
	messages chan string
}

func subscribe(t *testing.T, rdb redis.UniversalClient) subscription {
	s := subscription{begun: make(chan struct{}, 100), messages: make(chan string, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		redisconn.Subscribe(ctx, rdb, func(received any) {
			switch m := received.(type) {
			case *redis.Subscription:
				s.begun <- struct{}{}
			case *redis.Message:
				s.messages <- m.Payload
			}
		}, "news")
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	await(t, s.begun)
	return s
}

func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("nothing received within %s", patience)
	}
	return v
}

func TestSubscriptionMovesToAnotherMaster(t *testing.T) {
	for name, fail := range map[string]func(*redistest.Server){
		"killed": (*redistest.Server).Kill,
		"hangs":  (*redistest.Server).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := redistest.StartCluster(t) // the master has no replica
			s := subscribe(t, c.Client(t))
			subscribed := -1
			nodes := c.Nodes()
			for i, node := range nodes {
				if node.Client(t).PubSubNumSub(t.Context(), "news").Val()["news"] > 0 {
					subscribed = i
				}
			}
			if subscribed < 0 {
				t.Fatal("no node has the subscription")
			}
			fail(nodes[subscribed])
			await(t, s.begun)
			other := nodes[(subscribed+1)%len(nodes)].Client(t)
			until(t, "a message arrives", func() error {
				if err := other.Publish(t.Context(), "news", "m").Err(); err != nil {
					return err
				}
				select {
				case <-s.messages:
					return nil
				case <-time.After(100 * time.Millisecond):
					return fmt.Errorf("no message")
				}
			})
		})
	}
}

// A firewall may drop a connection without an error; the subscription must detect that.
func TestSubscriptionDetectsSilence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	link := redistest.StartLink(t, server.Addr())
	rdb := redisconn.New(&redis.UniversalOptions{Addrs: []string{link.Addr()}})
	t.Cleanup(func() { rdb.Close() })
	s := subscribe(t, rdb)
	link.Silence()
	link.Mend() // for new connections
	await(t, s.begun)
	if err := server.Client(t).Publish(t.Context(), "news", "m").Err(); err != nil {
		t.Fatal(err)
	}
	await(t, s.messages)
}
