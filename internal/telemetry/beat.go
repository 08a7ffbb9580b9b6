package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backbeat-go/backbeat/internal/schedule"
)

var latenessBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

// Beat counts what a beat does, and tells whether it leads.
type Beat struct {
	leader, term prometheus.Gauge
	failures     prometheus.Counter
	ticks        map[schedule.Outcome]prometheus.Counter
	lateness     prometheus.Observer
}

// Beat returns a meter for a beat.
func (m *Metrics) Beat() *Beat {
	b := &Beat{
		leader: m.gauge("backbeat_beat_leader", "Whether this process leads."),
		term:   m.gauge("backbeat_beat_term", "The newest term that this process has led; 0 if it has led none."),
		failures: m.counters("backbeat_beat_term_failures_total",
			"Terms that ended because the work of the leader failed.").WithLabelValues(),
		ticks: make(map[schedule.Outcome]prometheus.Counter),
		lateness: m.histograms("backbeat_beat_tick_lateness_seconds",
			"Time from when ticks were due to when they had become tasks.", latenessBuckets).WithLabelValues(),
	}
	ticks := m.counters("backbeat_beat_ticks_total", "Ticks of schedules, by what became of them.", "outcome")
	for _, outcome := range []schedule.Outcome{schedule.Fired, schedule.Missed, schedule.Skipped} {
		b.ticks[outcome] = ticks.WithLabelValues(string(outcome))
	}
	return b
}

// Leads says that the process leads a term.
func (b *Beat) Leads(term int64) {
	b.term.Set(float64(term))
	b.leader.Set(1)
}

// StandsBy says that it leads no longer.
func (b *Beat) StandsBy() { b.leader.Set(0) }

// TermFailed counts a term that ended because something failed.
func (b *Beat) TermFailed() { b.failures.Inc() }

// Ticks counts ticks.
func (b *Beat) Ticks(outcome schedule.Outcome, n int) { b.ticks[outcome].Add(float64(n)) }

// Late notes how late a tick became a task.
func (b *Beat) Late(d time.Duration) { b.lateness.Observe(d.Seconds()) }

// scheduleCollector asks at each scrape how many schedules there are.
type scheduleCollector struct {
	count func(context.Context) (int, error)
	desc  *prometheus.Desc
}

// WatchSchedules tells at each scrape how many schedules there are, unless Redis is away. count must heed its context.
func (m *Metrics) WatchSchedules(count func(context.Context) (int, error)) {
	m.registry.MustRegister(&scheduleCollector{count, prometheus.NewDesc("backbeat_beat_schedules", "Schedules, paused ones included.", nil, nil)})
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
