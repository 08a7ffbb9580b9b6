package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Requests holds the metrics of HTTP requests.
type Requests struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

// Requests registers and returns the metrics of HTTP requests.
func (m *Metrics) Requests() *Requests {
	return &Requests{
		total: m.counters("backbeat_http_requests_total", "HTTP requests answered.", "method", "route", "code"),
		duration: m.histograms("backbeat_http_request_duration_seconds",
			"Time to answer HTTP requests, including requested waits.", requestBuckets, "method", "route"),
		inFlight: m.gauge("backbeat_http_requests_in_flight", "HTTP requests being answered."),
	}
}

// Began counts a request in flight.
func (r *Requests) Began() { r.inFlight.Inc() }

// Ended counts an answered request. The method and the route must be from a fixed set.
func (r *Requests) Ended(method, route string, status int, took time.Duration) {
	r.inFlight.Dec()
	r.total.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	r.duration.WithLabelValues(method, route).Observe(took.Seconds())
}
