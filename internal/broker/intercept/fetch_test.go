package intercept

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/clock"
	"github.com/backbeat-go/backbeat/internal/broker/meter"
	"github.com/backbeat-go/backbeat/internal/broker/queue"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redistest"
	"github.com/backbeat-go/backbeat/task"
)

// fetchPatience bounds what a test waits for. It is no measure of speed.
const fetchPatience = time.Minute

// puller asks an interceptor for tasks as asynq's processor does.
type puller struct {
	t           *testing.T
	interceptor *Interceptor
	client      *queue.Client
	queues      []fleet.Queue
	made        int // tasks
	log         logBuffer
}

// logBuffer is what a puller has logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func newPuller(t *testing.T, worker, enqueue redis.UniversalClient, concurrency int, names ...string) *puller {
	p := &puller{t: t}
	for _, name := range names {
		p.queues = append(p.queues, fleet.Queue{Name: name, Weight: 1})
	}
	p.client = queue.NewClient(enqueue, p.queues)
	t.Cleanup(p.client.Close)
	p.interceptor = New(worker, Config{
		Server: &wire.ServerInfo{Host: "w", ID: "w"}, Clock: clock.New(worker), Queues: p.queues, Knows: func(name string) bool { return name == "any" },
		Refused:     func(err error) { p.t.Error(err) },
		Concurrency: concurrency, Logger: slog.New(slog.NewTextHandler(&p.log, nil)), Meter: meter.None{},
	})
	t.Cleanup(func() {
		close(p.interceptor.prefetch.quit)
		p.interceptor.acks.stop()
		p.interceptor.prefetch.close()
		p.interceptor.prefetch.calls.Wait()
	})
	return p
}

func (p *puller) enqueue(queue string, n int) {
	p.t.Helper()
	for range n {
		id := fmt.Sprintf("%s-%d", queue, p.made)
		p.made++
		err := p.client.Enqueue(p.t.Context(), &task.Task{
			ID: id, Type: "any", Queue: queue, State: task.Pending, Timeout: time.Minute, CreatedAt: time.Now(),
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// pull asks all queues in turn until it has so many tasks, and ends each attempt.
func (p *puller) pull(n int) []*Attempt {
	p.t.Helper()
	var got []*Attempt
	for end := time.Now().Add(fetchPatience); len(got) < n; {
		if time.Now().After(end) {
			p.t.Fatalf("%d of %d tasks fetched; log:\n%s", len(got), n, p.log.b.String())
		}
		for _, q := range p.queues {
			if len(got) == n {
				break
			}
			if a := p.ask(q.Name); a != nil {
				a.Succeed(nil)
				got = append(got, a)
			}
		}
	}
	return got
}

func (p *puller) ask(queue string) *Attempt {
	cmd := p.interceptor.fetch(p.t.Context(), queue)
	raw, err := cmd.Text()
	if err != nil {
		return nil
	}
	m, err := wire.DecodeMessage([]byte(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.interceptor.Attempt(wire.Ref{Queue: queue, ID: m.ID})
}

// wantFirst checks that no task was fetched twice, or by a fetch whose reply got lost.
func (p *puller) wantFirst(got []*Attempt) {
	p.t.Helper()
	seen := make(map[string]bool)
	for _, a := range got {
		if seen[a.ID] || a.Number != 1 || a.crashes != 0 {
			p.t.Errorf("%s: again: %t, attempt %d, %d crashes", a.ID, seen[a.ID], a.Number, a.crashes)
		}
		seen[a.ID] = true
	}
}

func once(opts *redis.UniversalOptions) { opts.MaxRetries = -1 }

// queueOfEach returns a name of a queue for each master.
func queueOfEach(c *redistest.Cluster) []string {
	var names []string
	seen := make(map[*redistest.Server]bool)
	for i := 0; len(names) < 3; i++ {
		name := "q" + strconv.Itoa(i)
		if m := c.Master(wire.PendingKey(name)); !seen[m] {
			seen[m] = true
			names = append(names, name)
		}
	}
	return names
}

func TestFailingQueueLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := newPuller(t, rdb, rdb, 30, "a", "b", "c")
	if err := rdb.Set(t.Context(), wire.PendingKey("b"), "no list", 0).Err(); err != nil {
		t.Fatal(err)
	}
	p.enqueue("a", 20)
	p.enqueue("c", 20)
	p.wantFirst(p.pull(40))
	rdb.Del(t.Context(), wire.PendingKey("b"))
	p.enqueue("b", 10)
	p.wantFirst(p.pull(10))
	if n := p.log.count("level=WARN"); n != 1 {
		t.Errorf("%d warnings of one outage", n)
	}
}

func TestMasterThatIsAwayLeavesOtherQueuesAlone(t *testing.T) {
	for name, fail := range map[string]struct{ begin, end func(*redistest.Server) }{
		"killed": {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"hangs":  {(*redistest.Server).Freeze, (*redistest.Server).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := redistest.StartCluster(t)
			names := queueOfEach(c)
			p := newPuller(t, c.Client(t, once), c.Client(t), 16, names...)
			for _, q := range names {
				p.enqueue(q, 1)
			}
			p.wantFirst(p.pull(3)) // all connections are open
			for _, q := range names[1:] {
				p.enqueue(q, 40)
			}
			node := c.Master(wire.PendingKey(names[0]))
			fail.begin(node)
			p.interceptor.prefetch.wake("")
			p.wantFirst(p.pull(80))
			fail.end(node)
			c.AwaitWhole()
			p.enqueue(names[0], 10)
			p.pull(10)
			if n := p.log.count("level=WARN msg=\"no tasks fetched"); n > 1 { // none, if a node that hangs goes on in time
				t.Errorf("%d warnings of one outage:\n%s", n, p.log.b.String())
			}
		})
	}
}

func TestSlotThatMovesLeavesOtherQueuesAlone(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	names := queueOfEach(c)
	p := newPuller(t, c.Client(t, once), c.Client(t), 16, names...)
	for _, q := range names {
		p.enqueue(q, 20)
	}
	move := c.Migrate(wire.PendingKey(names[0]))
	if move.Move(10) != 10 {
		t.Fatal("no keys moved")
	}
	p.wantFirst(p.pull(40))
	move.End()
	p.wantFirst(p.pull(20))
}

func TestTaskWhoseKeyIsNoHashIsDroppedAlone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := newPuller(t, rdb, rdb, 8, "a")
	p.enqueue("a", 30)
	key := wire.TaskKey("a", "a-7")
	rdb.Del(t.Context(), key)
	if err := rdb.Set(t.Context(), key, "no task", 0).Err(); err != nil {
		t.Fatal(err)
	}
	p.wantFirst(p.pull(29))
	if n := rdb.LLen(t.Context(), wire.PendingKey("a")).Val(); n != 0 {
		t.Errorf("%d tasks stay pending", n)
	}
	if p.log.count("a-7") != 1 {
		t.Errorf("the log does not name the task:\n%s", p.log.b.String())
	}
}

// What cannot be fetched because of the queue's own keys stays, and is fetched when it can be.
func TestTasksThatCannotBeFetchedStay(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := newPuller(t, rdb, rdb, 8, "a")
	p.enqueue("a", 20)
	if err := rdb.Set(t.Context(), wire.LeaseKey("a"), "no set", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for p.log.count("level=WARN") == 0 {
		if p.ask("a") != nil {
			t.Fatal("a task without a lease was handed out")
		}
	}
	if n := rdb.LLen(t.Context(), wire.PendingKey("a")).Val(); n != 20 {
		t.Errorf("%d of 20 tasks are pending", n)
	}
	rdb.Del(t.Context(), wire.LeaseKey("a"))
	p.pull(20)
}

func TestFullRedisStillHandsOutTasks(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := newPuller(t, rdb, rdb, 8, "a")
	p.enqueue("a", 20)
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	p.wantFirst(p.pull(20))
}

// A worker takes no more slow tasks than it has slots for.
func TestSlowTasksAreNotFetchedAhead(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := newPuller(t, rdb, rdb, 64, "a")
	p.enqueue("a", 128)
	for got := 0; got < 64; {
		if p.ask("a") != nil { // and none ends
			got++
		}
	}
	p.interceptor.prefetch.calls.Wait()
	if n := rdb.LLen(t.Context(), wire.ActiveKey("a")).Val(); n != 64 {
		t.Errorf("a worker with 64 slots took %d tasks", n)
	}
}

func TestPaceCountsQuickAttemptsOfLate(t *testing.T) {
	var p pace
	begin := time.Now()
	at := begin.Add
	ran := func(d time.Duration, end time.Time) *Attempt { return &Attempt{begunAt: end.Add(-d), endedAt: end} }
	p.add(ran(time.Millisecond, at(0)))
	p.add(ran(time.Millisecond, at(paceWindow/2)))
	p.add(ran(2*quickRun, at(paceWindow/2)))
	p.add(&Attempt{endedAt: at(paceWindow / 2)}) // never begun
	for d, want := range map[time.Duration]int{0: 2, paceWindow - 1: 2} {
		if n := p.recent(at(d)); n != want {
			t.Errorf("%d recent ends after %s, want %d", n, d, want)
		}
	}
	p.add(ran(0, at(paceWindow)))
	if n := p.recent(at(paceWindow)); n != 3 {
		t.Errorf("%d recent ends over two windows, want 3", n)
	}
	if n := p.recent(at(4 * paceWindow)); n != 0 {
		t.Errorf("%d recent ends long after, want 0", n)
	}
}

func commands(t *testing.T, rdb *redis.Client) int {
	t.Helper()
	_, rest, _ := strings.Cut(rdb.Info(t.Context(), "stats").Val(), "total_commands_processed:")
	text, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Idle queues, and a paused one that is full, cost a few commands a second however many there are, and tasks of clients that
// wake nobody are found.
func TestIdleQueuesCostNothing(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	names := make([]string, 100)
	for i := range names {
		names[i] = "q" + strconv.Itoa(i)
	}
	p := newPuller(t, rdb, rdb, 8, names...)
	p.enqueue("q7", 1)
	if err := p.client.Pause(t.Context(), "q7"); err != nil {
		t.Fatal(err)
	}
	for p.interceptor.prefetch.anyReady() {
		for _, name := range names {
			p.ask(name)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	before := commands(t, rdb)
	for ctx.Err() == nil {
		p.ask("q0")
	}
	if n := commands(t, rdb) - before; n > 30 {
		t.Errorf("%d commands in 1.5 s", n)
	}
	p.enqueue("q42", 1)
	rdb.Del(t.Context(), wire.PausedKey("q7")) // as asynqmon resumes a queue
	p.wantFirst(p.pull(2))
}
