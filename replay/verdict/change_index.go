package verdict

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Index answers where something was heard that a question is about. What many
// subjects ask is kept; it may be used by several goroutines.
type Index struct {
	timeline replay.Timeline
	first    store.Seq // nothing before it is asked for
	Last     store.Seq // the last position at which the recorder was listening
	ledger   []store.Coverage
	whole    bool // all subjects are looked at: what is read for one is kept for all

	mu     sync.Mutex
	shared map[Question][]store.Seq
	gists  map[Question]map[store.Ref][]store.Seq // of a whole resource, by object
}

func NewIndex(t replay.Timeline) (*Index, error) { return NewIndexFrom(t, time.Time{}) }

// NewIndexFrom answers for the time from an instant on. Whoever follows a recording
// that grows reads what is new only.
func NewIndexFrom(t replay.Timeline, from time.Time) (*Index, error) {
	end, err := replay.NewCursor(t).End()
	if err != nil {
		return nil, err
	}
	first, err := t.SeqAt(from)
	if err != nil {
		return nil, err
	}
	h := &Index{timeline: t, first: max(1, min(first, end.Seq())), Last: end.Seq(), shared: map[Question][]store.Seq{}, gists: map[Question]map[store.Ref][]store.Seq{}}
	h.ledger, err = t.Ledger(h.first, max(h.first, h.Last))
	return h, err
}

// Positions returns, in order, where something was heard that the question is
// about.
func (h *Index) Positions(i Question) ([]store.Seq, error) {
	switch {
	case i.Coverage:
		var seqs []store.Seq
		for _, c := range h.ledger {
			if c.Resource == i.Resource && (c.Namespace == "" || c.Namespace == i.Namespace) {
				seqs = append(seqs, c.Seq)
			}
		}
		return seqs, nil
	case i.templates, slices.Contains(heartbeats, i.Resource.Resource):
		return h.telling(i)
	case i.Namespace != "":
		return h.timeline.Touched(i.query(), h.first, h.Last)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if list, ok := h.shared[i]; ok {
		return list, nil
	}
	list, err := h.timeline.Touched(i.query(), h.first, h.Last)
	if err == nil {
		h.shared[i] = list
	}
	return list, err
}

// Instant returns when the position is reached. What a window carries over from
// before its first position has no instant of its own: all of it is there when
// the window begins.
func (h *Index) Instant(seq store.Seq) (time.Time, error) {
	return h.timeline.TimeOf(max(seq, h.timeline.Info().First))
}

// Next returns the instant after now at which something is heard at the position first,
// or a grace has ended at until, whichever comes before the other; zero if neither is
// known. A file in which a later position is reached no later is damaged.
func (h *Index) Next(now time.Time, first store.Seq, until time.Time) (next time.Time, err error) {
	if first > 0 {
		if next, err = h.Instant(first); err != nil {
			return next, err
		}
		if !next.After(now) {
			return next, fmt.Errorf("position %d, which is not reached at %s, is at %s: %w",
				first, now.UTC().Format(time.RFC3339Nano), next.UTC().Format(time.RFC3339Nano), store.ErrDamaged)
		}
	}
	if !until.IsZero() {
		if end := until.Add(Resolution); next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next, nil
}

// telling returns the positions of a question without those of versions that
// say the same as the one before. It is for what is written again and again
// while what is looked at stays as it is: many subjects look at some of it, so
// everything of the resource is read at once, in order, and kept.
func (h *Index) telling(i Question) ([]store.Seq, error) {
	i.labels = "" // what a template does not say today it may say tomorrow
	h.mu.Lock()
	defer h.mu.Unlock()
	if list, ok := h.shared[i]; ok {
		return list, nil
	}
	all := Question{Resource: i.Resource, templates: i.templates}
	if !h.whole {
		all.Namespace = i.Namespace
	}
	objects, ok := h.gists[all]
	if !ok {
		seqs, err := h.timeline.Touched(all.query(), h.first, h.Last)
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
		if ref.Name == "" && (ref.Namespace == "" || i.Namespace == "" || ref.Namespace == i.Namespace) || // a list
			ref.Name != "" && (i.Namespace == "" || ref.Namespace == i.Namespace) && (i.Name == "" || ref.Name == i.Name) {
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
func (h *Index) changing(seqs []store.Seq, templates bool) (map[store.Ref][]store.Seq, error) {
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
		now := version{gist: heartbeatHash(e.Object)}
		if templates {
			now.gist = templateHash(analyzer.NewObject(e))
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
