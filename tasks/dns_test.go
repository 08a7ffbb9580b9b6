package tasks_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server that answers each question for a name with the next of its lists of IPv4 addresses; the
// last one stays. It does not know other names.
type nameServer struct {
	conn net.PacketConn
	done chan struct{}

	mu    sync.Mutex
	names map[string][][]string
}

// resolveWith makes this process ask a new nameServer until the test ends.
func resolveWith(t *testing.T, names map[string][][]string) {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, done: make(chan struct{}), names: names}
	go s.serve()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		conn.Close()
		<-s.done
	})
}

func (s *nameServer) serve() {
	defer close(s.done)
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var question dnsmessage.Message
		if question.Unpack(buf[:n]) != nil || len(question.Questions) != 1 {
			continue
		}
		if answer, err := s.answer(question); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

func (s *nameServer) answer(m dnsmessage.Message) ([]byte, error) {
	q := m.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RCode: dnsmessage.RCodeNameError},
		Questions: m.Questions,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if lists := s.names[q.Name.String()]; len(lists) > 0 {
		answer.RCode = dnsmessage.RCodeSuccess
		if q.Type == dnsmessage.TypeA {
			for _, address := range lists[0] {
				answer.Answers = append(answer.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
				})
			}
			if len(lists) > 1 {
				s.names[q.Name.String()] = lists[1:]
			}
		}
	}
	return answer.Pack()
}
