package store

import (
	"slices"
	"time"

	"github.com/svcspy/svcspy/store/index"
)

// around returns the times of the readable positions next to a range: what
// happened in it happened between them.
func (r *Recording) around(first, last Seq) (from, to time.Time) {
	info := r.Info()
	from, to = info.Start, info.End
	if first > info.First {
		if t, err := r.TimeOf(first - 1); err == nil {
			from = t
		}
	}
	if last < info.Last {
		if t, err := r.TimeOf(last + 1); err == nil {
			to = t
		}
	}
	return from, to
}

// objectsIn returns the objects that have versions in a range, sorted, as far as
// the index knows.
func (r *Recording) objectsIn(first, last Seq) []Ref {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var refs []Ref
	for _, p := range r.parts {
		for _, resource := range p.Resources() {
			_ = p.Each(resource, "", func(ref Ref, versions []index.Version) {
				if heard := index.UpTo(versions, last); len(heard) > 0 && heard[len(heard)-1].Seq >= first {
					refs = append(refs, ref)
				}
			})
		}
	}
	slices.SortFunc(refs, Ref.Compare)
	return slices.Compact(refs)
}
