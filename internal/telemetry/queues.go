package telemetry

import (
	"context"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backbeat-go/backbeat/internal/fleet"
	"github.com/backbeat-go/backbeat/task"
)

const (
	// maxForeignQueues is the most unknown queues with a label value of their own. Any client of Redis can create any
	// number of queues.
	maxForeignQueues = 100
	maxQueueName     = 128 // bytes
)

// queueCollector reads the state of the queues from Redis at each scrape.
type queueCollector struct {
	known    []string
	read     func(context.Context) ([]fleet.QueueStatus, error)
	up       *prometheus.Desc
	tasks    *prometheus.Desc
	archived *prometheus.Desc
	oldest   *prometheus.Desc
	paused   *prometheus.Desc

	mu      sync.Mutex
	foreign map[string]bool // unknown queues that keep a label value of their own
}

// WatchQueues reports the state of the queues at each scrape, or that Redis is unavailable if read returns an error. read
// must return when its context ends.
func (m *Metrics) WatchQueues(read func(context.Context) ([]fleet.QueueStatus, error)) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.registry.MustRegister(&queueCollector{
		known:    m.kinds.queues,
		read:     read,
		foreign:  make(map[string]bool),
		up:       desc("backbeat_redis_up", "Whether Redis replied during this scrape."),
		tasks:    desc("backbeat_queue_tasks", "Tasks in a queue, by state.", "queue", "state"),
		archived: desc("backbeat_queue_archived_tasks", "Tasks in asynq's archive: failed, canceled and expired ones.", "queue"),
		oldest:   desc("backbeat_queue_oldest_pending_age_seconds", "Waiting time of the oldest pending task; 0 if there is none.", "queue"),
		paused:   desc("backbeat_queue_paused", "Whether the queue is paused.", "queue"),
	})
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.tasks, c.archived, c.oldest, c.paused} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ctx, cancel := withReadTimeout()
	defer cancel()
	queues, err := c.read(ctx)
	gauge(c.up, number(err == nil))
	if err != nil {
		return // the metric shows it, and failed requests are logged
	}
	for name, q := range c.byLabel(queues) {
		for state, n := range map[task.State]int{
			task.Scheduled: q.Scheduled, task.Pending: q.Pending, task.Running: q.Running, task.Retrying: q.Retrying, task.Aggregating: q.Aggregating,
			task.Succeeded: q.Succeeded, task.Failed: q.Failed, task.Canceled: q.Canceled, task.Expired: q.Expired,
		} {
			gauge(c.tasks, float64(n), name, string(state))
		}
		gauge(c.archived, float64(q.Archived), name)
		gauge(c.oldest, q.Latency.Seconds(), name)
		gauge(c.paused, number(q.Paused), name)
	}
}

// byLabel returns the queues by label value, with the sum of those without a value of their own.
func (c *queueCollector) byLabel(queues []fleet.QueueStatus) map[string]fleet.QueueStatus {
	sums := make(map[string]fleet.QueueStatus, len(queues))
	for _, q := range queues {
		label := c.label(q.Name)
		sums[label] = sum(sums[label], q)
	}
	return sums
}

func (c *queueCollector) label(queue string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.known, queue) || c.foreign[queue] {
		return queue
	}
	if len(c.foreign) == maxForeignQueues || len(queue) > maxQueueName || !utf8.ValidString(queue) {
		return other
	}
	c.foreign[queue] = true
	return queue
}

func sum(a, b fleet.QueueStatus) fleet.QueueStatus {
	return fleet.QueueStatus{
		Paused:  a.Paused || b.Paused,
		Pending: a.Pending + b.Pending, Running: a.Running + b.Running, Scheduled: a.Scheduled + b.Scheduled,
		Aggregating: a.Aggregating + b.Aggregating, Retrying: a.Retrying + b.Retrying, Failed: a.Failed + b.Failed, Canceled: a.Canceled + b.Canceled,
		Expired: a.Expired + b.Expired, Succeeded: a.Succeeded + b.Succeeded, Archived: a.Archived + b.Archived,
		Latency: max(a.Latency, b.Latency),
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
