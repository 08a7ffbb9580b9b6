package redistest_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/redistest"
)

// linked returns a link to a server, and a client that asks once by way of it.
func linked(t *testing.T, timeout time.Duration) (*redistest.Link, *redis.Client) {
	t.Helper()
	link := redistest.StartLink(t, redistest.Start(t).Addr())
	client := redis.NewClient(&redis.Options{Addr: link.Addr(), MaxRetries: -1, ReadTimeout: timeout, WriteTimeout: timeout})
	t.Cleanup(func() { client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return link, client
}

func TestLinkCutAndMended(t *testing.T) {
	link, client := linked(t, time.Minute)
	link.Cut()
	for range 2 { // on the connection of before, and on a new one
		if err := client.Ping(t.Context()).Err(); err == nil {
			t.Error("a cut link carries")
		}
	}
	link.Mend()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after Mend: %v", err)
	}
}

func TestLinkSilencedAndMended(t *testing.T) {
	link, client := linked(t, 50*time.Millisecond)
	link.Silence()
	for range 2 {
		if err := client.Ping(t.Context()).Err(); err == nil {
			t.Error("a silent link carries")
		}
	}
	link.Mend()
	patient := client.WithTimeout(time.Minute)
	t.Cleanup(func() { patient.Close() })
	if err := patient.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after Mend: %v", err)
	}
}

func TestLinkDelaysAndLimits(t *testing.T) {
	const each = 20 * time.Millisecond
	for name, disturb := range map[string]func(*redistest.Link){
		"delay up":   func(l *redistest.Link) { l.Delay(each, 0) },
		"delay down": func(l *redistest.Link) { l.Delay(0, each) },
		"limit":      func(l *redistest.Link) { l.Limit(50 * 1000) }, // each for 1000 bytes
	} {
		t.Run(name, func(t *testing.T) {
			link, client := linked(t, time.Minute)
			disturb(link)
			begun := time.Now()
			if err := client.Set(t.Context(), "k", make([]byte, 1000), 0).Err(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took < each {
				t.Errorf("took %s, want %s at least", took, each)
			}
		})
	}
}
