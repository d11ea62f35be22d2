package index

import (
	"slices"

	"github.com/svcspy/svcspy/store/event"
)

// Touched returns the positions with from <= Seq <= to, in order, at which what
// find returns for the query may change: those at which an object that matches
// the query at some time was heard of, or found gone. There may be more of them
// than needed, never fewer.
func Touched(parts []Part, q *event.Query, from, to event.Seq) ([]event.Seq, error) {
	refs, err := ever(parts, q, to)
	if err != nil {
		return nil, err
	}
	var seqs []event.Seq
	for ref := range refs {
		for _, p := range parts {
			versions, err := p.Versions(ref)
			if err != nil {
				return nil, err
			}
			for _, v := range UpTo(versions, to)[len(UpTo(versions, from-1)):] {
				seqs = append(seqs, v.Seq)
			}
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// ever returns the objects that match the query at some time up to the
// position, and perhaps some that have each of its attributes at another time.
func ever(parts []Part, q *event.Query, to event.Seq) (map[event.Ref]bool, error) {
	refs := map[event.Ref]bool{}
	named := func(ref event.Ref) bool { return q.Name == "" || q.Name == ref.Name }
	demanded := demandedBy(q)
	if len(demanded) == 0 {
		if q.Name != "" && q.Namespace != "" {
			refs[event.Ref{Resource: q.Resource, Namespace: q.Namespace, Name: q.Name}] = true
			return refs, nil
		}
		for _, p := range parts {
			err := p.Each(q.Resource, q.Namespace, func(ref event.Ref, _ []Version) {
				if named(ref) {
					refs[ref] = true
				}
			})
			if err != nil {
				return nil, err
			}
		}
		return refs, nil
	}
	for i, a := range demanded {
		having := map[event.Ref]bool{}
		for _, p := range parts {
			err := p.having(q.Resource, a, q.Namespace, to, func(ref event.Ref, _ bool) {
				if named(ref) && (i == 0 || refs[ref]) {
					having[ref] = true
				}
			})
			if err != nil {
				return nil, err
			}
		}
		refs = having
	}
	return refs, nil
}
