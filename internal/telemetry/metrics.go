package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readTimeout bounds the requests of a scrape to Redis. Prometheus drops a scrape that takes longer than 10 s by default.
const readTimeout = 2 * time.Second

// Metrics holds the Prometheus metrics of a process. Programs in one process share it; each adds its own metrics. Adding the
// same metrics twice panics.
//
// No label has values that a client can choose; see other.
type Metrics struct {
	registry *prometheus.Registry
	logger   *slog.Logger
	kinds    kinds
	enqueued *prometheus.CounterVec
	refused  *prometheus.CounterVec
	ended    byKind[endCounters]
}

// NewMetrics returns Metrics with those of the Go runtime, the process and its version. types and queues are the values of
// the labels type and queue; tasks of other types and queues have the label other.
func NewMetrics(version string, types, queues []string, logger *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), logger: logger, kinds: kinds{types, queues}}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "backbeat_build_info", Help: "Always 1; the labels are the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.enqueued = m.counters("backbeat_tasks_enqueued_total", "Tasks put into a queue.", "source", "type", "queue")
	m.refused = m.counters("backbeat_tasks_refused_total", "Well-formed tasks that were not put into a queue.", "source", "reason")
	m.ended = newByKind(m.kinds, newEndCounters(
		m.counters("backbeat_tasks_ended_total", "Finished tasks, counted by the process that finished them or detected their end.", "type", "queue", "outcome")))
	return m
}

// Handler serves scrapes. Metrics that cannot be collected are logged and omitted.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: scrapeLog{m.logger}, ErrorHandling: promhttp.ContinueOnError,
	})
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

// scrapeLog logs the errors of scrapes.
type scrapeLog struct{ *slog.Logger }

func (l scrapeLog) Println(v ...any) { l.Warn("cannot collect all metrics", "error", fmt.Sprint(v...)) }

// withReadTimeout returns the context for the requests of a scrape to Redis.
func withReadTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), readTimeout) // collectors do not get a context
}
