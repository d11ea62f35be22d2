package story

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// Difference is how one object differs between two instants.
type Difference struct {
	Subject analyzer.Subject `json:"subject"`
	Verb    change.Verb      `json:"verb"`             // created, updated or deleted in between
	Fields  []change.Field   `json:"fields,omitempty"` // what is different in the end; of updated objects only
	Changes []change.Change  `json:"changes"`          // the writes in between, in order
	Folded  int              `json:"folded,omitempty"` // versions that changed only time stamps and the like
}

// Diff returns what is different between two states of a timeline, of all that
// can matter to the subject: itself first, then by kind, namespace and name. An
// object that was changed and changed back is not different.
func Diff(from, to *replay.State, subject store.Ref) ([]Difference, error) {
	refs := slices.Concat(cause.RelationsOf(from, subject).Refs, cause.RelationsOf(to, subject).Refs)
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
		return cause.BoolRank(d.Subject.Name != subject.Name || d.Subject.Namespace != subject.Namespace || len(d.Changes) == 0 || d.Changes[0].Ref != subject)
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

func difference(from, to *replay.State, ref store.Ref) (*Difference, error) {
	before, after := from.Get(ref), to.Get(ref)
	if before == nil && after == nil || before != nil && after != nil && before.Seq == after.Seq {
		return nil, nil
	}
	all, err := change.ListWith(to.Timeline(), to.Cache(), ref, from.Seq(), to.Seq())
	if err != nil {
		return nil, err
	}
	d := &Difference{Verb: change.Updated, Changes: all}
	if d.Changes == nil {
		d.Changes = []change.Change{}
	}
	switch {
	case before == nil, after != nil && before.UID != after.UID:
		d.Subject, d.Verb = change.SubjectOf(after), change.Created
	case after == nil:
		d.Subject, d.Verb = change.SubjectOf(before), change.Deleted
	default:
		d.Subject = change.SubjectOf(after)
		if d.Fields = change.Meaningful(after, change.Diff(change.Decode(before), change.Decode(after))); len(d.Fields) == 0 {
			return nil, nil
		}
	}
	seqs, err := to.Timeline().History(ref, to.Seq())
	if err != nil {
		return nil, err
	}
	for _, seq := range seqs {
		if seq > from.Seq() && !slices.ContainsFunc(all, func(c change.Change) bool { return c.Seq == seq }) {
			if o, err := to.Version(seq); err == nil && o.Type == watch.Modified {
				d.Folded++
			}
		}
	}
	return d, nil
}
