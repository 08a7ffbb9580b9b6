package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hibiken/asynq"

	"github.com/backbeat-go/backbeat/internal/task"
)

// Workers tells which workers live, stock asynq servers included, and what they run, as of their last
// heartbeat: every 5 s. A worker that died is told of for up to 10 s more.
func (c *Client) Workers(ctx context.Context) ([]task.WorkerStatus, error) {
	// asynq's inspector takes no context, and hides a lost connection behind an empty list.
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	servers, err := c.inspector.Servers()
	if err != nil {
		return nil, wrap(err)
	}
	workers := make([]task.WorkerStatus, len(servers))
	for i, s := range servers {
		workers[i] = workerStatus(s)
	}
	slices.SortFunc(workers, func(a, b task.WorkerStatus) int { return strings.Compare(a.ID, b.ID) })
	return workers, nil
}

func workerStatus(s *asynq.ServerInfo) task.WorkerStatus {
	w := task.WorkerStatus{
		ID:          workerID(s.Host, s.PID),
		Host:        s.Host,
		PID:         s.PID,
		Queues:      s.Queues,
		Concurrency: s.Concurrency,
		StartedAt:   s.Started,
	}
	for _, r := range s.ActiveWorkers {
		w.Running = append(w.Running, task.RunningTask{
			ID: r.TaskID, Type: r.TaskType, Queue: r.Queue, StartedAt: r.Started,
		})
	}
	slices.SortFunc(w.Running, func(a, b task.RunningTask) int { return a.StartedAt.Compare(b.StartedAt) })
	return w
}

func workerID(host string, pid int) string { return fmt.Sprintf("%s:%d", host, pid) }
