package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backbeat-go/backbeat/task"
)

var (
	runBuckets  = []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
	waitBuckets = []float64{.001, .005, .025, .1, .5, 1, 5, 15, 60, 300, 1800, 7200}
)

// endCounters count the finished tasks of a kind by state.
type endCounters map[task.State]prometheus.Counter

func newEndCounters(ended *prometheus.CounterVec) func(kind) endCounters {
	return func(k kind) endCounters {
		counters := endCounters{}
		for _, state := range task.States {
			if state.Terminal() {
				counters[state] = ended.WithLabelValues(k.taskType, k.queue, string(state))
			}
		}
		return counters
	}
}

// Client holds the metrics of a program that enqueues tasks. It also counts the tasks that finish without a worker.
type Client struct {
	enqueued byKind[prometheus.Counter]
	refused  *prometheus.CounterVec
	ended    byKind[endCounters]
}

// Client returns the metrics of a program that enqueues tasks; source is the value of the label source.
func (m *Metrics) Client(source string) *Client {
	enqueued := newByKind(m.kinds, func(k kind) prometheus.Counter {
		return m.enqueued.WithLabelValues(source, k.taskType, k.queue)
	})
	return &Client{enqueued, m.refused.MustCurryWith(prometheus.Labels{"source": source}), m.ended}
}

// Enqueued counts an enqueued task.
func (c *Client) Enqueued(taskType, queue string) { c.enqueued.of(taskType, queue).Inc() }

// Refused counts a task that was not enqueued because of err.
func (c *Client) Refused(err error) {
	reason := other
	switch code := task.CodeOf(err); {
	case code == task.CodeConflict, code == task.CodeUnavailable:
		reason = string(code)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		reason = "canceled" // the caller has gone; the task may have been enqueued
	}
	c.refused.WithLabelValues(reason).Inc()
}

// Ended counts a finished task.
func (c *Client) Ended(taskType, queue string, as task.State) { c.ended.of(taskType, queue)[as].Inc() }

// Worker holds the metrics of a worker.
type Worker struct {
	runs    byKind[runMeters]
	crashes byKind[prometheus.Counter]
	ended   byKind[endCounters]
}

// runMeters are the metrics of a kind of task.
type runMeters struct {
	attempts, retries prometheus.Counter
	wait, run         prometheus.Observer
}

// Worker registers and returns the metrics of a worker of the queues.
func (m *Metrics) Worker(queues []string) *Worker {
	attempts := m.counters("backbeat_task_attempts_total", "Attempts started.", "type", "queue")
	retries := m.counters("backbeat_task_retries_total", "Failed attempts that are retried.", "type", "queue")
	crashes := m.counters("backbeat_task_crashes_total", "Attempts whose worker died, counted by the worker that detected it.", "type", "queue")
	wait := m.histograms("backbeat_task_wait_duration_seconds",
		"Time from when a task was enqueued, or due to start, until its first attempt.", waitBuckets, "type", "queue")
	run := m.histograms("backbeat_task_run_duration_seconds", "Duration of attempts, successful or not.", runBuckets, "type", "queue")
	w := &Worker{ended: m.ended}
	w.runs = newByKind(m.kinds, func(k kind) runMeters {
		return runMeters{
			attempts.WithLabelValues(k.taskType, k.queue), retries.WithLabelValues(k.taskType, k.queue),
			wait.WithLabelValues(k.taskType, k.queue), run.WithLabelValues(k.taskType, k.queue),
		}
	})
	w.crashes = newByKind(m.kinds, func(k kind) prometheus.Counter { return crashes.WithLabelValues(k.taskType, k.queue) })
	// A crash is rare, and Prometheus does not see an increase in a new series: it would miss the first crash.
	for _, queue := range queues {
		for _, taskType := range append([]string{other}, m.kinds.types...) {
			w.crashes.of(taskType, queue)
		}
	}
	return w
}

// Began counts an attempt that starts.
func (w *Worker) Began(taskType, queue string) { w.runs.of(taskType, queue).attempts.Inc() }

// Waited records how long a task that was due has waited for its first attempt.
func (w *Worker) Waited(taskType, queue string, d time.Duration) {
	w.runs.of(taskType, queue).wait.Observe(d.Seconds())
}

// Ran records the duration of an attempt.
func (w *Worker) Ran(taskType, queue string, d time.Duration) {
	w.runs.of(taskType, queue).run.Observe(d.Seconds())
}

// Retried counts a failed attempt that is retried.
func (w *Worker) Retried(taskType, queue string) { w.runs.of(taskType, queue).retries.Inc() }

// Ended counts a finished task.
func (w *Worker) Ended(taskType, queue string, as task.State) { w.ended.of(taskType, queue)[as].Inc() }

// Crashed counts an attempt whose worker died.
func (w *Worker) Crashed(taskType, queue string) { w.crashes.of(taskType, queue).Inc() }
