// Package moment finds what happened in a timeline that can matter to a subject.
//
// A [View] notes what the analyzer looked at for a report, an [Interest] collects
// that over many instants, and a [Finder] reads the events and the changes of
// coverage that an Interest holds: each is a [Moment].
package moment

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// Moment is a position at which something happened that can matter.
type Moment struct {
	Seq     store.Seq
	At      time.Time
	Kind    string    // of the object
	Text    string    // what happened to it; all texts are clean
	By      string    // who did it, "" if nothing tells
	Ref     store.Ref // of the object; no name for a change of coverage
	Rebuilt bool      // nobody was listening when it happened
	Meant   bool      // a person or a tool did it, or it is a Warning, or about the recorder
}

// Finder finds what happened, and remembers what it found: what is at a
// position never changes.
type Finder struct {
	Timeline replay.Timeline
	Limit    int               // of places, see maxPlaces
	known    map[place]*Moment // nil: nothing that says anything
}

// maxKnown bounds what is remembered.
const maxKnown = 20_000

// AnyNumber of places may be looked at.
const AnyNumber = math.MaxInt

// After returns up to n moments behind a position, in order, and the position up
// to which it looked. It looks at no more than so many places that it does not
// know yet.
func (h *Finder) After(seq store.Seq, n, unknown int, i *Interest) ([]*Moment, store.Seq, error) {
	if err := h.locate(i, seq); err != nil {
		return nil, seq, err
	}
	first, _ := slices.BinarySearchFunc(i.Places, seq+1, place.compare)
	var found []*Moment
	for _, p := range i.Places[first:] {
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

// Before returns up to n moments at or before a position, in order. It looks at
// no more than so many places that it does not know yet.
func (h *Finder) Before(seq store.Seq, n, unknown int, i *Interest) ([]*Moment, error) {
	if err := h.locate(i, seq); err != nil {
		return nil, err
	}
	if i.floor > 1 && unknown == AnyNumber && (len(i.Places) == 0 || i.Places[0].seq > seq) {
		if err := h.locate(i, 1); err != nil {
			return nil, err
		}
	}
	last, _ := slices.BinarySearchFunc(i.Places, seq+1, place.compare)
	var found []*Moment
	for _, p := range slices.Backward(i.Places[:last]) {
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

func (h *Finder) knows(p place) bool {
	_, known := h.known[p]
	return known || p.group != nil
}

// at returns what happened at a place, nil if that says nothing.
func (h *Finder) at(p place, i *Interest) (*Moment, error) {
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
		h.known = map[place]*Moment{}
	}
	h.known[p] = o
	return o, nil
}

// read says what an event changed, nil if that was only heartbeats and time
// stamps.
func (h *Finder) read(p place, i *Interest) (*Moment, error) {
	ref := p.ref // of a query's place, it has no name
	if ref.Name == "" || ref.Resource.Resource == "events" {
		e, err := h.Timeline.Event(p.seq)
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
	changes, err := change.List(h.Timeline, ref, p.seq-1, p.seq)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	c := changes[len(changes)-1]
	o := &Moment{Seq: p.seq, At: c.ObservedAt, Kind: report.Clean(c.Subject.Kind), Text: sentence(&c), Ref: ref, Rebuilt: !c.Earliest.IsZero()}
	o.Meant = c.Origin == change.Intent && (c.Writer == nil || !change.IsController(c.Writer))
	if c.Writer != nil {
		o.By = report.Clean(c.Writer.Manager)
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
	if n := c.Others(); n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// longest is how much of a value is shown.
const longest = 32

func short(v any) string { return report.ShortValue(v, longest) }

// eventMoment is something that a component told about an object.
func eventMoment(e *store.Event) *Moment {
	if e.Type == watch.Deleted {
		return nil // it expired
	}
	m := MetadataOf(e.Object)
	text := fmt.Sprintf("%s/%s %s: %s", m.Involved.Kind, m.Involved.Name, m.Reason, m.Message)
	if m.Count > 1 {
		text += fmt.Sprintf(" (x%d)", m.Count)
	}
	return &Moment{Seq: e.Seq, At: e.Time.UTC(), Kind: "Event", Text: report.Clean(text), Ref: e.Ref(), Meant: m.Type == "Warning"}
}

// OfServices is what matters while all Services are listed.
func OfServices() *View {
	return &View{Queries: []store.Query{{Resource: replay.Services}, {Resource: replay.EndpointSlices}}, covered: []Stream{{Resource: replay.Services}, {Resource: replay.EndpointSlices}}}
}

// Diagnose diagnoses the subject and remembers what was looked at.
func Diagnose(s *replay.State, subject store.Ref) (analyzer.Report, *View) {
	w := &View{State: s}
	r := analyzer.Diagnose(w, subject, analyzer.Options{})
	for _, e := range r.Endpoints.Items {
		if e.Node != "" {
			w.seen = append(w.seen, store.Ref{Resource: replay.Nodes, Name: e.Node})
		}
	}
	return r, w
}
