package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Memory is a recording without a file: it takes the writes of a Writer and
// answers like a Recording, while it is being written. One goroutine may write;
// any number may read at the same time. Everything is kept, unless KeepWindow
// was called.
type Memory struct {
	mu      sync.RWMutex
	window  time.Duration // 0: everything is kept
	info    Info
	carried []position // from before info.First, in order
	dropped Seq        // the last position before log
	log     []position // log[i] is at Seq dropped+i+1

	track     *index.Tracker
	index     *index.Index
	ledger    index.Ledger
	kinds     []Kind
	clocks    []Clock
	documents []document    // discovery documents, from the one that holds at dropped on
	grown     chan struct{} // closed and replaced when there is more, or the end
}

// position is what is at a Seq: an event, or a change of coverage.
type position struct {
	seq   Seq
	time  time.Time
	event *Event
}

// NewMemory returns an empty recording.
func NewMemory(h Header) *Memory {
	h.Start = clockTime(h.Start)
	return &Memory{
		info:      Info{Header: h, FormatVersion: FormatVersion, End: h.Start},
		track:     index.NewTracker(),
		index:     index.NewIndex(),
		documents: []document{{0, h.Resources}},
		grown:     make(chan struct{}),
	}
}

// clockTime is how times are kept: UTC, whole microseconds, no monotonic part.
func clockTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// next takes the next Seq, with the time clamped so that it never runs
// backwards. m.mu must be held.
func (m *Memory) next(t time.Time) (Seq, time.Time, error) {
	if m.info.Closed {
		return 0, time.Time{}, ErrClosed
	}
	t = clockTime(t)
	last := m.info.Start
	if n := len(m.log); n > 0 {
		last = m.log[n-1].time
	}
	if t.Before(last) {
		t = last
	}
	seq := m.info.Last + 1
	m.info.First, m.info.Last = max(m.info.First, 1), seq
	m.extend(t)
	return seq, t, nil
}

// extend moves the end of what was listened to, and wakes those who wait.
func (m *Memory) extend(now time.Time) {
	if now.After(m.info.End) {
		m.info.End = now
	}
	close(m.grown)
	m.grown = make(chan struct{})
}

// Append adds an event and returns its position. e.Seq is ignored, e.Object is
// copied, and e.Time is moved forward if it lies before the last one.
func (m *Memory) Append(e Event) (Seq, error) {
	id, _ := rawjson.Identify(e.Resource, e.Object) // what cannot be read cannot be found, but is kept
	m.mu.Lock()
	defer m.mu.Unlock()
	seq, t, err := m.next(e.Time)
	if err != nil {
		return 0, err
	}
	e.Seq, e.Time, e.Object = seq, t, bytes.Clone(e.Object)
	m.log = append(m.log, position{seq, t, &e})
	for _, c := range m.track.Observe(nil, &e, &id) {
		m.index.Add(&c)
	}
	m.info.Events++
	m.kinds = count(m.kinds, &e)
	return seq, nil
}

// Cover adds a change of coverage and returns its position.
func (m *Memory) Cover(c Coverage) (Seq, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seq, t, err := m.next(c.Time)
	if err != nil {
		return 0, err
	}
	c.Seq, c.Time = seq, t
	m.log = append(m.log, position{seq: seq, time: t})
	m.ledger.Add(c)
	return seq, nil
}

// Describe replaces the discovery document.
func (m *Memory) Describe(resources []metav1.APIResource) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.info.Closed {
		return ErrClosed
	}
	m.info.Resources = slices.Clone(resources)
	m.documents = append(m.documents, document{m.info.Last, m.info.Resources})
	for len(m.documents) > 1 && m.documents[1].after <= m.dropped {
		m.documents = m.documents[1:]
	}
	return nil
}

// Resources returns the discovery document that holds at a position.
func (m *Memory) Resources(at Seq) ([]metav1.APIResource, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := sort.Search(len(m.documents), func(i int) bool { return m.documents[i].after > at })
	if n == 0 {
		return m.info.Resources, nil
	}
	return m.documents[n-1].resources, nil
}

// Commit notes that the recorder was still listening at now.
func (m *Memory) Commit(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.info.Closed {
		return ErrClosed
	}
	m.extend(clockTime(now))
	return m.fold()
}

// Seal ends the recording: nothing can be added, and waiting readers see its end.
func (m *Memory) Seal(now time.Time) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.info.Closed {
		return Info{}, ErrClosed
	}
	m.info.Closed = true
	m.extend(clockTime(now))
	return m.info, nil
}

// Pending returns 0: there is nothing to make durable.
func (m *Memory) Pending() int { return 0 }

// Info returns the header and the current end.
func (m *Memory) Info() Info {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.info
}

// Kinds returns how much there is of each resource, sorted by resource.
func (m *Memory) Kinds() []Kind {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.kinds)
}

// Marks returns none: only a file has marks.
func (m *Memory) Marks() ([]Mark, error) { return nil, nil }

// Clocks returns all samples, in the order they were taken.
func (m *Memory) Clocks() ([]Clock, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.clocks), nil
}

// SeqAt returns the last position at or before t, 0 if t is before all.
func (m *Memory) SeqAt(t time.Time) (Seq, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := sort.Search(len(m.log), func(i int) bool { return m.log[i].time.After(t) })
	if n == 0 {
		return 0, nil
	}
	return m.log[n-1].seq, nil
}

// TimeOf returns the time of a position.
func (m *Memory) TimeOf(seq Seq) (time.Time, error) {
	p, err := m.position(seq)
	return p.time, err
}

// Event returns the event at seq, or ErrNotEvent.
func (m *Memory) Event(seq Seq) (Event, error) {
	p, err := m.position(seq)
	if err != nil {
		return Event{}, err
	}
	if p.event == nil {
		return Event{}, fmt.Errorf("read event %d: %w", seq, ErrNotEvent)
	}
	return *p.event, nil
}

func (m *Memory) position(seq Seq) (position, error) {
	p, ok := m.from(seq)
	if !ok || p.seq != seq {
		return position{}, fmt.Errorf("read position %d of %d: %w", seq, m.Info().Last, ErrNotEvent)
	}
	return p, nil
}

// from returns the first position that is kept, not before seq; ok is false if
// there is none.
func (m *Memory) from(seq Seq) (p position, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if seq <= m.dropped {
		n, _ := slices.BinarySearchFunc(m.carried, seq, func(p position, seq Seq) int { return cmp.Compare(p.seq, seq) })
		if n < len(m.carried) {
			return m.carried[n], true
		}
		seq = m.dropped + 1
	}
	if n := seq - m.dropped - 1; n < Seq(len(m.log)) {
		return m.log[n], true
	}
	return position{}, false
}

// Events yields the events with from <= Seq <= to in order; it ends at what is
// there when it gets there. The error is always nil.
func (m *Memory) Events(from, to Seq) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			p, ok := m.from(from)
			if !ok || p.seq > to || p.event != nil && !yield(*p.event, nil) {
				return
			}
			from = p.seq + 1
		}
	}
}

// Ledger returns the coverage changes with from <= Seq <= to in order.
func (m *Memory) Ledger(from, to Seq) ([]Coverage, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.ledger.Between(from, to), nil
}

// Find returns the positions of the versions current at the position, of the
// objects that match, ordered by namespace and name.
func (m *Memory) Find(q Query, at Seq) ([]Seq, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return index.Find([]index.Part{m.index}, &q, at)
}

// History returns the positions of all versions of the object up to the
// position, oldest first, of whatever UID.
func (m *Memory) History(ref Ref, at Seq) ([]Seq, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return index.History([]index.Part{m.index}, ref, at)
}

// Coverage returns what is in force for the resource in the namespace at the
// position.
func (m *Memory) Coverage(resource schema.GroupVersionResource, namespace string, at Seq) (Coverage, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.ledger.At(resource, namespace, at), nil
}

// Wait blocks until there is something after the position, or returns io.EOF
// if the recording has ended, or the error of ctx.
func (m *Memory) Wait(ctx context.Context, after Seq) error {
	for {
		m.mu.RLock()
		last, closed, grown := m.info.Last, m.info.Closed, m.grown
		m.mu.RUnlock()
		if last > after {
			return nil
		}
		if closed {
			return io.EOF
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		}
	}
}

// Redacted notes how many values were replaced by tokens so far, by the classes
// of the policy.
func (m *Memory) Redacted(counts map[string]uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.info.Redacted = maps.Clone(counts)
}

// Touched returns the positions with from <= Seq <= to, in order, at which what
// Find returns for the query may change; perhaps some more.
func (m *Memory) Touched(q Query, from, to Seq) ([]Seq, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return index.Touched([]index.Part{m.index}, &q, from, to)
}
