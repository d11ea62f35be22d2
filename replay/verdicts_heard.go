package replay

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// heard answers where something was heard that a question is about. What many
// subjects ask is kept; it may be used by several goroutines.
type heard struct {
	timeline Timeline
	first    store.Seq // nothing before it is asked for
	last     store.Seq // the last position at which the recorder was listening
	ledger   []store.Coverage
	whole    bool // all subjects are looked at: what is read for one is kept for all

	mu     sync.Mutex
	shared map[interest][]store.Seq
	gists  map[interest]map[store.Ref][]store.Seq // of a whole resource, by object
}

func newHeard(t Timeline) (*heard, error) { return newHeardFrom(t, time.Time{}) }

// newHeardFrom answers for the time from an instant on. Whoever follows a recording
// that grows reads what is new only.
func newHeardFrom(t Timeline, from time.Time) (*heard, error) {
	end, err := NewCursor(t).End()
	if err != nil {
		return nil, err
	}
	first, err := t.SeqAt(from)
	if err != nil {
		return nil, err
	}
	h := &heard{timeline: t, first: max(first, 1), last: end.Seq(), shared: map[interest][]store.Seq{}, gists: map[interest]map[store.Ref][]store.Seq{}}
	h.ledger, err = t.Ledger(h.first, max(h.first, h.last))
	return h, err
}

// positions returns, in order, where something was heard that the question is
// about.
func (h *heard) positions(i interest) ([]store.Seq, error) {
	switch {
	case i.coverage:
		var seqs []store.Seq
		for _, c := range h.ledger {
			if c.Resource == i.resource && (c.Namespace == "" || c.Namespace == i.namespace) {
				seqs = append(seqs, c.Seq)
			}
		}
		return seqs, nil
	case i.templates, slices.Contains(heartbeats, i.resource.Resource):
		return h.telling(i)
	case i.namespace != "":
		return h.timeline.Touched(i.query(), h.first, h.last)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if list, ok := h.shared[i]; ok {
		return list, nil
	}
	list, err := h.timeline.Touched(i.query(), h.first, h.last)
	if err == nil {
		h.shared[i] = list
	}
	return list, err
}

// instant returns when the position is reached. What a window carries over from
// before its first position has no instant of its own: all of it is there when
// the window begins.
func (h *heard) instant(seq store.Seq) (time.Time, error) {
	return h.timeline.TimeOf(max(seq, h.timeline.Info().First))
}

// telling returns the positions of a question without those of versions that
// say the same as the one before. It is for what is written again and again
// while what is looked at stays as it is: many subjects look at some of it, so
// everything of the resource is read at once, in order, and kept.
func (h *heard) telling(i interest) ([]store.Seq, error) {
	i.labels = "" // what a template does not say today it may say tomorrow
	h.mu.Lock()
	defer h.mu.Unlock()
	if list, ok := h.shared[i]; ok {
		return list, nil
	}
	all := interest{resource: i.resource, templates: i.templates}
	if !h.whole {
		all.namespace = i.namespace
	}
	objects, ok := h.gists[all]
	if !ok {
		seqs, err := h.timeline.Touched(all.query(), h.first, h.last)
		if err != nil {
			return nil, err
		}
		if objects, err = h.changing(seqs, i.templates); err != nil {
			return nil, err
		}
		h.gists[all] = objects
	}
	var list []store.Seq
	for ref, seqs := range objects {
		if ref.Name == "" && (ref.Namespace == "" || i.namespace == "" || ref.Namespace == i.namespace) || // a list
			ref.Name != "" && (i.namespace == "" || ref.Namespace == i.namespace) && (i.name == "" || ref.Name == i.name) {
			list = append(list, seqs...)
		}
	}
	slices.Sort(list)
	h.shared[i] = list
	return list, nil
}

// changing returns, by object, the positions at which it says something else
// than before, and under the empty name those of lists, at whose end an object
// may be found gone. It reads forwards, each version once.
func (h *heard) changing(seqs []store.Seq, templates bool) (map[store.Ref][]store.Seq, error) {
	type version struct {
		event store.Event
		gist  uint64
	}
	last := map[store.Ref]version{}
	found := map[store.Ref][]store.Seq{}
	for _, seq := range seqs {
		e, err := h.timeline.Event(seq)
		if err != nil {
			return nil, err
		}
		ref := e.Ref()
		if !e.IsObject() {
			found[ref] = append(found[ref], seq)
			continue
		}
		now := version{gist: gist(e.Object)}
		if templates {
			now.gist = gistOfTemplate(analyzer.NewObject(e))
		}
		e.Object = nil
		now.event = e
		before := last[ref]
		last[ref] = now
		late := e.Resource.Resource == "leases" && e.Time.Sub(before.event.Time) > heartbeat
		if e.Type == watch.Modified && before.event.UID == e.UID && before.event.Type != watch.Deleted && !late && before.gist == now.gist {
			continue
		}
		found[ref] = append(found[ref], seq)
	}
	return found, nil
}
