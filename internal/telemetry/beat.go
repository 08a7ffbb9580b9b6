package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

var latenessBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

// Beat holds the metrics of a beat.
type Beat struct {
	leader, term prometheus.Gauge
	failures     prometheus.Counter
	ticks        map[schedule.Outcome]prometheus.Counter
	lateness     prometheus.Observer
}

// Beat registers and returns the metrics of a beat.
func (m *Metrics) Beat() *Beat {
	b := &Beat{
		leader: m.gauge("backbeat_beat_leader", "Whether this process leads."),
		term:   m.gauge("backbeat_beat_term", "The last term that this process has led; 0 if it has led none."),
		failures: m.counters("backbeat_beat_term_failures_total",
			"Terms that ended because the leader's work failed.").WithLabelValues(),
		ticks: make(map[schedule.Outcome]prometheus.Counter),
		lateness: m.histograms("backbeat_beat_tick_lateness_seconds",
			"Time from when a tick was due until its task was enqueued.", latenessBuckets).WithLabelValues(),
	}
	ticks := m.counters("backbeat_beat_ticks_total", "Ticks of schedules, by outcome.", "outcome")
	for _, outcome := range []schedule.Outcome{schedule.Fired, schedule.Missed, schedule.Skipped} {
		b.ticks[outcome] = ticks.WithLabelValues(string(outcome))
	}
	return b
}

// Leads records that the process leads a term.
func (b *Beat) Leads(term int64) {
	b.term.Set(float64(term))
	b.leader.Set(1)
}

// StandsBy records that the process no longer leads.
func (b *Beat) StandsBy() { b.leader.Set(0) }

// TermFailed counts a term that ended because the leader's work failed.
func (b *Beat) TermFailed() { b.failures.Inc() }

// Ticks counts n ticks with the outcome.
func (b *Beat) Ticks(outcome schedule.Outcome, n int) { b.ticks[outcome].Add(float64(n)) }

// Late records the time from when a tick was due until its task was enqueued.
func (b *Beat) Late(d time.Duration) { b.lateness.Observe(d.Seconds()) }

// scheduleCollector counts the schedules at each scrape.
type scheduleCollector struct {
	count func(context.Context) (int, error)
	desc  *prometheus.Desc
}

// WatchSchedules reports the number of schedules at each scrape, unless count returns an error. count must return when its
// context ends.
func (m *Metrics) WatchSchedules(count func(context.Context) (int, error)) {
	m.registry.MustRegister(&scheduleCollector{count, prometheus.NewDesc("backbeat_beat_schedules", "Schedules, including paused ones.", nil, nil)})
}

// Describe implements prometheus.Collector.
func (c *scheduleCollector) Describe(descs chan<- *prometheus.Desc) { descs <- c.desc }

// Collect implements prometheus.Collector.
func (c *scheduleCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := withReadTimeout()
	defer cancel()
	if n, err := c.count(ctx); err == nil {
		metrics <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n))
	}
}
