package startstop_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backbeat-go/backbeat/internal/startstop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what is over at once.
const patience = 30 * time.Second

func newSequence() *startstop.Sequence {
	return startstop.NewSequence(patience, slog.New(slog.DiscardHandler))
}

// record notes what starts and stops.
type record struct {
	mu     sync.Mutex
	events []string
}

func (r *record) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *record) want(t *testing.T, want string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.events, " "); got != want {
		t.Errorf("it did %q, want %q", got, want)
	}
}

// service starts with an error, nil for none.
func (r *record) service(name string, err error) startstop.Service {
	return startstop.New(func(context.Context) error {
		r.note("+" + name)
		return err
	}, func(context.Context) { r.note("-" + name) })
}

func TestSequenceStopsInReverse(t *testing.T) {
	var r record
	s := newSequence()
	s.Add("a", r.service("a", nil))
	s.Add("b", startstop.New(func(context.Context) error {
		s.Add("c", r.service("c", nil)) // behind itself
		return nil
	}, nil))
	for range 2 {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s.Stop(t.Context())
	}
	r.want(t, "+a +c -c -a")
	if err := s.Start(t.Context()); !errors.Is(err, startstop.ErrStopped) {
		t.Errorf("Start after Stop: %v", err)
	}
}

func TestFailedStartStopsEverything(t *testing.T) {
	var r record
	s := newSequence()
	s.Add("a", r.service("a", nil))
	s.Add("b", r.service("b", errors.New("no luck")))
	s.Add("c", r.service("c", nil))
	for range 2 {
		if err := s.Start(t.Context()); err == nil || err.Error() != "start b: no luck" {
			t.Errorf("Start returns %v", err)
		}
	}
	r.want(t, "+a +b -c -b -a")
	s.Stop(t.Context())
	r.want(t, "+a +b -c -b -a")
}

func TestStopBeforeStart(t *testing.T) {
	var r record
	s := newSequence()
	s.Add("a", r.service("a", nil))
	s.Stop(t.Context())
	if err := s.Start(t.Context()); !errors.Is(err, startstop.ErrStopped) {
		t.Errorf("Start returns %v", err)
	}
	r.want(t, "-a")
}

func TestStopDuringStart(t *testing.T) {
	var r record
	starting := make(chan struct{})
	s := newSequence()
	s.Add("a", r.service("a", nil))
	s.Add("b", startstop.New(func(ctx context.Context) error {
		close(starting)
		<-ctx.Done()
		r.note("+b")
		return ctx.Err()
	}, func(context.Context) { r.note("-b") }))
	s.Add("c", r.service("c", nil))
	started := make(chan error, 1)
	go func() { started <- s.Start(t.Context()) }()
	<-starting
	s.Stop(t.Context())
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("Start returns %v", err)
	}
	r.want(t, "+a +b -c -b -a")
}

func TestRacingStops(t *testing.T) {
	var stops atomic.Int32
	ended := false // without a lock: each Stop returns after the write
	s := newSequence()
	s.Add("a", startstop.New(nil, func(context.Context) {
		stops.Add(1)
		ended = true
	}))
	var racing sync.WaitGroup
	for range 8 {
		racing.Go(func() {
			_ = s.Start(t.Context())
		})
		racing.Go(func() {
			s.Stop(t.Context())
			if !ended {
				t.Error("a Stop returned before it had stopped")
			}
		})
	}
	racing.Wait()
	if n := stops.Load(); n != 1 {
		t.Errorf("it was stopped %d times", n)
	}
}

// A service that does not end keeps neither Stop nor the services before it.
func TestStopIsBounded(t *testing.T) {
	hangs := make(chan struct{})
	t.Cleanup(func() { close(hangs) })
	stopped := make(chan struct{})
	s := startstop.NewSequence(10*time.Millisecond, slog.New(slog.DiscardHandler))
	s.Add("first", startstop.Closer(func() { close(stopped) }))
	s.Add("hangs", startstop.Closer(func() { <-hangs }))
	s.Add("hangs too", startstop.Background(func(context.Context) { <-hangs }))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Stop(t.Context())
	<-stopped
}

// What runs is not ended by the context of Start.
func TestBackgroundRunsUntilStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	running, ended := make(chan struct{}), make(chan struct{})
	b := startstop.Background(func(ctx context.Context) {
		close(running)
		<-ctx.Done()
		close(ended)
	})
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-running
	cancel()
	select {
	case <-ended:
		t.Fatal("it ended before Stop")
	default:
	}
	b.Stop(t.Context())
	<-ended
}

func TestRun(t *testing.T) {
	fails := errors.New("no luck")
	for name, tt := range map[string]struct {
		end  func(s *startstop.Sequence, cancel func())
		want error
	}{
		"the context ends":   {func(_ *startstop.Sequence, cancel func()) { cancel() }, nil},
		"Stop is called":     {func(s *startstop.Sequence, _ func()) { s.Stop(context.Background()) }, nil},
		"a service fails":    {func(s *startstop.Sequence, _ func()) { s.Fail(fails); s.Fail(errors.New("again")) }, fails},
		"all that and twice": {func(s *startstop.Sequence, cancel func()) { cancel(); s.Stop(context.Background()) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var r record
			s := newSequence()
			s.Add("a", r.service("a", nil))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ready, ended := make(chan struct{}), make(chan error, 1)
			go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
			<-ready
			if err := s.Run(ctx, func() { t.Error("it is ready twice") }); err == nil {
				t.Error("it runs twice")
			}
			tt.end(s, cancel)
			if err := <-ended; !errors.Is(err, tt.want) {
				t.Errorf("Run returns %v", err)
			}
			r.want(t, "+a -a")
		})
	}
}

func TestRunThatIsToldToStopBeforeItHasStarted(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, before := range []func(s *startstop.Sequence) context.Context{
		func(*startstop.Sequence) context.Context { return canceled },
		func(s *startstop.Sequence) context.Context { s.Stop(t.Context()); return t.Context() },
	} {
		var r record
		s := newSequence()
		s.Add("a", r.service("a", nil))
		if err := s.Run(before(s), func() { t.Error("it is ready") }); err != nil {
			t.Errorf("Run returns %v", err)
		}
		r.want(t, "-a")
	}
	s := newSequence()
	s.Add("a", (&record{}).service("a", errors.New("no luck")))
	if err := s.Run(t.Context(), func() {}); err == nil || !slices.Contains(strings.Fields(err.Error()), "luck") {
		t.Errorf("Run returns %v", err)
	}
}
