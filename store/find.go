package store

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// part is an index over a range of positions. Parts follow each other; each
// tells what it heard in its range only, and the last that tells counts.
type part interface {
	// resources returns the resources there is something about, in no order.
	resources() []schema.GroupVersionResource
	// versions returns the versions of an object, oldest first.
	versions(Ref) ([]version, error)
	// each yields all objects of the resource, of one namespace or ("") all,
	// in no order.
	each(resource schema.GroupVersionResource, namespace string, yield func(Ref, []version)) error
	// having yields the objects of which it was heard here up to the position
	// that they have, or no longer have, the attribute. An object may come
	// twice; then it counts if one of them says it has.
	having(resource schema.GroupVersionResource, a attr, namespace string, at Seq, yield func(Ref, bool)) error
}

// find returns the positions of the versions current at the position, of the
// objects that match, ordered by namespace and name (and first by resource if
// the query names none).
func find(parts []part, q *Query, at Seq) ([]Seq, error) {
	resources := map[schema.GroupVersionResource]bool{q.Resource: true}
	if q.Resource.Empty() {
		clear(resources)
		for _, p := range parts {
			for _, r := range p.resources() {
				resources[r] = true
			}
		}
	}
	current := map[Ref]Seq{}
	for resource := range resources {
		if err := findOf(parts, resource, q, at, current); err != nil {
			return nil, err
		}
	}
	refs := slices.SortedFunc(maps.Keys(current), Ref.compare)
	seqs := make([]Seq, len(refs))
	for i, ref := range refs {
		seqs[i] = current[ref]
	}
	return seqs, nil
}

// findOf adds the objects of one resource that match and exist.
func findOf(parts []part, resource schema.GroupVersionResource, q *Query, at Seq, current map[Ref]Seq) error {
	demanded := demandedBy(q)
	if len(demanded) > 0 {
		return findHaving(parts, resource, demanded, q, at, current)
	}
	if q.Name != "" {
		// Without a namespace the name may be in any, or of the cluster's.
		ref := Ref{resource, q.Namespace, q.Name}
		v, err := lastVersion(parts, ref, at)
		if v.seq != 0 && v.state == present {
			current[ref] = v.seq
		}
		if err != nil || v.seq != 0 || q.Namespace != "" {
			return err
		}
	}
	last := map[Ref]version{}
	for _, p := range parts {
		err := p.each(resource, q.Namespace, func(ref Ref, versions []version) {
			if q.Name != "" && q.Name != ref.Name {
				return
			}
			if heard := upTo(versions, at); len(heard) > 0 {
				last[ref] = heard[len(heard)-1]
			}
		})
		if err != nil {
			return err
		}
	}
	for ref, v := range last {
		if v.state == present {
			current[ref] = v.seq
		}
	}
	return nil
}

// findHaving adds the objects that have all the attributes. What was deleted or
// is gone has none.
func findHaving(parts []part, resource schema.GroupVersionResource, demanded []attr, q *Query, at Seq, current map[Ref]Seq) error {
	var matching map[Ref]bool
	for _, a := range demanded {
		now := map[Ref]bool{}
		for _, p := range parts {
			heard := map[Ref]bool{}
			err := p.having(resource, a, q.Namespace, at, func(ref Ref, on bool) {
				if q.Name == "" || q.Name == ref.Name {
					heard[ref] = heard[ref] || on
				}
			})
			if err != nil {
				return err
			}
			maps.Copy(now, heard)
		}
		maps.DeleteFunc(now, func(ref Ref, on bool) bool { return !on || matching != nil && !matching[ref] })
		if matching = now; len(matching) == 0 {
			return nil
		}
	}
	for ref := range matching {
		v, err := lastVersion(parts, ref, at)
		if err != nil {
			return err
		}
		current[ref] = v.seq
	}
	return nil
}

// lastVersion returns the version of an object at the position, the zero one if
// there is none.
func lastVersion(parts []part, ref Ref, at Seq) (version, error) {
	for _, p := range slices.Backward(parts) {
		versions, err := p.versions(ref)
		if err != nil {
			return version{}, err
		}
		if heard := upTo(versions, at); len(heard) > 0 {
			return heard[len(heard)-1], nil
		}
	}
	return version{}, nil
}

// history returns the positions of all versions of an object up to the position.
func history(parts []part, ref Ref, at Seq) ([]Seq, error) {
	var seqs []Seq
	for _, p := range parts {
		versions, err := p.versions(ref)
		if err != nil {
			return nil, err
		}
		for _, v := range upTo(versions, at) {
			if v.state != gone {
				seqs = append(seqs, v.seq)
			}
		}
	}
	return seqs, nil
}
