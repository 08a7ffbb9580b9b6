package redistest

import (
	"os"
	"slices"
	"sync"
	"testing"
)

// OnCluster is the environment variable that makes Start use a cluster instead of a single server.
const OnCluster = "BACKBEAT_TEST_CLUSTER"

func clustered() bool { return os.Getenv(OnCluster) != "" }

// pool keeps intact, empty clusters for other tests, because starting one takes two seconds.
var pool struct {
	mu      sync.Mutex
	idle    []*Cluster
	started []*Cluster
	dirs    []string
}

// Main runs the tests of a package and then stops their shared clusters. It is for TestMain.
type Main struct{ *testing.M }

// Run implements goleak.TestingM.
func (m Main) Run() int {
	code := m.M.Run()
	pool.mu.Lock()
	defer pool.mu.Unlock()
	for _, c := range pool.started {
		c.kill()
	}
	for _, dir := range pool.dirs {
		_ = os.RemoveAll(dir) // it holds logs of a test
	}
	return code
}

// startFacade returns a Server that represents a cluster: its methods act on all nodes.
func startFacade(t testing.TB, opts ...Option) *Server {
	t.Helper()
	if len(opts) > 0 {
		c := startCluster(t, t.TempDir, clusterOptions{nodes: opts})
		t.Cleanup(c.kill)
		return &Server{t: t, cluster: c}
	}
	s := &Server{t: t, cluster: borrow(t)}
	t.Cleanup(func() {
		if s.used {
			s.cluster.kill()
			return
		}
		release(s.cluster)
	})
	return s
}

func borrow(t testing.TB) *Cluster {
	t.Helper()
	pool.mu.Lock()
	if n := len(pool.idle); n > 0 {
		c := pool.idle[n-1]
		pool.idle = pool.idle[:n-1]
		pool.mu.Unlock()
		c.attach(t)
		return c
	}
	pool.mu.Unlock()
	var dirs []string
	c := startCluster(t, func() string {
		dir, err := os.MkdirTemp("", "redistest") //nolint:usetesting // the cluster outlives the test that starts it
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
		return dir
	}, clusterOptions{})
	pool.mu.Lock()
	defer pool.mu.Unlock()
	pool.started = append(pool.started, c)
	pool.dirs = slices.Concat(pool.dirs, dirs)
	return c
}

func release(c *Cluster) {
	for _, node := range c.Nodes() {
		if err := node.do("FLUSHALL").Err(); err != nil {
			c.t.Errorf("empty the cluster for the next test: %v", err)
			c.kill()
			return
		}
		// Tests must undo their own CONFIG SET.
	}
	pool.mu.Lock()
	defer pool.mu.Unlock()
	pool.idle = append(pool.idle, c)
}

func (c *Cluster) attach(t testing.TB) {
	c.t = t
	for _, node := range c.Nodes() {
		node.t = t
	}
}
