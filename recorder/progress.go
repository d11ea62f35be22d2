package recorder

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// Progress is how far a recording has come.
type Progress struct {
	Time    time.Time
	Ready   bool // see Options.Ready
	Events  uint64
	Bytes   uint64   // of objects, after redaction, before compression
	Rate    float64  // events per second since the report before
	Streams []Stream // sorted by group, resource and namespace
}

// Stream is the state of one resource in one namespace.
type Stream struct {
	Resource  schema.GroupVersionResource
	Namespace string // "" is the whole cluster
	Status    store.Status
	Reason    string // why the status changed last; "" for Listing and Current
	Events    uint64
}

const (
	// reportEvery is the shortest time between two reports that tell of
	// nothing but more events.
	reportEvery = 500 * time.Millisecond
	// patience is how long a resource that fails may hold Ready back.
	patience = 5 * time.Second
)

// meter counts what the writer writes. It belongs to the writer's goroutine.
type meter struct {
	tell    func(Progress) // may be nil
	streams map[scope]*Stream
	started time.Time
	ready   bool
	total   Progress

	reported time.Time
	events   uint64 // at that time
}

func newMeter(scopes []scope, tell func(Progress), now time.Time) *meter {
	m := &meter{tell: tell, streams: map[scope]*Stream{}, started: now, reported: now}
	for _, s := range scopes {
		m.stream(s)
	}
	return m
}

// stream returns the counters of a scope, which were never asked for before
// if it belongs to a resource that appeared during the recording.
func (m *meter) stream(s scope) *Stream {
	known := m.streams[s]
	if known == nil {
		known = &Stream{Resource: s.resource.gvr, Namespace: s.namespace, Status: store.NotRecorded}
		m.streams[s] = known
	}
	return known
}

func (m *meter) event(s scope, e *store.Event) {
	m.stream(s).Events++
	m.total.Events++
	m.total.Bytes += uint64(len(e.Object))
}

func (m *meter) cover(s scope, c *store.Coverage) {
	known := m.stream(s)
	known.Status, known.Reason = c.Status, c.Reason
}

// settled reports whether every stream has been listed or refused. One that
// only fails is waited for no longer than patience.
func (m *meter) settled(now time.Time) bool {
	for _, s := range m.streams {
		switch {
		case s.Status == store.Current, s.Status == store.Partial, s.Status == store.Forbidden:
		case s.Status == store.NotRecorded && s.Reason != "":
		case s.Status == store.Gap && now.Sub(m.started) > patience:
		default:
			return false
		}
	}
	return true
}

// forbidden reports whether every stream was refused.
func (m *meter) forbidden() bool {
	for _, s := range m.streams {
		if s.Status != store.Forbidden {
			return false
		}
	}
	return true
}

// report tells of the progress; always when something changed, and otherwise
// not too often.
func (m *meter) report(now time.Time, changed bool) {
	if since := now.Sub(m.reported); m.tell != nil && (changed || since >= reportEvery) {
		if since >= reportEvery {
			m.total.Rate = float64(m.total.Events-m.events) / since.Seconds()
			m.reported, m.events = now, m.total.Events
		}
		m.total.Time, m.total.Ready, m.total.Streams = now, m.ready, m.sorted()
		m.tell(m.total)
	}
}

// sorted returns copies of the streams.
func (m *meter) sorted() []Stream {
	var streams []Stream
	for _, s := range m.streams {
		streams = append(streams, *s)
	}
	slices.SortFunc(streams, func(a, b Stream) int {
		return cmp.Or(
			cmp.Compare(a.Resource.Group, b.Resource.Group),
			cmp.Compare(a.Resource.Resource, b.Resource.Resource),
			cmp.Compare(a.Namespace, b.Namespace),
		)
	})
	return streams
}
