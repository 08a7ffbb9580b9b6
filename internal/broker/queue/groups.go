package queue

import (
	"context"
	"strconv"

	"github.com/backbeat-go/backbeat/internal/broker/script"
	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

// asynq keeps the tasks of a group in a sorted set of the group, and those of which a server is making one task in an
// aggregation set. All of them are aggregating. groups.lua goes through these sets.

// groupPlace is a place among the groups of a queue.
type groupPlace struct {
	Scan  string `json:"c,omitempty"` // of groups.lua
	Group string `json:"g,omitempty"` // or an aggregation set
	Done  string `json:"d,omitempty"` // marks of the groups of the scan up to this one
}

// groupEntries reads on in the groups of a queue. It finds the position in its group from an entry on that is there or before it.
func (c *Client) groupEntries(ctx context.Context, queue string, at position, from entry, n int64) ([]entry, error) {
	place := groupPlace{Scan: script.FirstScan}
	if at.started {
		place = at.groupPlace
		if from.Group != place.Group {
			from = at.entry
		}
		entries, err := c.setEntries(ctx, wire.GroupKey(queue, place.Group), at, from, n)
		for i := range entries {
			entries[i].groupPlace = place
		}
		if err != nil || len(entries) > 0 {
			return entries, err
		}
	}
	for place.Scan != "" {
		tasks, next, err := script.GroupedTasks(ctx, c.rdb, queue, place.Scan, place.Done, n)
		if err != nil {
			return nil, redisconn.Coded(err)
		}
		if len(tasks) > 0 {
			return groupEntriesOf(tasks, place), nil
		}
		place = groupPlace{Scan: next}
	}
	return nil, nil
}

// groupEntriesOf makes entries of tasks that were found after a place.
func groupEntriesOf(tasks []script.GroupedTask, place groupPlace) []entry {
	entries := make([]entry, len(tasks))
	for i, t := range tasks {
		if t.Scan != place.Scan {
			place = groupPlace{Scan: t.Scan}
		}
		if t.Group != place.Group {
			place.Group = t.Group
			place.Done += t.Mark
		}
		entries[i] = entry{groupPlace: place, ID: t.ID, Score: t.Score}
	}
	return entries
}

// isScan reports whether groups.lua takes the scan, which may come from a cursor that somebody made up.
func isScan(scan string) bool {
	_, err := strconv.ParseUint(scan, 10, 64)
	return err == nil || scan == script.SetsScan
}

// countAggregating counts the tasks in the groups of a queue.
func (c *Client) countAggregating(ctx context.Context, queue string) (int, error) {
	n := 0
	for scan := script.FirstScan; scan != ""; {
		some, next, err := script.CountGrouped(ctx, c.rdb, queue, scan)
		if err != nil {
			return 0, redisconn.Coded(err)
		}
		n += some
		scan = next
	}
	return n, nil
}

// setAggregating counts the aggregating tasks of those queues that have groups.
func (c *Client) setAggregating(ctx context.Context, statuses []fleet.QueueStatus, reads []queueRead) error {
	for i := range statuses {
		if reads[i].groups.Val() == 0 {
			continue
		}
		var err error
		if statuses[i].Aggregating, err = c.countAggregating(ctx, statuses[i].Name); err != nil {
			return err
		}
	}
	return nil
}
