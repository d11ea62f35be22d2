package index

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/event"
)

// Part is an index over a range of positions. Parts follow each other; each
// tells what it heard in its range only, and the last that tells counts.
type Part interface {
	// Resources returns the resources there is something about, in no order.
	Resources() []schema.GroupVersionResource
	// Versions returns the versions of an object, oldest first.
	Versions(event.Ref) ([]Version, error)
	// Each yields all objects of the resource, of one namespace or ("") all,
	// in no order.
	Each(resource schema.GroupVersionResource, namespace string, yield func(event.Ref, []Version)) error
	// having yields the objects of which it was heard here up to the position
	// that they have, or no longer have, the attribute. An object may come
	// twice; then it counts if one of them says it has.
	having(resource schema.GroupVersionResource, a Attr, namespace string, at event.Seq, yield func(event.Ref, bool)) error
}

// Find returns the positions of the versions current at the position, of the
// objects that match, ordered by namespace and name (and first by resource if
// the query names none).
func Find(parts []Part, q *event.Query, at event.Seq) ([]event.Seq, error) {
	resources := map[schema.GroupVersionResource]bool{q.Resource: true}
	if q.Resource.Empty() {
		clear(resources)
		for _, p := range parts {
			for _, r := range p.Resources() {
				resources[r] = true
			}
		}
	}
	current := map[event.Ref]event.Seq{}
	for resource := range resources {
		if err := findOf(parts, resource, q, at, current); err != nil {
			return nil, err
		}
	}
	refs := slices.SortedFunc(maps.Keys(current), event.Ref.Compare)
	seqs := make([]event.Seq, len(refs))
	for i, ref := range refs {
		seqs[i] = current[ref]
	}
	return seqs, nil
}

// findOf adds the objects of one resource that match and exist.
func findOf(parts []Part, resource schema.GroupVersionResource, q *event.Query, at event.Seq, current map[event.Ref]event.Seq) error {
	demanded := demandedBy(q)
	if len(demanded) > 0 {
		return findHaving(parts, resource, demanded, q, at, current)
	}
	if q.Name != "" {
		// Without a namespace the name may be in any, or of the cluster's.
		ref := event.Ref{Resource: resource, Namespace: q.Namespace, Name: q.Name}
		v, err := lastVersion(parts, ref, at)
		if v.Seq != 0 && v.State == Present {
			current[ref] = v.Seq
		}
		if err != nil || v.Seq != 0 || q.Namespace != "" {
			return err
		}
	}
	last := map[event.Ref]Version{}
	for _, p := range parts {
		err := p.Each(resource, q.Namespace, func(ref event.Ref, versions []Version) {
			if q.Name != "" && q.Name != ref.Name {
				return
			}
			if heard := UpTo(versions, at); len(heard) > 0 {
				last[ref] = heard[len(heard)-1]
			}
		})
		if err != nil {
			return err
		}
	}
	for ref, v := range last {
		if v.State == Present {
			current[ref] = v.Seq
		}
	}
	return nil
}

// findHaving adds the objects that have all the attributes. What was deleted or
// is gone has none.
func findHaving(parts []Part, resource schema.GroupVersionResource, demanded []Attr, q *event.Query, at event.Seq, current map[event.Ref]event.Seq) error {
	var matching map[event.Ref]bool
	for _, a := range demanded {
		now := map[event.Ref]bool{}
		for _, p := range parts {
			heard := map[event.Ref]bool{}
			err := p.having(resource, a, q.Namespace, at, func(ref event.Ref, on bool) {
				if q.Name == "" || q.Name == ref.Name {
					heard[ref] = heard[ref] || on
				}
			})
			if err != nil {
				return err
			}
			maps.Copy(now, heard)
		}
		maps.DeleteFunc(now, func(ref event.Ref, on bool) bool { return !on || matching != nil && !matching[ref] })
		if matching = now; len(matching) == 0 {
			return nil
		}
	}
	for ref := range matching {
		v, err := lastVersion(parts, ref, at)
		if err != nil {
			return err
		}
		current[ref] = v.Seq
	}
	return nil
}

// lastVersion returns the version of an object at the position, the zero one if
// there is none.
func lastVersion(parts []Part, ref event.Ref, at event.Seq) (Version, error) {
	for _, p := range slices.Backward(parts) {
		versions, err := p.Versions(ref)
		if err != nil {
			return Version{}, err
		}
		if heard := UpTo(versions, at); len(heard) > 0 {
			return heard[len(heard)-1], nil
		}
	}
	return Version{}, nil
}

// History returns the positions of all versions of an object up to the position.
func History(parts []Part, ref event.Ref, at event.Seq) ([]event.Seq, error) {
	var seqs []event.Seq
	for _, p := range parts {
		versions, err := p.Versions(ref)
		if err != nil {
			return nil, err
		}
		for _, v := range UpTo(versions, at) {
			if v.State != Gone {
				seqs = append(seqs, v.Seq)
			}
		}
	}
	return seqs, nil
}
