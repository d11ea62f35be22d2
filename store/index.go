package store

import (
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// index holds in memory, for a range of positions, which objects were heard of
// when, and what they could be found by from when to when. Positions are only
// added at the end, so an answer about the past never changes. It is one part
// of what a query goes through; a run is the same in the file.
type index struct {
	kinds map[schema.GroupVersionResource]map[string]map[string]*object // namespace, name
	terms map[term][]*object                                            // every object that ever had the term, once per span
	size  int                                                           // versions
}

// object is a name and what was heard about it, under whatever UID.
type object struct {
	ref      Ref
	versions []version // oldest first
	spans    []span
	rank     int // place among all, set by sorted
}

// span says that an object had an attribute from one version on, until before
// another. Both are places in its versions plus one; start 0 is before the
// index begins, end 0 is still so.
type span struct {
	attr       attr
	start, end int
}

// term is something Find selects by, in one namespace.
type term struct {
	resource  schema.GroupVersionResource
	attr      attr
	namespace string
}

func newIndex() *index {
	return &index{
		kinds: map[schema.GroupVersionResource]map[string]map[string]*object{},
		terms: map[term][]*object{},
	}
}

// add takes up a change; it must be later than all before.
func (x *index) add(c *change) {
	o := x.hold(c.ref)
	o.versions = append(o.versions, c.version)
	x.size++
	here := len(o.versions)
	for _, a := range c.removed {
		open := slices.IndexFunc(o.spans, func(s span) bool { return s.end == 0 && s.attr == a })
		if open >= 0 {
			o.spans[open].end = here
		} else {
			x.begin(o, span{a, 0, here})
		}
	}
	o.spans = slices.Grow(o.spans, len(c.added))
	for _, a := range c.added {
		x.begin(o, span{a, here, 0})
	}
}

func (x *index) begin(o *object, s span) {
	o.spans = append(o.spans, s)
	t := term{o.ref.Resource, s.attr, o.ref.Namespace}
	x.terms[t] = append(x.terms[t], o)
}

// from returns the index without the versions before first that are not current
// there.
func (x *index) from(first Seq) *index {
	y := newIndex()
	for _, namespaces := range x.kinds {
		for _, names := range namespaces {
			for _, o := range names {
				dropped := outdated(o.versions, first)
				if dropped == len(o.versions) {
					continue
				}
				left := y.hold(o.ref)
				left.versions = slices.Clone(o.versions[dropped:])
				y.size += len(left.versions)
				for _, s := range o.spans {
					if p, ok := (posting{start: s.start, end: s.end}).after(dropped); ok {
						y.begin(left, span{s.attr, p.start, p.end})
					}
				}
			}
		}
	}
	return y
}

// outdated returns how many of an object's versions lie before first and are
// not current there.
func outdated(versions []version, first Seq) int {
	n := len(upTo(versions, max(first, 1)-1))
	if n > 0 && versions[n-1].state == present {
		n--
	}
	return n
}

// hold returns what is known under a name, which may be nothing yet.
func (x *index) hold(ref Ref) *object {
	namespaces := x.kinds[ref.Resource]
	if namespaces == nil {
		namespaces = map[string]map[string]*object{}
		x.kinds[ref.Resource] = namespaces
	}
	names := namespaces[ref.Namespace]
	if names == nil {
		names = map[string]*object{}
		namespaces[ref.Namespace] = names
	}
	o := names[ref.Name]
	if o == nil {
		o = &object{ref: ref}
		names[ref.Name] = o
	}
	return o
}

// resources implements part.
func (x *index) resources() []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for resource := range x.kinds {
		all = append(all, resource)
	}
	return all
}

// versions implements part.
func (x *index) versions(ref Ref) ([]version, error) {
	if o := x.kinds[ref.Resource][ref.Namespace][ref.Name]; o != nil {
		return o.versions, nil
	}
	return nil, nil
}

// each implements part.
func (x *index) each(resource schema.GroupVersionResource, namespace string, yield func(Ref, []version)) error {
	for ns, names := range x.kinds[resource] {
		if namespace == "" || namespace == ns {
			for _, o := range names {
				yield(o.ref, o.versions)
			}
		}
	}
	return nil
}

// having implements part.
func (x *index) having(resource schema.GroupVersionResource, a attr, namespace string, at Seq, yield func(Ref, bool)) error {
	for ns := range x.kinds[resource] {
		if namespace != "" && namespace != ns {
			continue
		}
		for _, o := range x.terms[term{resource, a, ns}] {
			if on, told := o.had(a, at); told {
				yield(o.ref, on)
			}
		}
	}
	return nil
}

// had reports whether the object had the attribute at the position; told is
// false if nothing was heard of that here yet.
func (o *object) had(a attr, at Seq) (on, told bool) {
	for _, s := range o.spans {
		if s.attr == a {
			if now, heard := s.at(o.versions, at); heard {
				on, told = now, true
			}
		}
	}
	return on, told
}

// at reports whether the span holds at the position; told is false if neither
// its start nor its end was heard by then.
func (s span) at(versions []version, at Seq) (on, told bool) {
	switch {
	case s.end > 0 && versions[s.end-1].seq <= at:
		return false, true
	case s.start > 0 && versions[s.start-1].seq <= at:
		return true, true
	}
	return false, false
}

// upTo returns the versions at or before the position.
func upTo(versions []version, at Seq) []version {
	return versions[:sort.Search(len(versions), func(i int) bool { return versions[i].seq > at })]
}
