package redistest

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link forwards connections to a server, and can cut, silence, delay and slow them.
type Link struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu             sync.Mutex
	cut, silent    bool
	delayUp        time.Duration
	delayDown      time.Duration
	upBytesEachSec int // 0: as fast as they come
	open           map[*connection]bool
}

// StartLink starts a link to an address. It is closed when the test ends.
func StartLink(t testing.TB, target string) *Link {
	t.Helper()
	l, err := NewLink(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// NewLink starts a link to an address. It must be closed with Close.
func NewLink(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{target: target, listener: listener, open: make(map[*connection]bool)}
	l.running.Go(l.accept)
	return l, nil
}

// Addr returns the link's host:port.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Cut resets all connections and, until Mend, each new one.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.open {
		c.reset()
	}
}

// Silence keeps the connections open, but drops all data in both directions. It affects open connections until they end, and
// new ones until Mend.
func (l *Link) Silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = true
	for c := range l.open {
		c.silent.Store(true)
	}
}

// Mend ends Cut and Silence.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.silent = false, false
}

// Delay sets the delay of data to the server (up) and to its clients (down).
func (l *Link) Delay(up, down time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delayUp, l.delayDown = up, down
}

// Limit sets how many bytes a second each connection carries to the server.
func (l *Link) Limit(bytesEachSec int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.upBytesEachSec = bytesEachSec
}

// Close ends the link and its connections. Closing it twice is no error.
func (l *Link) Close() {
	_ = l.listener.Close()
	l.Cut()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.connect(near) })
	}
}

func (l *Link) connect(near net.Conn) {
	far, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = near.Close()
		return
	}
	c := &connection{near: near, far: far, ended: make(chan struct{})}
	if !l.add(c) {
		c.reset()
		return
	}
	var copying sync.WaitGroup
	copying.Go(func() { c.carry(far, near, l.upward) })
	copying.Go(func() { c.carry(near, far, l.downward) })
	copying.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

func (l *Link) add(c *connection) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	c.silent.Store(l.silent)
	l.open[c] = true
	return true
}

// upward returns how much later n bytes for the server arrive, and how long they take.
func (l *Link) upward(n int) (later, takes time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upBytesEachSec > 0 {
		takes = time.Duration(n) * time.Second / time.Duration(l.upBytesEachSec)
	}
	return l.delayUp, takes
}

func (l *Link) downward(int) (later, takes time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delayDown, 0
}

// connection is one of a client with the server, by way of a link.
type connection struct {
	near, far net.Conn
	silent    atomic.Bool
	closing   sync.Once
	ended     chan struct{} // closed with the connection
}

func (c *connection) close() {
	c.closing.Do(func() {
		_ = c.near.Close()
		_ = c.far.Close()
		close(c.ended)
	})
}

// reset closes the connection with an error to its client.
func (c *connection) reset() {
	if tcp, ok := c.near.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.close()
}

// chunk is what one read has brought.
type chunk struct {
	data  []byte
	due   time.Time     // when it may be passed on
	takes time.Duration // how long that takes
}

// carry passes on what it reads until either side ends.
func (c *connection) carry(to, from net.Conn, pace func(n int) (later, takes time.Duration)) {
	chunks := make(chan chunk, 64)
	var writing sync.WaitGroup
	writing.Go(func() { c.write(to, chunks) })
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			later, takes := pace(n)
			select {
			case chunks <- chunk{slices.Clone(buf[:n]), time.Now().Add(later), takes}:
			case <-c.ended:
			}
		}
		if err != nil {
			break
		}
	}
	close(chunks)
	writing.Wait()
}

func (c *connection) write(to net.Conn, chunks <-chan chunk) {
	defer c.close()
	for chunk := range chunks {
		if wait := max(0, time.Until(chunk.due)) + chunk.takes; wait > 0 {
			select {
			case <-time.After(wait):
			case <-c.ended:
				return
			}
		}
		if c.silent.Load() {
			continue
		}
		if _, err := to.Write(chunk.data); err != nil {
			return
		}
	}
}
