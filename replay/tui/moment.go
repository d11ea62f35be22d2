package tui

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// moment is a position at which something happened that can matter.
type moment struct {
	seq     store.Seq
	at      time.Time
	kind    string    // of the object
	text    string    // what happened to it; all texts are clean
	by      string    // who did it, "" if nothing tells
	ref     store.Ref // of the object; no name for a change of coverage
	rebuilt bool      // nobody was listening when it happened
}

// moments finds what happened, and remembers what it found: what is at a
// position never changes.
type moments struct {
	timeline replay.Timeline
	limit    int               // of places, see maxPlaces
	known    map[place]*moment // nil: nothing that says anything
}

// maxKnown bounds what is remembered.
const maxKnown = 20_000

// anyNumber of places may be looked at.
const anyNumber = math.MaxInt

// after returns up to n moments behind a position, in order, and the position up
// to which it looked. It looks at no more than so many places that it does not
// know yet.
func (h *moments) after(seq store.Seq, n, unknown int, i *interests) ([]*moment, store.Seq, error) {
	if err := h.locate(i, seq); err != nil {
		return nil, seq, err
	}
	first, _ := slices.BinarySearchFunc(i.places, seq+1, place.compare)
	var found []*moment
	for _, p := range i.places[first:] {
		if len(found) == n || unknown == 0 && !h.knows(p) {
			return found, p.seq - 1, nil
		}
		if !h.knows(p) {
			unknown--
		}
		o, err := h.at(p, i)
		if err != nil {
			return found, p.seq, err
		}
		if o != nil {
			found = append(found, o)
		}
	}
	return found, i.upto, nil
}

// before returns up to n moments at or before a position, in order. It looks at
// no more than so many places that it does not know yet.
func (h *moments) before(seq store.Seq, n, unknown int, i *interests) ([]*moment, error) {
	if err := h.locate(i, seq); err != nil {
		return nil, err
	}
	if i.floor > 1 && unknown == anyNumber && (len(i.places) == 0 || i.places[0].seq > seq) {
		if err := h.locate(i, 1); err != nil {
			return nil, err
		}
	}
	last, _ := slices.BinarySearchFunc(i.places, seq+1, place.compare)
	var found []*moment
	for _, p := range slices.Backward(i.places[:last]) {
		if len(found) == n || unknown == 0 && !h.knows(p) {
			break
		}
		if !h.knows(p) {
			unknown--
		}
		o, err := h.at(p, i)
		if err != nil {
			return found, err
		}
		if o != nil {
			found = append(found, o)
		}
	}
	slices.Reverse(found)
	return found, nil
}

func (h *moments) knows(p place) bool {
	_, known := h.known[p]
	return known || p.group != nil
}

// at returns what happened at a place, nil if that says nothing.
func (h *moments) at(p place, i *interests) (*moment, error) {
	if p.group != nil {
		return coverageMoment(p.group), nil
	}
	if o, known := h.known[p]; known {
		return o, nil
	}
	o, err := h.read(p, i)
	if err != nil {
		return nil, err
	}
	if len(h.known) >= maxKnown || h.known == nil {
		h.known = map[place]*moment{}
	}
	h.known[p] = o
	return o, nil
}

// read says what an event changed, nil if that was only heartbeats and time
// stamps.
func (h *moments) read(p place, i *interests) (*moment, error) {
	ref := p.ref // of a query's place, it has no name
	if ref.Name == "" || ref.Resource.Resource == "events" {
		e, err := h.timeline.Event(p.seq)
		if errors.Is(err, store.ErrNotEvent) || err == nil && (!e.IsObject() || !i.hold(&e)) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if ref = e.Ref(); ref.Resource.Resource == "events" {
			return eventMoment(&e), nil
		}
	}
	changes, err := change.List(h.timeline, ref, p.seq-1, p.seq)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	c := changes[len(changes)-1]
	o := &moment{seq: p.seq, at: c.ObservedAt, kind: report.Clean(c.Subject.Kind), text: sentence(&c), ref: ref, rebuilt: !c.Earliest.IsZero()}
	if c.Writer != nil {
		o.by = report.Clean(c.Writer.Manager)
	}
	return o, nil
}

// sentence says in few words what a change did.
func sentence(c *change.Change) string {
	switch c.Verb {
	case change.Created, change.Deleted:
		return string(c.Verb)
	case change.Deleting:
		return "asked to be deleted"
	}
	s := report.Clean(c.Path) + " "
	switch {
	case c.Old == nil:
		s += "added: " + short(c.New)
	case c.New == nil:
		s += "removed: " + short(c.Old)
	default:
		s += short(c.Old) + " -> " + short(c.New)
	}
	if n := len(c.Fields) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// longest is how much of a value is shown.
const longest = 32

func short(v any) string { return report.ShortValue(v, longest) }

// eventMoment is something that a component told about an object.
func eventMoment(e *store.Event) *moment {
	if e.Type == watch.Deleted {
		return nil // it expired
	}
	m := metadataOf(e.Object)
	text := fmt.Sprintf("%s/%s %s: %s", m.Involved.Kind, m.Involved.Name, m.Reason, m.Message)
	if m.Count > 1 {
		text += fmt.Sprintf(" (x%d)", m.Count)
	}
	return &moment{seq: e.Seq, at: e.Time.UTC(), kind: "Event", text: report.Clean(text), ref: e.Ref()}
}

// mentions reports whether a text contains the filter, in any case.
func mentions(text, filter string) bool {
	return filter == "" || strings.Contains(strings.ToLower(text), strings.ToLower(filter))
}

// listed is what matters while all Services are listed.
func listed() *witness {
	return &witness{queries: []store.Query{{Resource: replay.Services}, {Resource: sliceResource}}, covered: []stream{{resource: replay.Services}, {resource: sliceResource}}}
}

// look diagnoses the subject and remembers what was looked at.
func look(s *replay.State, subject store.Ref) (analyzer.Report, *witness) {
	w := &witness{State: s}
	r := analyzer.Diagnose(w, subject, analyzer.Options{})
	for _, e := range r.Endpoints.Items {
		if e.Node != "" {
			w.seen = append(w.seen, store.Ref{Resource: nodeResource, Name: e.Node})
		}
	}
	return r, w
}
