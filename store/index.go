package store

import (
	"cmp"
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
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
	listing    map[string]Seq                // scope: the RELIST that is not completed yet
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
	spans    []span    // open ones have end 0
}

type version struct {
	seq     Seq
	deleted bool
}

// span says that an object had a term from start until before end.
type span struct {
	term       term
	start, end Seq
}

// term is something Find selects by.
type term struct {
	resource   schema.GroupVersionResource
	namespace  string
	kind       termKind
	key, value string
}

type termKind byte

const (
	termLabel    termKind = 'l' // key, value
	termOwner    termKind = 'o' // value is the owner's UID
	termInvolved termKind = 'i' // value is the involved object's UID
)

func newIndex() *index {
	return &index{
		kinds: map[schema.GroupVersionResource]*kind{},
		terms: map[term][]*object{},
	}
}

// add takes up an event; id is the identity scanned from its object.
func (x *index) add(e *Event, id *identity) {
	k := x.kinds[e.Resource]
	if k == nil {
		k = &kind{namespaces: map[string]map[string]*object{}, listing: map[string]Seq{}}
		x.kinds[e.Resource] = k
	}
	switch {
	case e.IsObject():
		x.addVersion(k, e, id)
	case e.Type == Relist:
		k.listing[e.Namespace] = e.Seq
	case e.Type == watch.Bookmark && id.listEnd:
		if start := k.listing[e.Namespace]; start != 0 {
			delete(k.listing, e.Namespace)
			k.relists = append(k.relists, relist{e.Namespace, start, e.Seq})
		}
	}
}

func (x *index) addVersion(k *kind, e *Event, id *identity) {
	names := k.namespaces[e.Namespace]
	if names == nil {
		names = map[string]*object{}
		k.namespaces[e.Namespace] = names
	}
	o := names[e.Name]
	if o == nil {
		o = &object{ref: e.Ref()}
		names[e.Name] = o
	}
	deleted := e.Type == watch.Deleted
	o.versions = append(o.versions, version{e.Seq, deleted})
	var now []term
	if !deleted {
		now = id.terms(e.Resource, e.Namespace)
	}
	for i := range o.spans {
		s := &o.spans[i]
		if s.end != 0 {
			continue
		}
		if at := slices.Index(now, s.term); at >= 0 {
			now = slices.Delete(now, at, at+1)
		} else {
			s.end = e.Seq
		}
	}
	for _, t := range now {
		o.spans = append(o.spans, span{term: t, start: e.Seq})
		x.terms[t] = append(x.terms[t], o)
	}
}

// terms returns what an object with this identity can be found by, each once.
func (id *identity) terms(resource schema.GroupVersionResource, namespace string) []term {
	var terms []term
	add := func(kind termKind, key, value string) {
		t := term{resource, namespace, kind, key, value}
		if !slices.Contains(terms, t) {
			terms = append(terms, t)
		}
	}
	for _, l := range id.labels {
		add(termLabel, l.key, l.value)
	}
	for _, uid := range id.owners {
		add(termOwner, "", string(uid))
	}
	if id.involved != "" {
		add(termInvolved, "", string(id.involved))
	}
	return terms
}

// terms returns what the query demands in the namespace, none if it selects by
// place and name only.
func (q *Query) terms(resource schema.GroupVersionResource, namespace string) []term {
	var terms []term
	for key, value := range q.Labels {
		terms = append(terms, term{resource, namespace, termLabel, key, value})
	}
	if q.Owner != "" {
		terms = append(terms, term{resource, namespace, termOwner, "", string(q.Owner)})
	}
	if q.Involved != "" {
		terms = append(terms, term{resource, namespace, termInvolved, "", string(q.Involved)})
	}
	return terms
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
	for resource, k := range x.kinds {
		if !q.Resource.Empty() && q.Resource != resource {
			continue
		}
		for namespace := range k.namespaces {
			if q.Namespace == "" || q.Namespace == namespace {
				found = x.match(found, k, &q, resource, namespace, at)
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

// match appends the objects of one namespace that match and exist at the position.
func (x *index) match(found []*object, k *kind, q *Query, resource schema.GroupVersionResource, namespace string, at Seq) []*object {
	demanded := q.terms(resource, namespace)
	keep := func(o *object) {
		if q.Name != "" && o.ref.Name != q.Name {
			return
		}
		for _, t := range demanded {
			if !o.has(t, at) {
				return
			}
		}
		if k.live(o, at) {
			found = append(found, o)
		}
	}
	switch {
	case q.Name != "":
		if o := k.namespaces[namespace][q.Name]; o != nil {
			keep(o)
		}
	case len(demanded) == 0:
		for _, o := range k.namespaces[namespace] {
			keep(o)
		}
	default:
		rarest := slices.MinFunc(demanded, func(a, b term) int { return cmp.Compare(len(x.terms[a]), len(x.terms[b])) })
		seen := map[*object]bool{}
		for _, o := range x.terms[rarest] {
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

func (o *object) has(t term, at Seq) bool {
	for _, s := range o.spans {
		if s.term == t && s.start <= at && (s.end == 0 || at < s.end) {
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
	for i := len(relists) - 1; i >= 0; i-- {
		r := relists[i]
		if r.end < seq {
			break // relists are ordered by end, and begin before they end
		}
		if r.end <= at && r.start > seq && (r.scope == "" || r.scope == namespace) {
			return true
		}
	}
	return false
}

// compare orders by resource, namespace and name.
func (r Ref) compare(o Ref) int {
	return cmp.Or(
		cmp.Compare(r.Resource.Group, o.Resource.Group),
		cmp.Compare(r.Resource.Version, o.Resource.Version),
		cmp.Compare(r.Resource.Resource, o.Resource.Resource),
		cmp.Compare(r.Namespace, o.Namespace),
		cmp.Compare(r.Name, o.Name),
	)
}
