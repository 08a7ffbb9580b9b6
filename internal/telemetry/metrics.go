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

// readTimeout bounds what a scrape asks Redis for. Prometheus gives a scrape 10 s by default, and one that takes longer
// is lost as a whole.
const readTimeout = 2 * time.Second

// Metrics is what one process measures, in the form of Prometheus. Programs that share a process share its metrics: each
// adds its parts, and a part that is added twice panics.
//
// No label has values that a client can choose: see other.
type Metrics struct {
	registry *prometheus.Registry
	logger   *slog.Logger
	kinds    kinds
	enqueued *prometheus.CounterVec
	refused  *prometheus.CounterVec
	ended    byKind[endCounters]
}

// NewMetrics returns metrics of the Go runtime, the process and its version. Tasks of the types and in the queues are told
// apart by name.
func NewMetrics(version string, types, queues []string, logger *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), logger: logger, kinds: kinds{types, queues}}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "backbeat_build_info", Help: "Is 1; the labels tell what is running.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.enqueued = m.counters("backbeat_tasks_enqueued_total", "Tasks put into a queue.", "source", "type", "queue")
	m.refused = m.counters("backbeat_tasks_refused_total", "Well-formed tasks that were not put into a queue.", "source", "reason")
	m.ended = newByKind(m.kinds, newEndCounters(
		m.counters("backbeat_tasks_ended_total", "Tasks that are over, counted where that was noticed.", "type", "queue", "outcome")))
	return m
}

// Handler answers scrapes. A part that fails is logged and left out of the answer.
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

// scrapeLog tells of what went wrong at a scrape.
type scrapeLog struct{ *slog.Logger }

func (l scrapeLog) Println(v ...any) { l.Warn("metrics not told in full", "error", fmt.Sprint(v...)) }

// withReadTimeout returns the context of what a scrape asks Redis for.
func withReadTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), readTimeout) // collectors are given none
}
