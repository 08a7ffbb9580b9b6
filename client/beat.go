package client

import (
	"context"
	"time"
)

// Beat is the state of the beats, the processes that fire schedules.
type Beat struct {
	// Leader fires the schedules; nil if no beat leads. A dead leader is included until its lease ends.
	Leader *BeatLeader `json:"leader"`
	// Standbys take over if the leader dies.
	Standbys []BeatProcess `json:"standbys"`
	// Schedules is the number of schedules.
	Schedules int `json:"schedules"`
	// NextRunAt is the next time at which a schedule is due; zero if none is.
	NextRunAt time.Time `json:"next_run_at,omitzero"`
}

// BeatProcess is a leader or a standby.
type BeatProcess struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// BeatLeader is the beat that fires schedules.
type BeatLeader struct {
	BeatProcess
	Since time.Time `json:"since"`
	Term  int64     `json:"term"` // increases with each new leader
}

// Beat returns the leader and the standbys of the beats.
func (c *Client) Beat(ctx context.Context) (*Beat, error) {
	return do[*Beat](ctx, c, get("/v1/beat", nil))
}
