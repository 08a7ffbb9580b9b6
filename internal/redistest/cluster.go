package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	masters = 3
	slots   = 16384

	// nodeTimeout is how long a node may be unreachable before it counts as failed. The election takes up to another second.
	nodeTimeout = time.Second

	// patience bounds every wait for the cluster. It is far longer than any wait should take.
	patience = 60 * time.Second
)

// Cluster is a Redis Cluster of three masters on loopback ports. It is stopped when the test ends. Its masters serve their
// slots even while other masters are down (cluster-require-full-coverage is off).
type Cluster struct {
	t        testing.TB
	masters  []*Server
	replicas []*Server
}

// ClusterOption is an option of StartCluster.
type ClusterOption func(*clusterOptions)

type clusterOptions struct {
	replicas bool
	nodes    []Option
}

// WithReplicas gives each master a replica, which replaces it when it fails.
func WithReplicas() ClusterOption { return func(o *clusterOptions) { o.replicas = true } }

// StartCluster starts a cluster and waits until all nodes report it as healthy, which takes about two seconds.
func StartCluster(t testing.TB, opts ...ClusterOption) *Cluster {
	t.Helper()
	var o clusterOptions
	for _, opt := range opts {
		opt(&o)
	}
	c := startCluster(t, t.TempDir, o)
	t.Cleanup(c.kill)
	return c
}

func startCluster(t testing.TB, newDir func() string, o clusterOptions) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	node := append([]Option{withCluster}, o.nodes...)
	for range masters {
		c.masters = append(c.masters, startServer(t, newDir(), node...))
		if o.replicas {
			c.replicas = append(c.replicas, startServer(t, newDir(), node...))
		}
	}
	c.assignSlots()
	c.meet()
	c.replicate()
	c.AwaitWhole()
	return c
}

func (c *Cluster) kill() {
	for _, node := range c.Nodes() {
		node.Kill()
	}
}

// withCluster makes the server a node of a cluster, with a free port for its bus.
func withCluster(s *Server) {
	_, s.bus, _ = net.SplitHostPort(freeAddr(s.t))
	s.args = append(s.args,
		"--cluster-enabled", "yes", "--cluster-port", s.bus,
		"--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10),
		"--cluster-require-full-coverage", "no",
		"--cluster-replica-validity-factor", "0", // any replica will do
		"--repl-diskless-sync-delay", "0",
	)
}

func (c *Cluster) assignSlots() {
	c.t.Helper()
	for i, m := range c.masters {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		// With different epochs from the start, the nodes need not negotiate them.
		c.must(m.do("CLUSTER", "SET-CONFIG-EPOCH", i+1))
		c.must(m.do("CLUSTER", "ADDSLOTSRANGE", first, last))
	}
}

// meet introduces each node to each other, and waits until all know all.
func (c *Cluster) meet() {
	c.t.Helper()
	nodes := c.Nodes()
	for i, node := range nodes {
		for _, other := range nodes[:i] {
			host, port, _ := net.SplitHostPort(other.addr)
			c.must(node.do("CLUSTER", "MEET", host, port, other.bus))
		}
	}
	for _, node := range nodes {
		c.await("all nodes know each other", func() bool {
			known, err := node.clusterNodes()
			return err == nil && len(known) == len(nodes) && !strings.Contains(fmt.Sprint(known), "handshake")
		})
	}
}

func (c *Cluster) replicate() {
	c.t.Helper()
	for i, replica := range c.replicas {
		id := c.masters[i].id()
		c.await("a replica follows its master", func() bool { return replica.do("CLUSTER", "REPLICATE", id).Err() == nil })
	}
	for _, replica := range c.replicas {
		c.await("a replica has what its master has", func() bool {
			info, err := replica.do("INFO", "replication").Text()
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
	}
}

// AwaitWhole waits until all running nodes agree that every slot has a running master.
func (c *Cluster) AwaitWhole() {
	c.t.Helper()
	for _, node := range c.Nodes() {
		c.await("the cluster is whole", func() bool { return !node.running() || node.seesWhole() })
	}
}

// seesWhole reports whether the node takes commands and, as far as it knows, each slot has a master and each replica is one.
func (s *Server) seesWhole() bool {
	info, err := s.do("CLUSTER", "INFO").Text()
	if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384") {
		return false
	}
	nodes, err := s.clusterNodes()
	for _, n := range nodes {
		if master := strings.Contains(n.flags, "master"); master && len(n.slots) == 0 && !strings.Contains(n.flags, "fail") {
			return false
		}
	}
	return err == nil
}

// Nodes returns the masters as they were at the start, and after them their replicas in the same order.
func (c *Cluster) Nodes() []*Server {
	return append(append([]*Server(nil), c.masters...), c.replicas...)
}

// Addrs returns the host:port of each node.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, 0, 2*masters)
	for _, node := range c.Nodes() {
		addrs = append(addrs, node.addr)
	}
	return addrs
}

// URL returns the cluster's address in the form of the setting redis.url.
func (c *Cluster) URL() string { return "redis-cluster://" + strings.Join(c.Addrs(), ",") }

// Options returns the options for a client of the cluster.
func (c *Cluster) Options() *redis.UniversalOptions {
	return &redis.UniversalOptions{Addrs: c.Addrs(), IsClusterMode: true, DialerRetries: 1}
}

// Client returns a client like that of the programs. It is closed when the test ends.
func (c *Cluster) Client(t testing.TB, change ...func(*redis.UniversalOptions)) *redis.ClusterClient {
	t.Helper()
	return newClient(t, c.Options(), change...).(*redis.ClusterClient)
}

// Slot returns the slot of a key.
func (c *Cluster) Slot(key string) int {
	c.t.Helper()
	slot, err := c.running().do("CLUSTER", "KEYSLOT", key).Int()
	if err != nil {
		c.t.Fatal(err)
	}
	return slot
}

// Master returns the current master of a key, as a running node reports it. All keys of a queue have the same master. It may
// have been killed or frozen, if no other node serves its slots.
func (c *Cluster) Master(key string) *Server {
	c.t.Helper()
	master, err := c.master(c.Slot(key))
	if err != nil {
		c.t.Fatal(err)
	}
	return master
}

func (c *Cluster) master(slot int) (*Server, error) {
	nodes, err := c.running().clusterNodes()
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if strings.Contains(n.flags, "master") && n.serves(slot) {
			return c.node(n.addr), nil
		}
	}
	return nil, fmt.Errorf("no master serves slot %d", slot)
}

// AwaitFailover waits until a node other than before serves the key, and returns that node.
func (c *Cluster) AwaitFailover(key string, before *Server) *Server {
	c.t.Helper()
	slot, now := c.Slot(key), before
	c.await("another master is elected", func() bool {
		elected, err := c.master(slot)
		if err == nil {
			now = elected
		}
		return now != before
	})
	return now
}

// node returns the node with the address.
func (c *Cluster) node(addr string) *Server {
	for _, node := range c.Nodes() {
		if node.addr == addr {
			return node
		}
	}
	c.t.Fatalf("the cluster has no node %s", addr)
	return nil
}

// running returns a node that is neither killed nor frozen.
func (c *Cluster) running() *Server {
	c.t.Helper()
	for _, node := range c.Nodes() {
		if node.running() {
			return node
		}
	}
	c.t.Fatal("no node runs")
	return nil
}

func (c *Cluster) await(what string, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	c.t.Fatalf("timed out waiting until %s", what)
}

func (c *Cluster) must(cmd *redis.Cmd) {
	c.t.Helper()
	if err := cmd.Err(); err != nil {
		c.t.Fatal(err)
	}
}

// clusterNode is a node in the view of another node.
type clusterNode struct {
	id, addr, flags string
	slots           [][2]int // first and last
}

func (n clusterNode) serves(slot int) bool {
	for _, r := range n.slots {
		if r[0] <= slot && slot <= r[1] {
			return true
		}
	}
	return false
}

// clusterNodes returns what the node knows of the nodes of its cluster.
func (s *Server) clusterNodes() ([]clusterNode, error) {
	text, err := s.do("CLUSTER", "NODES").Text()
	if err != nil {
		return nil, err
	}
	var nodes []clusterNode
	for line := range strings.Lines(text) {
		// id host:port@bus[,hostname] flags master ping pong epoch link slot...
		fields := strings.Fields(line)
		if len(fields) < 8 {
			return nil, errors.New("unknown form of CLUSTER NODES: " + line)
		}
		addr, _, _ := strings.Cut(fields[1], "@")
		nodes = append(nodes, clusterNode{fields[0], addr, fields[2], slotRanges(fields[8:])})
	}
	return nodes, nil
}

// slotRanges parses slots such as 7 or 8-9. It ignores those in brackets, which are being moved: the ranges of their owner
// include them.
func slotRanges(fields []string) [][2]int {
	var ranges [][2]int
	for _, field := range fields {
		from, to, ok := strings.Cut(field, "-")
		if !ok {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil {
			ranges = append(ranges, [2]int{first, last})
		}
	}
	return ranges
}

func (s *Server) id() string {
	s.t.Helper()
	id, err := s.do("CLUSTER", "MYID").Text()
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// do sends a command to this server alone.
func (s *Server) do(args ...any) *redis.Cmd {
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1, DisableIdentity: true})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return client.Do(ctx, args...)
}
