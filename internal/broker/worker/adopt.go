package worker

import (
	"context"
	"time"

	"github.com/backbeat-go/backbeat/internal/broker/script"
)

const (
	// adoptInterval is how often a maintainer looks for tasks that stock servers and tools have archived.
	adoptInterval = 5 * time.Second
	// adoptAge is for how long a task must have been archived before it is looked at.
	adoptAge = 2 * time.Second
	// lateAge is the same for a second look, at what machines with slow clocks archive among older tasks.
	lateAge = 2 * time.Hour
	// lateRounds is how many rounds there are between two of those.
	lateRounds = 20
)

// adopt gives tasks of a queue that others have archived an end of their retention.
func (m *maintainer) adopt(ctx context.Context, u *upkeep) (time.Duration, error) {
	err := script.AdoptAll(ctx, m.rdb, u.name, adoptAge)
	if u.adoptions++; err == nil && u.adoptions%lateRounds == 1 {
		err = script.AdoptAll(ctx, m.rdb, u.name, lateAge)
	}
	return -1, err
}
