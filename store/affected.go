package store

import (
	"slices"
	"time"
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
		for _, resource := range p.resources() {
			_ = p.each(resource, "", func(ref Ref, versions []version) {
				if heard := upTo(versions, last); len(heard) > 0 && heard[len(heard)-1].seq >= first {
					refs = append(refs, ref)
				}
			})
		}
	}
	slices.SortFunc(refs, Ref.compare)
	return slices.Compact(refs)
}
