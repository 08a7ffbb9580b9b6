package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Requests counts and times HTTP requests.
type Requests struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

// Requests returns a meter for HTTP requests.
func (m *Metrics) Requests() *Requests {
	return &Requests{
		total: m.counters("backbeat_http_requests_total", "HTTP requests answered.", "method", "route", "code"),
		duration: m.histograms("backbeat_http_request_duration_seconds",
			"Time to answer HTTP requests, the waiting that they asked for included.", requestBuckets, "method", "route"),
		inFlight: m.gauge("backbeat_http_requests_in_flight", "HTTP requests being answered."),
	}
}

// Began notes a request that begins.
func (r *Requests) Began() { r.inFlight.Inc() }

// Ended counts a request that was answered. The method and the route must be such as the program knows.
func (r *Requests) Ended(method, route string, status int, took time.Duration) {
	r.inFlight.Dec()
	r.total.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	r.duration.WithLabelValues(method, route).Observe(took.Seconds())
}
