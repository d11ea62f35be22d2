package moment

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

// MaxPlaces bounds the places that are kept while a recording grows. Older ones
// are found again when somebody goes there.
const MaxPlaces = 100_000

// locate finds the places from a position on that are missing: those of new
// interests, and those of what was recorded since.
func (h *Finder) locate(i *Interest, from store.Seq) error {
	last := h.Timeline.Info().Last
	from = max(from, 1)
	if i.floor == 0 {
		i.floor = 1
	}
	if from < i.floor { // somebody went back behind what was dropped
		i.Places, i.upto, i.floor = nil, 0, 1
		_ = i.each(func(_ store.Query, x *extent) error {
			x.upto = 0
			return nil
		})
	}
	if !i.fresh && !i.widened && i.upto >= last {
		return nil
	}
	var found []place
	err := i.each(func(q store.Query, x *extent) error {
		if x.upto >= last || x.upto > 0 && x.round < i.round-idleRounds {
			return nil
		}
		seqs, err := h.Timeline.Touched(q, max(x.upto+1, i.floor), last)
		if err != nil {
			return err
		}
		ref := store.Ref{Resource: q.Resource}
		if x.named {
			ref.Namespace, ref.Name = q.Namespace, q.Name
		}
		for _, seq := range seqs {
			found = append(found, place{seq: seq, ref: ref})
		}
		x.upto = last
		return nil
	})
	if err != nil {
		return err
	}
	// A group of changes may go on where the last look ended.
	fresh := max(i.upto+1, i.floor, stretch) - stretch
	if i.widened {
		fresh = max(i.floor, 1) - 1
	}
	i.Places = slices.DeleteFunc(i.Places, func(p place) bool { return p.group != nil && p.seq >= fresh })
	listening, err := h.listening(fresh, last, i)
	if err != nil {
		return err
	}
	for seq, group := range listening {
		found = append(found, place{seq: seq, group: &group})
	}
	i.merge(found)
	i.fresh, i.widened, i.upto = false, false, last
	if half := len(i.Places) / 2; len(i.Places) > h.Limit && from > i.Places[half].seq {
		i.floor = i.Places[half].seq
		i.Places = slices.Clone(i.Places[half:])
	}
	return nil
}

// merge adds places. An event that a query found and that is about a named object
// is listed once.
func (i *Interest) merge(found []place) {
	slices.SortFunc(found, comparePlaces)
	n := len(i.Places)
	i.Places = append(i.Places, found...)
	if n > 0 && len(found) > 0 && comparePlaces(i.Places[n-1], found[0]) > 0 {
		slices.SortFunc(i.Places, comparePlaces)
	}
	if len(found) == 0 {
		return
	}
	// The query's place, without a name, comes before the named object's.
	first, _ := slices.BinarySearchFunc(i.Places, found[0].seq, place.compare)
	kept := i.Places[:first]
	for n := first; n < len(i.Places); n++ {
		p := i.Places[n]
		if p.group == nil && p.ref.Name == "" && n+1 < len(i.Places) {
			if next := i.Places[n+1]; next.group == nil && next.seq == p.seq && next.ref.Resource == p.ref.Resource {
				continue
			}
		}
		kept = append(kept, p)
	}
	clear(i.Places[len(kept):])
	i.Places = kept
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.seq, b.seq), strings.Compare(a.ref.Resource.Resource, b.ref.Resource.Resource), strings.Compare(a.ref.Namespace+"/"+a.ref.Name, b.ref.Namespace+"/"+b.ref.Name))
}

// stretch is how far back changes of what is listened to may belong to later
// ones.
const stretch = 128
