package moment

import (
	"iter"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// View is a View that remembers what the analyzer looked at: that is what
// matters to the subject.
type View struct {
	*replay.State
	Named   []store.Ref // objects asked for by name, in that order
	seen    []store.Ref // objects that were found otherwise
	Queries []store.Query
	covered []Stream
}

// Stream is what one entry of the coverage ledger is about.
type Stream struct {
	Resource  schema.GroupVersionResource
	Namespace string
}

var _ analyzer.View = (*View)(nil)

func (w *View) Get(ref store.Ref) *analyzer.Object {
	w.name(ref)
	return w.State.Get(ref)
}

func (w *View) List(q store.Query) []*analyzer.Object {
	found := w.State.List(q)
	if q.Namespace == "" && q.Name == "" && len(q.Labels) == 0 && q.Owner == "" && q.Involved == "" {
		return found // all there are in the cluster: that any of them matters says nothing
	}
	w.Queries = append(w.Queries, q)
	if q.Resource.Resource != "events" {
		for _, o := range found {
			w.seen = append(w.seen, o.Ref())
		}
	}
	return found
}

// Templates is List.
func (w *View) Templates(q store.Query, _ map[string]string) []*analyzer.Object { return w.List(q) }

func (w *View) Past(ref store.Ref) iter.Seq[*analyzer.Object] {
	w.name(ref)
	return w.State.Past(ref)
}

func (w *View) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	if s := (Stream{resource, namespace}); !slices.Contains(w.covered, s) {
		w.covered = append(w.covered, s)
	}
	return w.State.Coverage(resource, namespace)
}

func (w *View) name(ref store.Ref) {
	if ref.Name != "" && !slices.Contains(w.Named, ref) {
		w.Named = append(w.Named, ref)
	}
}

// Interest are what was looked at for a subject, at whatever instants: what
// can matter to it. They only grow, so that stepping back leads over the same
// events as stepping on.
type Interest struct {
	named   map[store.Ref]*extent
	queries map[schema.GroupVersionResource][]*placeQuery
	Covered []Stream

	round       int       // how often something was looked at
	fresh       bool      // places of some are missing
	widened     bool      // changes of some coverage are missing
	floor, upto store.Seq // from where to where the places are known
	Places      []place   // in order
}

// extent says up to where the places of something are known.
type extent struct {
	named bool      // it is one object
	upto  store.Seq // 0 where they are not
	round int       // when it was looked at last
}

// placeQuery is a question and the extent of its places.
type placeQuery struct {
	store.Query
	extent
}

// idleRounds is how many looks at the subject do without something before it
// counts as gone: the places of a Pod that was replaced hours ago are known.
const idleRounds = 128

func NewInterest() *Interest {
	return &Interest{named: map[store.Ref]*extent{}, queries: map[schema.GroupVersionResource][]*placeQuery{}}
}

// Add takes up what a View noted.
func (i *Interest) Add(w *View) {
	i.round++
	look := func(x *extent) {
		i.fresh = i.fresh || x.upto == 0 || x.round < i.round-idleRounds && x.upto < i.upto
		x.round = i.round
	}
	for _, ref := range slices.Concat(w.Named, w.seen) {
		if i.named[ref] == nil {
			i.named[ref] = &extent{named: true}
		}
		look(i.named[ref])
	}
	for _, q := range w.Queries {
		n := slices.IndexFunc(i.queries[q.Resource], func(other *placeQuery) bool { return sameQuery(&q, &other.Query) })
		if n < 0 {
			n = len(i.queries[q.Resource])
			i.queries[q.Resource] = append(i.queries[q.Resource], &placeQuery{Query: q})
		}
		look(&i.queries[q.Resource][n].extent)
	}
	for _, s := range w.covered {
		if !slices.Contains(i.Covered, s) {
			i.Covered, i.widened = append(i.Covered, s), true
		}
	}
}

// each calls a function for everything that has places, until it fails.
func (i *Interest) each(do func(store.Query, *extent) error) error {
	for ref, x := range i.named {
		if err := do(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, x); err != nil {
			return err
		}
	}
	for _, queries := range i.queries {
		for _, q := range queries {
			if err := do(q.Query, &q.extent); err != nil {
				return err
			}
		}
	}
	return nil
}

func sameQuery(a, b *store.Query) bool {
	return a.Namespace == b.Namespace && a.Name == b.Name && a.Owner == b.Owner && a.Involved == b.Involved && maps.Equal(a.Labels, b.Labels)
}

// hold reports whether an event is about something that was looked at.
func (i *Interest) hold(e *store.Event) bool {
	if !e.IsObject() {
		return false
	}
	if _, named := i.named[e.Ref()]; named {
		return true
	}
	var meta *metadata
	return slices.ContainsFunc(i.queries[e.Resource], func(q *placeQuery) bool {
		if q.Namespace != "" && q.Namespace != e.Namespace || q.Name != "" && q.Name != e.Name {
			return false
		}
		if len(q.Labels) == 0 && q.Owner == "" && q.Involved == "" {
			return true
		}
		if meta == nil {
			meta = MetadataOf(e.Object)
		}
		return meta.matches(&q.Query)
	})
}

// listen reports whether a change of coverage is about something that was
// looked at.
func (i *Interest) listen(c *store.Coverage) bool {
	return slices.ContainsFunc(i.Covered, func(s Stream) bool {
		return s.Resource.GroupResource() == c.Resource.GroupResource() && (c.Namespace == "" || s.Namespace == "" || c.Namespace == s.Namespace)
	})
}
