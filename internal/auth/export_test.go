package auth

import "time"

// Pace sets when a key set is fetched, for tests that cannot wait as long as New does.
type Pace struct {
	Refresh, Retry, Gap, Timeout time.Duration
	Now                          func() time.Time
}

// NewWithPace is New with another pace.
func NewWithPace(cfg Config, p Pace) (*Authenticator, error) {
	return newAuthenticator(cfg, pace{refresh: p.Refresh, retry: p.Retry, gap: p.Gap, timeout: p.Timeout, now: p.Now})
}
