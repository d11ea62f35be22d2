package analyzer

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/svcspy/svcspy/store"
)

// undecided says what was looked at and not covered, and which diagnoses
// nobody can decide for that reason.
func (q *inquiry) undecided() []string {
	holes := []scope{}
	for s, ok := range q.looked {
		if !ok {
			holes = append(holes, s)
		}
	}
	slices.SortFunc(holes, func(a, b scope) int {
		return cmp.Or(cmp.Compare(a.resource, b.resource), cmp.Compare(a.namespace, b.namespace))
	})
	sentences := []string{}
	for _, s := range holes {
		k := kindsByName[s.resource]
		text := k.plural
		if s.namespace != "" {
			text += " of namespace " + s.namespace
		}
		text += " " + q.hole(k, s.namespace)
		if ids := needing(k.name); len(ids) > 0 {
			text += ": " + enumerate(ids, 4) + " cannot be decided"
		}
		sentences = append(sentences, text)
	}
	return sentences
}

// hole says why a kind is not covered.
func (q *inquiry) hole(k kind, namespace string) string {
	c := q.view.Coverage(k.resource, namespace)
	why := ""
	if c.Reason != "" {
		why = " (" + c.Reason + ")"
	}
	switch c.Status {
	case store.Forbidden:
		return "could not be read" + why
	case store.Listing:
		return "were still being listed"
	case store.Gap:
		return fmt.Sprintf("are as last heard: the watch was interrupted at %s%s", clock(c.Time, q.now), why)
	case store.Current:
		return "could not all be decoded"
	}
	return "were not recorded" + why
}

// needing lists the diagnoses that cannot be decided without a kind.
func needing(kind string) []string {
	var ids []string
	for _, d := range catalogue {
		if slices.Contains(d.kinds, kind) {
			ids = append(ids, d.id)
		}
	}
	return ids
}
