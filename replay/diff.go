package replay

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// Difference is how one object differs between two instants.
type Difference struct {
	Subject analyzer.Subject `json:"subject"`
	Verb    Verb             `json:"verb"`             // created, updated or deleted in between
	Fields  []Field          `json:"fields,omitempty"` // what is different in the end; of updated objects only
	Changes []Change         `json:"changes"`          // the writes in between, in order
	Folded  int              `json:"folded,omitempty"` // versions that changed only time stamps and the like
}

// Diff returns what is different between two states of a timeline, of all that
// can matter to the subject: itself first, then by kind, namespace and name. An
// object that was changed and changed back is not different.
func Diff(from, to *State, subject store.Ref) ([]Difference, error) {
	refs := slices.Concat(reachOf(from, subject).refs, reachOf(to, subject).refs)
	seen := map[store.Ref]bool{}
	var found []Difference
	for _, ref := range refs {
		if seen[ref] || ref.Resource.Resource == "events" {
			continue
		}
		seen[ref] = true
		d, err := difference(from, to, ref)
		if err != nil {
			return found, err
		}
		if d != nil {
			found = append(found, *d)
		}
	}
	isSubject := func(d Difference) int {
		return boolRank(d.Subject.Name != subject.Name || d.Subject.Namespace != subject.Namespace || len(d.Changes) == 0 || d.Changes[0].ref != subject)
	}
	slices.SortFunc(found, func(a, b Difference) int {
		return cmp.Or(
			cmp.Compare(isSubject(a), isSubject(b)),
			strings.Compare(a.Subject.Kind, b.Subject.Kind),
			strings.Compare(a.Subject.Namespace, b.Subject.Namespace),
			strings.Compare(a.Subject.Name, b.Subject.Name),
		)
	})
	return found, cmp.Or(from.Err(), to.Err())
}

func difference(from, to *State, ref store.Ref) (*Difference, error) {
	before, after := from.Get(ref), to.Get(ref)
	if before == nil && after == nil || before != nil && after != nil && before.Seq == after.Seq {
		return nil, nil
	}
	all, err := changes(to.Timeline(), to.Cache(), ref, from.Seq(), to.Seq())
	if err != nil {
		return nil, err
	}
	d := &Difference{Verb: Updated, Changes: all}
	if d.Changes == nil {
		d.Changes = []Change{}
	}
	switch {
	case before == nil, after != nil && before.UID != after.UID:
		d.Subject, d.Verb = subjectOf(after), Created
	case after == nil:
		d.Subject, d.Verb = subjectOf(before), Deleted
	default:
		d.Subject = subjectOf(after)
		if d.Fields = telling(after, fields(decode(before), decode(after))); len(d.Fields) == 0 {
			return nil, nil
		}
	}
	seqs, err := to.Timeline().History(ref, to.Seq())
	if err != nil {
		return nil, err
	}
	for _, seq := range seqs {
		if seq > from.Seq() && !slices.ContainsFunc(all, func(c Change) bool { return c.Seq == seq }) {
			if o, err := to.Version(seq); err == nil && o.Type == watch.Modified {
				d.Folded++
			}
		}
	}
	return d, nil
}
