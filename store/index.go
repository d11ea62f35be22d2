package store

import (
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// index says which version of which object is current at a position, for any
// position: it keeps every version's place and for every term (a label, an
// owner, ...) the objects that ever had it and from when to when. Positions are
// only added at the end, so an answer about the past never changes.
type index struct {
	kinds map[schema.GroupVersionResource]*kind
	terms map[term][]*object // every object that ever had the term, once per span
}

// kind holds the objects of one resource.
type kind struct {
	namespaces map[string]map[string]*object // namespace, name
	relists    []relist                      // completed lists, by end
}

// relist is a completed list of a scope: what was last heard before start, and
// lies in the scope, was gone by the end.
type relist struct {
	scope      string // namespace, "" for the whole cluster
	start, end Seq
}

// object is a name and what was heard about it, under whatever UID.
type object struct {
	ref      Ref
	versions []version // oldest first
	spans    []span
}

type version struct {
	seq     Seq
	deleted bool
}

// span says that an object had a term from start (0: before the index begins)
// until before end (0: still).
type span struct {
	term       term
	start, end Seq
}

// term is something Find selects by, in one namespace.
type term struct {
	resource  schema.GroupVersionResource
	namespace string
	attr      attr
}

func newIndex() *index {
	return &index{
		kinds: map[schema.GroupVersionResource]*kind{},
		terms: map[term][]*object{},
	}
}

// add takes up a change; it must be later than all before.
func (x *index) add(c *change) {
	switch c.op {
	case opVersion, opDeleted:
		o := x.hold(c.ref)
		o.versions = append(o.versions, version{c.seq, c.op == opDeleted})
		x.mark(o, c)
	case opListed:
		k := x.kind(c.ref.Resource)
		k.relists = append(k.relists, relist{c.ref.Namespace, c.listed, c.seq})
		for i := range c.gone {
			x.mark(x.hold(c.gone[i].ref), &c.gone[i])
		}
	}
}

func (x *index) kind(resource schema.GroupVersionResource) *kind {
	k := x.kinds[resource]
	if k == nil {
		k = &kind{namespaces: map[string]map[string]*object{}}
		x.kinds[resource] = k
	}
	return k
}

// hold returns what is known under a name, which may be nothing yet.
func (x *index) hold(ref Ref) *object {
	k := x.kind(ref.Resource)
	names := k.namespaces[ref.Namespace]
	if names == nil {
		names = map[string]*object{}
		k.namespaces[ref.Namespace] = names
	}
	o := names[ref.Name]
	if o == nil {
		o = &object{ref: ref}
		names[ref.Name] = o
	}
	return o
}

// mark ends and begins the spans of an object.
func (x *index) mark(o *object, c *change) {
	for _, a := range c.removed {
		t := term{o.ref.Resource, o.ref.Namespace, a}
		open := slices.IndexFunc(o.spans, func(s span) bool { return s.end == 0 && s.term == t })
		if open >= 0 {
			o.spans[open].end = c.seq
			continue
		}
		o.spans = append(o.spans, span{term: t, end: c.seq})
		x.terms[t] = append(x.terms[t], o)
	}
	for _, a := range c.added {
		t := term{o.ref.Resource, o.ref.Namespace, a}
		o.spans = append(o.spans, span{term: t, start: c.seq})
		x.terms[t] = append(x.terms[t], o)
	}
}

// object returns what is known under a name, nil if nothing.
func (x *index) object(ref Ref) *object {
	k := x.kinds[ref.Resource]
	if k == nil {
		return nil
	}
	return k.namespaces[ref.Namespace][ref.Name]
}

// find returns the positions of the versions current at the position, of the
// objects that match, ordered by namespace and name (and first by resource if
// the query names none).
func (x *index) find(q Query, at Seq) []Seq {
	var found []*object
	demanded := q.attrs()
	for resource, k := range x.kinds {
		if !q.Resource.Empty() && q.Resource != resource {
			continue
		}
		for namespace := range k.namespaces {
			if q.Namespace == "" || q.Namespace == namespace {
				found = x.match(found, k, term{resource, namespace, ""}, q.Name, demanded, at)
			}
		}
	}
	slices.SortFunc(found, func(a, b *object) int { return a.ref.compare(b.ref) })
	seqs := make([]Seq, 0, len(found))
	for _, o := range found {
		v, _ := o.at(at)
		seqs = append(seqs, v.seq)
	}
	return seqs
}

// match appends the objects in the place that match and exist at the position.
func (x *index) match(found []*object, k *kind, place term, name string, demanded []attr, at Seq) []*object {
	keep := func(o *object) {
		for _, a := range demanded {
			if !o.has(a, at) {
				return
			}
		}
		if k.live(o, at) {
			found = append(found, o)
		}
	}
	switch {
	case name != "":
		if o := k.namespaces[place.namespace][name]; o != nil {
			keep(o)
		}
	case len(demanded) == 0:
		for _, o := range k.namespaces[place.namespace] {
			keep(o)
		}
	default:
		var rarest []*object
		for i, a := range demanded {
			place.attr = a
			if having := x.terms[place]; i == 0 || len(having) < len(rarest) {
				rarest = having
			}
		}
		seen := map[*object]bool{}
		for _, o := range rarest {
			if !seen[o] {
				seen[o] = true
				keep(o)
			}
		}
	}
	return found
}

// at returns the last version at or before the position.
func (o *object) at(at Seq) (version, bool) {
	n := o.count(at)
	if n == 0 {
		return version{}, false
	}
	return o.versions[n-1], true
}

// count returns how many versions there are up to the position.
func (o *object) count(at Seq) int {
	return sort.Search(len(o.versions), func(i int) bool { return o.versions[i].seq > at })
}

func (o *object) has(a attr, at Seq) bool {
	for _, s := range o.spans {
		if s.term.attr == a && s.start <= at && (s.end == 0 || at < s.end) {
			return true
		}
	}
	return false
}

// live reports whether the object exists at the position: its last version is
// not a deletion, and no list of its scope that began later was completed
// without it.
func (k *kind) live(o *object, at Seq) bool {
	v, ok := o.at(at)
	return ok && !v.deleted && !outlived(k.relists, o.ref.Namespace, v.seq, at)
}

// outlived reports whether a list that began after seq and was completed at or
// before at contains the namespace.
func outlived(relists []relist, namespace string, seq, at Seq) bool {
	end := sort.Search(len(relists), func(i int) bool { return relists[i].end > at })
	for _, r := range slices.Backward(relists[:end]) {
		if r.end < seq {
			return false // the lists are ordered by end, and begin before they end
		}
		if r.start > seq && (r.scope == "" || r.scope == namespace) {
			return true
		}
	}
	return false
}
