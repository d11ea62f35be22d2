package store

import "slices"

// touched returns the positions with from <= Seq <= to, in order, at which what
// find returns for the query may change: those at which an object that matches
// the query at some time was heard of, or found gone. There may be more of them
// than needed, never fewer.
func touched(parts []part, q *Query, from, to Seq) ([]Seq, error) {
	refs, err := ever(parts, q, to)
	if err != nil {
		return nil, err
	}
	var seqs []Seq
	for ref := range refs {
		for _, p := range parts {
			versions, err := p.versions(ref)
			if err != nil {
				return nil, err
			}
			for _, v := range upTo(versions, to)[len(upTo(versions, from-1)):] {
				seqs = append(seqs, v.seq)
			}
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// ever returns the objects that match the query at some time up to the
// position, and perhaps some that have each of its attributes at another time.
func ever(parts []part, q *Query, to Seq) (map[Ref]bool, error) {
	refs := map[Ref]bool{}
	named := func(ref Ref) bool { return q.Name == "" || q.Name == ref.Name }
	demanded := demandedBy(q)
	if len(demanded) == 0 {
		if q.Name != "" && q.Namespace != "" {
			refs[Ref{q.Resource, q.Namespace, q.Name}] = true
			return refs, nil
		}
		for _, p := range parts {
			err := p.each(q.Resource, q.Namespace, func(ref Ref, _ []version) {
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
		having := map[Ref]bool{}
		for _, p := range parts {
			err := p.having(q.Resource, a, q.Namespace, to, func(ref Ref, _ bool) {
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
