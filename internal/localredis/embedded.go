package localredis

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// clockStep is the interval at which the clock of miniredis is advanced. Otherwise its keys would not expire.
const clockStep = 100 * time.Millisecond

// StartEmbedded starts miniredis on a loopback port, with a random password.
func StartEmbedded() (*Server, error) {
	m := miniredis.NewMiniRedis()
	password := rand.Text()
	m.RequireAuth(password)
	if err := m.Start(); err != nil {
		return nil, err
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { driveClock(m, quit) })
	return &Server{
		url: "redis://:" + password + "@" + m.Addr() + "/0",
		stop: func() {
			close(quit)
			wg.Wait()
			m.Close()
		},
	}, nil
}

func driveClock(m *miniredis.Miniredis, quit <-chan struct{}) {
	tick := time.NewTicker(clockStep)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-quit:
			return
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
