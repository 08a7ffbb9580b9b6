package client

import (
	"context"
	"time"
)

// Beat tells who fires schedules.
type Beat struct {
	// Leader fires them; nil if nobody does. One that has died is shown until its lease ends.
	Leader *BeatLeader `json:"leader"`
	// Standbys would lead next.
	Standbys []BeatProcess `json:"standbys"`
	// Schedules is how many there are, and NextRunAt when the first of them is due; zero if none is.
	Schedules int       `json:"schedules"`
	NextRunAt time.Time `json:"next_run_at,omitzero"`
}

// BeatProcess is a process that fires schedules, or would.
type BeatProcess struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// BeatLeader is the process that fires schedules.
type BeatLeader struct {
	BeatProcess
	Since time.Time `json:"since"`
	Term  int64     `json:"term"` // grows with each new leader
}

// Beat asks who fires schedules.
func (c *Client) Beat(ctx context.Context) (*Beat, error) {
	return do[*Beat](ctx, c, get("/v1/beat", nil))
}
