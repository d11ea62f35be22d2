package change

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// quietResources are written all the time, and never by people.
var quietResources = map[string]bool{"events": true, "leases": true, "endpoints": true, "endpointslices": true}

// Writes yields what people and tools changed in any object after a position, in
// the order in which it was observed: not what the control plane writes by itself.
// What is unreadable is left out. It ends with the error of ctx when that is done.
// Its memory grows with the number of changes, but not with what they hold.
func Writes(ctx context.Context, t replay.Timeline, after, last store.Seq) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		w := writesList{t: t, after: after, last: last, room: writesInMemory, atOnce: writesAtOnce}
		if err := w.collect(ctx); err != nil {
			yield(Change{}, err)
			return
		}
		for c, err := range w.all(ctx) {
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

const (
	// writesInMemory is how many bytes of objects are held by changes that are not made
	// anew when it is their turn.
	writesInMemory = 64 << 20
	// writesAtOnce is how many changes are made anew at a time.
	writesAtOnce = 512
)

// writesList finds changes object by object, and yields them by position.
type writesList struct {
	t           replay.Timeline
	after, last store.Seq
	refs        []store.Ref
	places      []writePlace
	changes     []Change // those at places, while there is room for them
	room        int      // in bytes; negative: changes are made anew
	atOnce      int      // so many
}

// writePlace is where a change is.
type writePlace struct {
	seq  store.Seq
	verb Verb
	ref  int // in refs
	kept int // in changes
}

func (w *writesList) collect(ctx context.Context) error {
	seen := map[store.Ref]bool{}
	for e, err := range w.t.Events(w.after+1, w.last) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ref := e.Ref()
		if err != nil || !e.IsObject() || quietResources[ref.Resource.Resource] || seen[ref] {
			continue
		}
		seen[ref] = true
		found, err := w.of(ref, w.after, w.last)
		if err != nil {
			return err
		}
		for _, c := range found {
			w.places = append(w.places, writePlace{c.Seq, c.Verb, len(w.refs), len(w.changes)})
			if w.room -= weight(&c); w.room < 0 {
				w.changes = nil
				continue
			}
			w.changes = append(w.changes, c)
		}
		if len(found) > 0 {
			w.refs = append(w.refs, ref)
		}
	}
	slices.SortStableFunc(w.places, func(a, b writePlace) int { return cmp.Compare(a.seq, b.seq) })
	return nil
}

// of returns the writes to an object between two positions.
func (w *writesList) of(ref store.Ref, after, last store.Seq) ([]Change, error) {
	all, err := List(w.t, ref, after, last)
	return slices.DeleteFunc(all, func(c Change) bool { return !meant(&c) }), err
}

// weight is about how many bytes a change holds.
func weight(c *Change) int {
	size := 1 << 10
	for _, o := range []*analyzer.Object{c.Before, c.After} {
		if o != nil {
			size += len(o.Object)
		}
	}
	return size
}

func (w *writesList) all(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for places := w.places; len(places) > 0; {
			n := min(w.atOnce, len(places))
			for n < len(places) && places[n].seq == places[n-1].seq {
				n++
			}
			changes, err := w.take(places[:n])
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Change{}, err)
				return
			}
			for _, c := range changes {
				if !yield(c, nil) {
					return
				}
			}
			places = places[n:]
		}
	}
}

// take returns the changes at places that follow each other.
func (w *writesList) take(places []writePlace) ([]Change, error) {
	changes := make([]Change, len(places))
	of := map[int][]int{} // of each object, which of the places
	for i, p := range places {
		if w.room >= 0 {
			changes[i] = w.changes[p.kept]
			continue
		}
		of[p.ref] = append(of[p.ref], i)
	}
	first, last := places[0].seq, places[len(places)-1].seq
	for ref, which := range of {
		same := func(found []Change) bool {
			return slices.EqualFunc(found, which, func(c Change, i int) bool { return c.Seq == places[i].seq && c.Verb == places[i].verb })
		}
		found, err := w.of(w.refs[ref], first-1, last)
		if err == nil && !same(found) { // an object was gone for a while: what follows depends on what was before
			found, err = w.of(w.refs[ref], w.after, w.last)
			found = slices.DeleteFunc(found, func(c Change) bool { return c.Seq < first || c.Seq > last })
		}
		if err != nil {
			return nil, err
		}
		if !same(found) {
			return nil, fmt.Errorf("list the changes of %s %s/%s: the recording changed meanwhile", w.refs[ref].Resource.Resource, w.refs[ref].Namespace, w.refs[ref].Name)
		}
		for n, i := range which {
			changes[i] = found[n]
		}
	}
	return changes, nil
}

// meant reports whether a change is somebody's wish. Without a writer that is told by
// what changed: kubectl scale leaves no entry in managedFields, and no deletion does
// (a controller's own is Derived); nor do controllers that create ServiceAccounts, or
// the end of a grace period that comes early.
func meant(c *Change) bool {
	switch {
	case c.Writer != nil:
		return !IsController(c.Writer)
	case c.Origin != Intent:
		return false
	case c.Verb == Created:
		return c.Ref.Resource.Resource != "serviceaccounts"
	}
	return c.Verb != Updated || slices.ContainsFunc(c.AllFields, func(f Field) bool { return f.Top() != "metadata" })
}
