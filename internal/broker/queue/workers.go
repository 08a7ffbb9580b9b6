package queue

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/backbeat-go/backbeat/internal/broker/wire"
	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/internal/redisconn"
)

const (
	// maxWorkers is how many workers are listed, and looked for among the newest entries.
	maxWorkers = 10_000
	// workersBatch is how many are read at once: what they run comes with its payloads.
	workersBatch = 50
)

// Workers tells which workers live, stock asynq servers included, and what they run, as of their last
// heartbeat: every 5 s. A worker that died is told of for up to 10 s more, until Redis drops what it wrote of itself: no
// clock but that of Redis counts. An entry that nobody can read is left out. Nothing is written. Errors: CodeUnavailable.
func (c *Client) Workers(ctx context.Context) ([]fleet.WorkerStatus, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	keys, err := c.rdb.ZRevRange(ctx, wire.AsynqServers, 0, maxWorkers-1).Result()
	if err != nil {
		return nil, redisconn.Coded(err)
	}
	workers := make([]fleet.WorkerStatus, 0)
	for batch := range slices.Chunk(keys, workersBatch) {
		some, err := c.workersAt(ctx, batch)
		if err != nil {
			return nil, redisconn.Coded(err)
		}
		workers = append(workers, some...)
	}
	slices.SortFunc(workers, func(a, b fleet.WorkerStatus) int { return strings.Compare(a.ID, b.ID) })
	return workers, nil
}

// workersAt reads what servers wrote under the keys.
func (c *Client) workersAt(ctx context.Context, keys []string) ([]fleet.WorkerStatus, error) {
	infos, running := make([]*redis.StringCmd, len(keys)), make([]*redis.StringSliceCmd, len(keys))
	// An error of one command is looked at below.
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			infos[i] = p.Get(ctx, key)
			running[i] = p.HVals(ctx, wire.RunningKeyOf(key))
		}
		return nil
	})
	var workers []fleet.WorkerStatus
	for i, key := range keys {
		if err := errors.Join(unanswered(infos[i].Err()), unanswered(running[i].Err())); err != nil {
			return nil, err
		}
		info, err := wire.DecodeServerInfo([]byte(infos[i].Val()))
		if err == nil && wire.ServerKey(info.Name()) == key { // it is not where the server is gone
			workers = append(workers, workerStatus(info, running[i].Val()))
		}
	}
	return workers, nil
}

// unanswered returns the error unless it says only that there is no such key, or one of another type.
func unanswered(err error) error {
	if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") {
		return nil
	}
	return err
}

func workerStatus(s *wire.ServerInfo, running []string) fleet.WorkerStatus {
	w := fleet.WorkerStatus{
		ID:          wire.WorkerID(s),
		Host:        s.Host,
		PID:         s.PID,
		Queues:      s.Queues,
		Concurrency: s.Concurrency,
		StartedAt:   s.StartedAt,
	}
	for _, data := range running {
		if r, err := wire.DecodeRunningInfo([]byte(data)); err == nil && r.TaskID != "" {
			w.Running = append(w.Running, fleet.RunningTask{
				ID: r.TaskID, Type: r.Type, Queue: r.Queue, StartedAt: r.StartedAt,
			})
		}
	}
	slices.SortFunc(w.Running, func(a, b fleet.RunningTask) int { return a.StartedAt.Compare(b.StartedAt) })
	return w
}
