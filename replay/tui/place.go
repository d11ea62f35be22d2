package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/svcspy/svcspy/store"
)

// place is a position at which something may have happened that matters.
type place struct {
	seq   store.Seq
	ref   store.Ref         // the object; no name if only the event tells
	group *[]store.Coverage // changes of what was listened to
}

// compare orders a place against a position.
func (p place) compare(seq store.Seq) int { return cmp.Compare(p.seq, seq) }

// locate finds the places of all interests, or those that are missing.
func (h *moments) locate(i *interests) error {
	last := h.timeline.Info().Last
	if i.located && i.upto >= last {
		return nil
	}
	from := i.upto + 1
	if !i.located {
		i.places, from = nil, 1
	}
	named := map[store.Seq][]store.Ref{}
	var found []place
	for ref := range i.named {
		seqs, err := h.timeline.Touched(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, from, last)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			named[seq] = append(named[seq], ref)
			found = append(found, place{seq: seq, ref: ref})
		}
	}
	for _, queries := range i.queries {
		for _, q := range queries {
			seqs, err := h.timeline.Touched(q, from, last)
			if err != nil {
				return err
			}
			for _, seq := range seqs {
				// The event of a named object is told of once.
				if !slices.ContainsFunc(named[seq], func(r store.Ref) bool { return r.Resource == q.Resource }) {
					named[seq] = append(named[seq], store.Ref{Resource: q.Resource})
					found = append(found, place{seq: seq})
				}
			}
		}
	}
	// A group of changes may go on where the last look ended.
	fresh := max(from, stretch) - stretch
	i.places = slices.DeleteFunc(i.places, func(p place) bool { return p.group != nil && p.seq >= fresh })
	listening, err := h.listening(fresh, last, i)
	if err != nil {
		return err
	}
	for seq, group := range listening {
		found = append(found, place{seq: seq, group: &group})
	}
	i.places = append(i.places, found...)
	slices.SortFunc(i.places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), strings.Compare(a.ref.Resource.Resource, b.ref.Resource.Resource), strings.Compare(fullName(a.ref), fullName(b.ref)))
	})
	i.located, i.upto = true, last
	return nil
}

// stretch is how far back changes of what is listened to may belong to later
// ones.
const stretch = 128
