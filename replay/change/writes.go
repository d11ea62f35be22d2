package change

import (
	"cmp"
	"context"
	"slices"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// quietResources are written all the time, and never by people.
var quietResources = map[string]bool{"events": true, "leases": true, "endpoints": true, "endpointslices": true}

// Writes returns what people and tools changed in any object after a position, in
// the order in which it was observed: not what the control plane writes by itself.
// What is unreadable is left out. It ends with the error of ctx when that is done.
func Writes(ctx context.Context, t replay.Timeline, after, last store.Seq) ([]Change, error) {
	seen := map[store.Ref]bool{}
	var all []Change
	for e, err := range t.Events(after+1, last) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		ref := e.Ref()
		if err != nil || !e.IsObject() || quietResources[ref.Resource.Resource] || seen[ref] {
			continue
		}
		seen[ref] = true
		changes, err := List(t, ref, after, last)
		if err != nil {
			return nil, err
		}
		for i := range changes {
			if c := &changes[i]; meant(c) {
				all = append(all, *c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return all, nil
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
