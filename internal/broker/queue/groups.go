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

const (
	// firstScan and setsScan are scans of groups.lua: the first, and that of the aggregation sets. All others are cursors of
	// Redis.
	firstScan = "0"
	setsScan  = "sets"
)

// groupPlace is a place among the groups of a queue.
type groupPlace struct {
	Scan  string `json:"c,omitempty"` // of groups.lua
	Group string `json:"g,omitempty"` // or an aggregation set
	Done  string `json:"d,omitempty"` // marks of the groups of the scan up to this one
}

// groupEntries reads on in the groups of a queue. It finds the position in its group from an entry on that is there or before it.
func (c *Client) groupEntries(ctx context.Context, queue string, at position, from entry, n int64) ([]entry, error) {
	place := groupPlace{Scan: firstScan}
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
		reply, err := c.readGroups(ctx, queue, place, n)
		if err != nil {
			return nil, err
		}
		if entries := groupEntriesOf(reply[1:], place); len(entries) > 0 {
			return entries, nil
		}
		place = groupPlace{Scan: reply[0]}
	}
	return nil, nil
}

func (c *Client) readGroups(ctx context.Context, queue string, place groupPlace, n int64) ([]string, error) {
	keys := []string{wire.GroupsKey(queue), wire.SetsKey(queue)}
	reply, err := script.GroupsScript.Run(ctx, c.rdb, queue, keys, place.Scan, place.Done, n).StringSlice()
	return reply, redisconn.Coded(err)
}

// groupEntriesOf makes entries of what groups.lua found after a place.
func groupEntriesOf(values []string, place groupPlace) []entry {
	var entries []entry
	for i := 0; i+4 < len(values); i += 5 {
		if values[i] != place.Scan {
			place = groupPlace{Scan: values[i]}
		}
		if values[i+1] != place.Group {
			place.Group = values[i+1]
			place.Done += values[i+2]
		}
		score, _ := strconv.ParseFloat(values[i+4], 64) // Redis says so
		entries = append(entries, entry{groupPlace: place, ID: values[i+3], Score: score})
	}
	return entries
}

// isScan reports whether groups.lua takes the scan, which may come from a cursor that somebody made up.
func isScan(scan string) bool {
	_, err := strconv.ParseUint(scan, 10, 64)
	return err == nil || scan == setsScan
}

// countAggregating counts the tasks in the groups of a queue.
func (c *Client) countAggregating(ctx context.Context, queue string) (int, error) {
	n := 0
	for scan := firstScan; scan != ""; {
		reply, err := c.readGroups(ctx, queue, groupPlace{Scan: scan}, 0)
		if err != nil {
			return 0, err
		}
		n += atoi(reply[1])
		scan = reply[0]
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
