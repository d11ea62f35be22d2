package recorder

import (
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store"
)

// Sink is where a recording goes; *store.Writer and *store.Memory are sinks.
// All methods are called from one goroutine.
type Sink interface {
	// Append keeps nothing of the event's Object: its bytes are used again.
	Append(store.Event) (store.Seq, error)
	Cover(store.Coverage) (store.Seq, error)
	// Describe replaces the discovery document.
	Describe([]metav1.APIResource) error
	// Commit makes everything so far durable and says that the recorder
	// listened until now.
	Commit(now time.Time) error
	// Pending returns the bytes that wait for Commit.
	Pending() int
	// Clock keeps a sample of the clocks; it waits for the next Commit.
	Clock(store.Clock) error
	// Redacted replaces how many values were redacted so far, by class.
	Redacted(counts map[string]uint64)
}

const (
	commitBytes = 4 << 20
	commitDelay = 700 * time.Millisecond // so that durable is within a second
	burst       = 64 << 10               // what is worth a commit as soon as no more comes
	heartbeat   = 5 * time.Second        // commits although nothing was heard
	tick        = 100 * time.Millisecond // how often the clock is looked at
)

// heard is one thing on its way from a stream to the writer.
type heard struct {
	from      scope
	event     store.Event
	coverage  *store.Coverage
	resources []metav1.APIResource
	clock     *store.Clock
	size      int64 // taken from the budget
}

// queue is the only way to the writer. It keeps each stream's own order.
type queue struct {
	clock  *clock
	budget *budget
	heard  chan heard
	broken chan struct{}       // closed when the sink failed: nothing is taken any more
	clean  func(string) string // redacts the server's words
	spare  sync.Pool           // of *[]byte, for objects
}

// buffer returns an empty buffer for the next object. The writer takes it back.
func (q *queue) buffer() []byte {
	if b, ok := q.spare.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// event sends an event, stamped with the time at which it was heard.
func (q *queue) event(from scope, e store.Event) {
	e.Time = q.clock.now()
	q.send(heard{from: from, event: e, size: int64(len(e.Object)) + 256})
}

// cover sends a change of coverage.
func (q *queue) cover(from scope, c store.Coverage) {
	c.Resource, c.Namespace = from.resource.gvr, from.namespace
	c.Time, c.Reason = q.clock.now(), q.clean(c.Reason)
	q.send(heard{from: from, coverage: &c, size: 256})
}

// describe sends a new discovery document.
func (q *queue) describe(resources []metav1.APIResource) {
	q.send(heard{resources: resources})
}

// look sends a sample of the clocks.
func (q *queue) look(server time.Time) {
	c := q.clock.look()
	c.ServerDate = server
	q.send(heard{clock: &c})
}

// send waits while the budget is spent.
func (q *queue) send(h heard) {
	if !q.budget.take(h.size, q.broken) {
		return
	}
	select {
	case q.heard <- h:
	case <-q.broken:
	}
}

// writer puts everything into the sink, in the order it comes.
type writer struct {
	queue *queue
	sink  Sink
	meter *meter
	ready func() // may be nil
	// redacted returns how many values were replaced so far, by class; nil
	// without redaction.
	redacted func() map[string]uint64

	dirty     time.Time // when the first uncommitted thing came; zero: there is none
	committed time.Time
	last      time.Time // of what was written last
	calm      bool      // nothing was written since the last tick
}

// run writes until the queue is closed and everything is durable, or until the
// sink fails.
func (w *writer) run() error {
	w.committed = w.queue.clock.now()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		var err error
		select {
		case h, open := <-w.queue.heard:
			if !open {
				return w.finish()
			}
			if err = w.write(h); err == nil && w.sink.Pending() >= commitBytes {
				err = w.commit()
			}
		case <-ticks.C:
			err = w.tick()
		}
		if err != nil {
			// What was heard after the last thing the sink took is lost, which
			// must not look as if nothing had happened. It is in the file if
			// the caller can still seal it; what cannot be written now does not
			// matter beside the first error.
			_ = w.stop(w.last)
			return err
		}
	}
}

// stop ends the ledger: from that time on nobody listens.
func (w *writer) stop(at time.Time) error {
	for _, s := range w.meter.sorted() {
		switch s.Status {
		case store.Current, store.Partial, store.Listing:
		default:
			continue
		}
		_, err := w.sink.Cover(store.Coverage{
			Time: at, Resource: s.Resource, Namespace: s.Namespace,
			Status: store.Gap, Reason: store.Stopped,
		})
		if err != nil {
			return fmt.Errorf("write coverage of %s: %w", s.Resource.Resource, err)
		}
	}
	return nil
}

func (w *writer) write(h heard) error {
	defer w.queue.budget.give(h.size)
	if h.clock != nil {
		// It waits for the next commit; it is no reason for one.
		if err := w.sink.Clock(*h.clock); err != nil {
			return fmt.Errorf("write clocks: %w", err)
		}
		return nil
	}
	now := w.queue.clock.now()
	w.calm = false
	if w.dirty.IsZero() {
		w.dirty = now
	}
	switch {
	case h.coverage != nil:
		w.last = h.coverage.Time
		if _, err := w.sink.Cover(*h.coverage); err != nil {
			return fmt.Errorf("write coverage of %s: %w", h.from, err)
		}
		w.meter.cover(h.from, h.coverage)
		return w.settle(now)
	case h.resources != nil:
		if err := w.sink.Describe(h.resources); err != nil {
			return fmt.Errorf("write discovery document: %w", err)
		}
		return nil
	}
	w.last = h.event.Time
	w.meter.event(h.from, &h.event)
	if _, err := w.sink.Append(h.event); err != nil {
		return fmt.Errorf("write event of %s: %w", h.from, err)
	}
	if object := h.event.Object; cap(object) <= smallBuffer {
		w.queue.spare.Put(&object)
	}
	return nil
}

// tick does what must be done although nothing was heard.
func (w *writer) tick() error {
	now := w.queue.clock.now()
	over := w.calm && w.sink.Pending() >= burst
	w.calm = true
	if !w.dirty.IsZero() && (over || now.Sub(w.dirty) >= commitDelay) || now.Sub(w.committed) >= heartbeat {
		if err := w.commit(); err != nil {
			return err
		}
	}
	if err := w.settle(now); err != nil {
		return err
	}
	w.meter.report(now)
	return nil
}

// settle says, once, that every stream has been listed or refused. What was
// listed is committed before: who waits for it may read it.
func (w *writer) settle(now time.Time) error {
	if w.meter.ready || !w.meter.settled(now) {
		return nil
	}
	if w.meter.forbidden() {
		return fmt.Errorf("%w: %s", ErrForbidden, w.meter.sorted()[0].Reason)
	}
	w.meter.ready = true
	if w.ready == nil {
		return nil
	}
	if err := w.commit(); err != nil {
		return err
	}
	w.ready()
	return nil
}

func (w *writer) commit() error {
	now := w.queue.clock.now()
	w.dirty, w.committed = time.Time{}, now
	if !w.queue.budget.idle() {
		// What is on its way was heard before, and is lost if the recorder is
		// killed: it listened until what was written last.
		now = w.last
	}
	if w.redacted != nil {
		w.sink.Redacted(w.redacted())
	}
	if err := w.sink.Commit(now); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// finish ends the ledger and makes everything durable.
func (w *writer) finish() error {
	now := w.queue.clock.now()
	if err := w.stop(now); err != nil {
		return err
	}
	w.meter.report(now)
	return w.commit()
}
