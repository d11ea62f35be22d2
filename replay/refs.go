package replay

import (
	"cmp"
	"slices"

	"github.com/svcspy/svcspy/store"
)

// RefsAt returns the objects that events are about, each once, in order.
func RefsAt(t Timeline, seqs []store.Seq) ([]store.Ref, error) {
	seen := map[store.Ref]bool{}
	var refs []store.Ref
	for _, seq := range seqs {
		e, err := t.Event(seq)
		if err != nil {
			return nil, err
		}
		if ref := e.Ref(); e.IsObject() && !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, CompareRefs)
	return refs, nil
}

func CompareRefs(a, b store.Ref) int {
	return cmp.Or(
		cmp.Compare(a.Resource.Group, b.Resource.Group), cmp.Compare(a.Resource.Resource, b.Resource.Resource),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
	)
}
