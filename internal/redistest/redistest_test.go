package redistest_test

import (
	"context"
	"testing"
	"time"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

func TestKillAndRestart(t *testing.T) {
	tests := []struct {
		name string
		opts []redistest.Option
		want string
	}{
		{"without persistence", nil, ""},
		{"with an append-only file", []redistest.Option{redistest.WithAOF()}, "v"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := redistest.Start(t, tt.opts...)
			c := s.Client(t)
			if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			s.Kill()
			if err := c.Ping(t.Context()).Err(); err == nil {
				t.Error("a killed server answers")
			}
			s.Restart()
			if got := c.Get(t.Context(), "k").Val(); got != tt.want {
				t.Errorf("after the restart k is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFreezeAndThaw(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(t)
	s.Freeze()
	answered := make(chan error, 1)
	go func() { answered <- c.Ping(context.WithoutCancel(t.Context())).Err() }()
	select {
	case err := <-answered:
		t.Errorf("a frozen server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.Thaw()
	if err := <-answered; err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}
