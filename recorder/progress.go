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
	order   []*Stream // the streams as sorted returns them
	changed bool      // a stream did since the last report
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
		at, _ := slices.BinarySearchFunc(m.order, known, compareStreams)
		m.order = slices.Insert(m.order, at, known)
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
	m.changed = true
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

// report tells of the progress: soon after a stream changed, and otherwise not
// too often. It is called at each tick, so that thousands of streams that break
// together are one report.
func (m *meter) report(now time.Time) {
	if since := now.Sub(m.reported); m.tell != nil && (m.changed || since >= reportEvery) {
		if since >= reportEvery {
			m.total.Rate = float64(m.total.Events-m.events) / since.Seconds()
			m.reported, m.events = now, m.total.Events
		}
		m.changed = false
		m.total.Time, m.total.Ready, m.total.Streams = now, m.ready, m.sorted()
		m.tell(m.total)
	}
}

// sorted returns copies of the streams.
func (m *meter) sorted() []Stream {
	streams := make([]Stream, 0, len(m.order))
	for _, s := range m.order {
		streams = append(streams, *s)
	}
	return streams
}

func compareStreams(a, b *Stream) int {
	return cmp.Or(
		cmp.Compare(a.Resource.Group, b.Resource.Group),
		cmp.Compare(a.Resource.Resource, b.Resource.Resource),
		cmp.Compare(a.Namespace, b.Namespace),
	)
}
