package index

import (
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/event"
)

// Index holds in memory, for a range of positions, which objects were heard of
// when, and what they could be found by from when to when. Positions are only
// added at the end, so an answer about the past never changes. It is one part
// of what a query goes through; a run is the same in the file.
type Index struct {
	kinds map[schema.GroupVersionResource]map[string]map[string]*Object // namespace, name
	terms map[Term][]*Object                                            // every object that ever had the term, once per span
	Size  int                                                           // versions
}

// Object is a name and what was heard about it, under whatever UID.
type Object struct {
	Ref      event.Ref
	Versions []Version // oldest first
	spans    []span
	rank     int // place among all, set by sorted
}

// span says that an object had an attribute from one version on, until before
// another. Both are places in its versions plus one; start 0 is before the
// index begins, end 0 is still so.
type span struct {
	attr       Attr
	start, end int
}

// Term is something Find selects by, in one namespace.
type Term struct {
	Resource  schema.GroupVersionResource
	Attr      Attr
	Namespace string
}

func NewIndex() *Index {
	return &Index{
		kinds: map[schema.GroupVersionResource]map[string]map[string]*Object{},
		terms: map[Term][]*Object{},
	}
}

// Add takes up a change; it must be later than all before.
func (x *Index) Add(c *Change) {
	o := x.hold(c.Ref)
	o.Versions = append(o.Versions, c.Version)
	x.Size++
	here := len(o.Versions)
	for _, a := range c.Removed {
		open := slices.IndexFunc(o.spans, func(s span) bool { return s.end == 0 && s.attr == a })
		if open >= 0 {
			o.spans[open].end = here
		} else {
			x.begin(o, span{a, 0, here})
		}
	}
	o.spans = slices.Grow(o.spans, len(c.Added))
	for _, a := range c.Added {
		x.begin(o, span{a, here, 0})
	}
}

func (x *Index) begin(o *Object, s span) {
	o.spans = append(o.spans, s)
	t := Term{o.Ref.Resource, s.attr, o.Ref.Namespace}
	x.terms[t] = append(x.terms[t], o)
}

// From returns the index without the versions before first that are not current
// there.
func (x *Index) From(first event.Seq) *Index {
	y := NewIndex()
	for _, namespaces := range x.kinds {
		for _, names := range namespaces {
			for _, o := range names {
				dropped := outdated(o.Versions, first)
				if dropped == len(o.Versions) {
					continue
				}
				left := y.hold(o.Ref)
				left.Versions = slices.Clone(o.Versions[dropped:])
				y.Size += len(left.Versions)
				for _, s := range o.spans {
					if p, ok := (posting{Start: s.start, End: s.end}).after(dropped); ok {
						y.begin(left, span{s.attr, p.Start, p.End})
					}
				}
			}
		}
	}
	return y
}

// outdated returns how many of an object's versions lie before first and are
// not current there.
func outdated(versions []Version, first event.Seq) int {
	n := len(UpTo(versions, max(first, 1)-1))
	if n > 0 && versions[n-1].State == Present {
		n--
	}
	return n
}

// hold returns what is known under a name, which may be nothing yet.
func (x *Index) hold(ref event.Ref) *Object {
	namespaces := x.kinds[ref.Resource]
	if namespaces == nil {
		namespaces = map[string]map[string]*Object{}
		x.kinds[ref.Resource] = namespaces
	}
	names := namespaces[ref.Namespace]
	if names == nil {
		names = map[string]*Object{}
		namespaces[ref.Namespace] = names
	}
	o := names[ref.Name]
	if o == nil {
		o = &Object{Ref: ref}
		names[ref.Name] = o
	}
	return o
}

// Resources implements part.
func (x *Index) Resources() []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for resource := range x.kinds {
		all = append(all, resource)
	}
	return all
}

// Versions implements part.
func (x *Index) Versions(ref event.Ref) ([]Version, error) {
	if o := x.kinds[ref.Resource][ref.Namespace][ref.Name]; o != nil {
		return o.Versions, nil
	}
	return nil, nil
}

// Each implements part.
func (x *Index) Each(resource schema.GroupVersionResource, namespace string, yield func(event.Ref, []Version)) error {
	for ns, names := range x.kinds[resource] {
		if namespace == "" || namespace == ns {
			for _, o := range names {
				yield(o.Ref, o.Versions)
			}
		}
	}
	return nil
}

// having implements part.
func (x *Index) having(resource schema.GroupVersionResource, a Attr, namespace string, at event.Seq, yield func(event.Ref, bool)) error {
	for ns := range x.kinds[resource] {
		if namespace != "" && namespace != ns {
			continue
		}
		for _, o := range x.terms[Term{resource, a, ns}] {
			if on, told := o.had(a, at); told {
				yield(o.Ref, on)
			}
		}
	}
	return nil
}

// had reports whether the object had the attribute at the position; told is
// false if nothing was heard of that here yet.
func (o *Object) had(a Attr, at event.Seq) (on, told bool) {
	for _, s := range o.spans {
		if s.attr == a {
			if now, heard := s.at(o.Versions, at); heard {
				on, told = now, true
			}
		}
	}
	return on, told
}

// at reports whether the span holds at the position; told is false if neither
// its start nor its end was heard by then.
func (s span) at(versions []Version, at event.Seq) (on, told bool) {
	switch {
	case s.end > 0 && versions[s.end-1].Seq <= at:
		return false, true
	case s.start > 0 && versions[s.start-1].Seq <= at:
		return true, true
	}
	return false, false
}

// UpTo returns the versions at or before the position.
func UpTo(versions []Version, at event.Seq) []Version {
	return versions[:sort.Search(len(versions), func(i int) bool { return versions[i].Seq > at })]
}
