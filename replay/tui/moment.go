package tui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
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
	known    map[store.Seq]*moment // nil: nothing that says anything
}

// maxKnown bounds what is remembered.
const maxKnown = 50_000

// stretch is how many positions are read at first; the next ones are twice as
// long.
const stretch = 128

// after returns up to n moments behind a position and up to another, in order.
func (h *moments) after(seq, to store.Seq, n int, i *interests) ([]*moment, error) {
	var found []*moment
	for size := store.Seq(stretch); seq < to && len(found) < n; size *= 2 {
		end := min(seq+size, to)
		more, err := h.between(seq+1, end, i, n-len(found), false)
		if found = append(found, more...); err != nil {
			return found, err
		}
		seq = end
	}
	return found, nil
}

// before returns up to n moments at or before a position and behind another,
// in order.
func (h *moments) before(seq, floor store.Seq, n int, i *interests) ([]*moment, error) {
	var found []*moment
	for size := store.Seq(stretch); seq > floor && len(found) < n; size *= 2 {
		from := floor + 1
		if seq > floor+size {
			from = seq - size + 1
		}
		more, err := h.between(from, seq, i, n-len(found), true)
		if found = append(more, found...); err != nil {
			return found, err
		}
		seq = from - 1
	}
	return found, nil
}

// between returns up to n moments in a stretch: the first ones, or the last.
func (h *moments) between(from, to store.Seq, i *interests, n int, latest bool) ([]*moment, error) {
	var seqs []store.Seq
	events := map[store.Seq]store.Event{}
	for e, err := range h.timeline.Events(from, to) {
		if err != nil {
			return nil, err
		}
		if i.hold(&e) {
			events[e.Seq] = e
			seqs = append(seqs, e.Seq)
		}
	}
	entries, err := h.listening(from, to, i)
	if err != nil {
		return nil, err
	}
	for seq := range entries {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	if latest {
		slices.Reverse(seqs)
	}
	var found []*moment
	for _, seq := range seqs {
		if len(found) == n {
			break
		}
		var o *moment
		if e, is := events[seq]; is {
			if o, err = h.event(&e); err != nil {
				return nil, err
			}
		} else {
			o = coverageMoment(entries[seq])
		}
		if o != nil {
			found = append(found, o)
		}
	}
	if latest {
		slices.Reverse(found)
	}
	return found, nil
}

// event says what an event changed, nil if that was only heartbeats and time
// stamps.
func (h *moments) event(e *store.Event) (*moment, error) {
	if o, known := h.known[e.Seq]; known {
		return o, nil
	}
	o, err := h.read(e)
	if err != nil {
		return nil, err
	}
	if len(h.known) >= maxKnown || h.known == nil {
		h.known = map[store.Seq]*moment{}
	}
	h.known[e.Seq] = o
	return o, nil
}

func (h *moments) read(e *store.Event) (*moment, error) {
	if e.Resource.Resource == "events" {
		return eventMoment(e), nil
	}
	changes, err := replay.Changes(h.timeline, e.Ref(), e.Seq-1, e.Seq)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	c := changes[len(changes)-1]
	o := &moment{seq: e.Seq, at: c.ObservedAt, kind: report.Clean(c.Subject.Kind), text: sentence(&c), ref: e.Ref(), rebuilt: !c.Earliest.IsZero()}
	if c.Writer != nil {
		o.by = report.Clean(c.Writer.Manager)
	}
	return o, nil
}

// sentence says in few words what a change did.
func sentence(c *replay.Change) string {
	switch c.Verb {
	case replay.Created, replay.Deleted:
		return string(c.Verb)
	case replay.Deleting:
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

func short(v any) string {
	text, is := v.(string)
	if !is {
		data, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		text = string(data)
	}
	if r := []rune(text); len(r) > longest {
		text = string(r[:longest]) + "..."
	}
	if text == "" {
		return `""`
	}
	return report.Clean(text)
}

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
	return analyzer.Diagnose(w, subject, analyzer.Options{}), w
}
