package replay

import (
	"cmp"
	"slices"
	"strings"

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

// CompareNames orders names as people do, with their numbers as numbers: svc-2
// before svc-10.
func CompareNames(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			n, k := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(n), len(k)), cmp.Compare(n, k)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many digits a text begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
