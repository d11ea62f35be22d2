package cause

import (
	"cmp"
	"iter"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// overlay is a State in which some objects are other than they were: the world
// as it would be if a change had not been made. It is an analyzer.View; Start,
// Instant, Seq and Coverage are those of the State.
type overlay struct {
	*replay.State
	objects map[store.Ref]*analyzer.Object // nil: does not exist
	since   map[store.Ref]store.Seq        // versions from here on never happened
}

var _ analyzer.View = (*overlay)(nil)

func newOverlay(s *replay.State) *overlay {
	return &overlay{State: s, objects: map[store.Ref]*analyzer.Object{}, since: map[store.Ref]store.Seq{}}
}

// put replaces the object with this name by another version, or by nothing, and
// forgets what was recorded of it from a position on.
func (v *overlay) put(ref store.Ref, o *analyzer.Object, since store.Seq) {
	v.objects[ref] = o
	v.since[ref] = since
}

// Get returns the object with this name, nil if there would be none.
func (v *overlay) Get(ref store.Ref) *analyzer.Object {
	if o, replaced := v.objects[ref]; replaced {
		return o
	}
	return v.State.Get(ref)
}

// List returns the objects that match, ordered by namespace and name.
func (v *overlay) List(q store.Query) []*analyzer.Object {
	list := slices.DeleteFunc(slices.Clone(v.State.List(q)), func(o *analyzer.Object) bool {
		_, replaced := v.objects[o.Ref()]
		return replaced
	})
	for ref, o := range v.objects {
		if o != nil && ref.Resource == q.Resource && matches(o, &q) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *analyzer.Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func matches(o *analyzer.Object, q *store.Query) bool {
	if q.Namespace != "" && q.Namespace != o.Namespace || q.Name != "" && q.Name != o.Name || q.Involved != "" {
		return false
	}
	m, err := change.Metadata(o.Object)
	if err != nil {
		return false
	}
	owned := func(uid types.UID) bool {
		return slices.ContainsFunc(m.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == uid })
	}
	return (len(q.Labels) == 0 || selects(q.Labels, m.Labels)) && (q.Owner == "" || owned(q.Owner))
}

// History returns the versions there would be, oldest first.
func (v *overlay) History(ref store.Ref) []*analyzer.Object {
	list := slices.Collect(v.Past(ref))
	slices.Reverse(list)
	return list
}

// Past yields the versions there would be, newest first.
func (v *overlay) Past(ref store.Ref) iter.Seq[*analyzer.Object] {
	o, replaced := v.objects[ref]
	if !replaced {
		return v.State.Past(ref)
	}
	return func(yield func(*analyzer.Object) bool) {
		if o != nil && !yield(o) {
			return
		}
		for old := range v.State.Past(ref) {
			if old.Seq >= v.since[ref] || o != nil && old.Seq >= o.Seq {
				continue
			}
			if !yield(old) {
				return
			}
		}
	}
}

// Templates is List.
func (v *overlay) Templates(q store.Query, _ map[string]string) []*analyzer.Object { return v.List(q) }
