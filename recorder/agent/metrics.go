package agent

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/store"
)

// Metrics are what an Agent tells about itself. Its Handler may be served before the
// Agent runs.
type Metrics struct {
	now      func() time.Time
	registry *prometheus.Registry

	events                                                       *prometheus.GaugeVec
	streams                                                      *prometheus.GaugeVec
	gaps                                                         *prometheus.CounterVec
	services                                                     *prometheus.GaugeVec
	segments, alerts, notifications                              *prometheus.CounterVec
	unwatched, spoolSegments, spoolBytes, oldest, lastEnd, lag   prometheus.Gauge
	storedBytes                                                  prometheus.Counter
	cutFailures, uploadFailures, watchFailures, dropped, missing prometheus.Counter

	mu    sync.Mutex
	last  recorder.Progress
	inGap map[recorder.Target]bool
}

// NewMetrics returns Metrics without values. now is the wall clock.
func NewMetrics(now func() time.Time) *Metrics {
	m := &Metrics{now: now, registry: prometheus.NewRegistry(), inGap: map[recorder.Target]bool{}}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "svcspy_" + name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "svcspy_" + name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "svcspy_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "svcspy_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.events = gauges("events", "Events recorded by this run.", "resource")
	m.streams = gauges("streams", "Watches, by coverage.", "status")
	m.gaps = counters("gaps_total", "Interruptions of watches.", "resource")
	m.services = gauges("service_verdict", "1 for the present verdict on a Service; Idle for one that is not serving on purpose.", "namespace", "service", "verdict")
	m.unwatched = gauge("services_unwatched", "Services beyond the limit on those that are watched.")
	m.segments = counters("segments_total", "Segments cut, by cause.", "cause")
	m.alerts = counters("alerts_total", "Alerts sent to the agent: new, known, or requests refused.", "result")
	m.notifications = counters("notifications_total", "Messages about segments: sent, failed, or dropped.", "target", "result")
	m.storedBytes = counter("stored_bytes_total", "Bytes of segments stored in the bucket.")
	m.lastEnd = gauge("stored_until_seconds", "Up to when the bucket has what was recorded, as Unix time.")
	m.lag = gauge("upload_lag_seconds", "How long the newest stored segment took from its end to the bucket.")
	m.spoolSegments = gauge("spool_segments", "Segments that wait for the bucket.")
	m.spoolBytes = gauge("spool_bytes", "Bytes of segments that wait for the bucket.")
	m.oldest = gauge("spool_oldest_seconds", "End of the oldest segment that waits, as Unix time; 0 if none does.")
	m.uploadFailures = counter("upload_failures_total", "Uploads that failed and are tried again.")
	m.cutFailures = counter("cut_failures_total", "Segments that could not be cut and are tried again.")
	m.watchFailures = counter("watch_failures_total", "Times at which the verdicts could not be read.")
	m.dropped = counter("segments_dropped_total", "Segments lost because the spool was full.")
	m.missing = counter("positions_missing_total", "Positions that the ring dropped before they were in a segment.")
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "svcspy_last_progress_seconds", Help: "When the recorder last said that it runs, as Unix time.",
	}, func() float64 { return seconds(m.Progress().Time) }))
	return m
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// Progress returns what the recorder said last.
func (m *Metrics) Progress() recorder.Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// silence is how long a recorder that runs may say nothing.
const silence = time.Minute

// Handler serves /metrics, /livez and /readyz.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	began := m.now()
	answer := func(path string, well func(recorder.Progress) string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if why := well(m.Progress()); why != "" {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(why + "\n"))
				return
			}
			_, _ = w.Write([]byte("ok\n"))
		})
	}
	answer("/livez", func(p recorder.Progress) string {
		since := p.Time
		if since.IsZero() {
			since = began
		}
		if m.now().Sub(since) > silence {
			return "the recorder does not progress"
		}
		return ""
	})
	answer("/readyz", func(p recorder.Progress) string {
		if !p.Ready {
			return "the recorder does not listen yet"
		}
		return ""
	})
	return mux
}

// progress takes what the recorder says.
func (m *Metrics) progress(p recorder.Progress) {
	events, statuses := map[string]uint64{}, map[store.Status]int{store.Current: 0, store.Partial: 0, store.Listing: 0, store.Gap: 0, store.Forbidden: 0}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = p
	for _, s := range p.Streams {
		resource := s.Resource.GroupResource().String()
		events[resource] += s.Events
		statuses[s.Status]++
		key := recorder.Target{Resource: s.Resource, Namespace: s.Namespace}
		if gap := s.Status == store.Gap; gap != m.inGap[key] {
			m.inGap[key] = gap
			if gap {
				m.gaps.WithLabelValues(resource).Inc()
			}
		}
	}
	for resource, n := range events {
		m.events.WithLabelValues(resource).Set(float64(n))
	}
	for status, n := range statuses {
		m.streams.WithLabelValues(string(status)).Set(float64(n))
	}
}

// verdicts takes the present verdicts on the Services that are watched.
func (m *Metrics) verdicts(now map[store.Ref]string, unwatched int) {
	m.services.Reset()
	for ref, state := range now {
		m.services.WithLabelValues(ref.Namespace, ref.Name, state).Set(1)
	}
	m.unwatched.Set(float64(unwatched))
}

// received counts what a request brought.
func (m *Metrics) received(status, fresh, known int) {
	if status != http.StatusOK {
		m.alerts.WithLabelValues("refused").Inc()
		known = 0
	}
	m.alerts.WithLabelValues("new").Add(float64(fresh))
	m.alerts.WithLabelValues("known").Add(float64(known))
}

func (m *Metrics) notified(target, result string) {
	m.notifications.WithLabelValues(target, result).Inc()
}

func (m *Metrics) cut(s *segment.Summary) {
	m.segments.WithLabelValues(s.Cause).Inc()
	m.missing.Add(float64(s.Missing))
}

func (m *Metrics) uploaded(s *segment.Summary, now time.Time) {
	m.storedBytes.Add(float64(s.Bytes))
	m.lastEnd.Set(seconds(s.End))
	m.lag.Set(max(0, now.Sub(s.End).Seconds()))
}

func (m *Metrics) spool(n int, bytes int64, since time.Time) {
	m.spoolSegments.Set(float64(n))
	m.spoolBytes.Set(float64(bytes))
	m.oldest.Set(seconds(since))
}
