package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unique"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// tracker turns events into what they change for the indexes. It remembers
// what is needed for that about each object that exists, and nothing about
// those that are gone, so that its size follows the cluster and not the
// recording.
type tracker struct {
	kinds map[schema.GroupVersionResource]*tracked
}

type tracked struct {
	objects map[Ref]*lastSeen
	listing map[string]Seq // scope: the RELIST that is not completed yet
}

type lastSeen struct {
	seq   Seq
	attrs []attr // sorted
}

// attr is something an object can be found by: a kind byte, the length of the
// key as uvarint, key, value.
type attr string

const (
	attrLabel    = 'l' // key and value of a label
	attrOwner    = 'o' // value is the UID of an owner
	attrInvolved = 'i' // value is the UID of the involved object
)

func newAttr(kind byte, key, value string) attr {
	b := make([]byte, 0, 3+len(key)+len(value))
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	return attr(append(b, value...))
}

// attrs returns what the object can be found by, sorted, each once.
func (id *identity) attrs() []attr {
	n := len(id.labels) + len(id.owners)
	if id.involved != "" {
		n++
	}
	if n == 0 {
		return nil
	}
	attrs := make([]attr, 0, n)
	for _, l := range id.labels {
		attrs = append(attrs, newAttr(attrLabel, l.key, l.value))
	}
	for _, uid := range id.owners {
		attrs = append(attrs, newAttr(attrOwner, "", string(uid)))
	}
	if id.involved != "" {
		attrs = append(attrs, newAttr(attrInvolved, "", string(id.involved)))
	}
	slices.Sort(attrs)
	return slices.Compact(attrs)
}

// attrs returns what the query demands, none if it selects by place and name only.
func (q *Query) attrs() []attr {
	var attrs []attr
	for key, value := range q.Labels {
		attrs = append(attrs, newAttr(attrLabel, key, value))
	}
	if q.Owner != "" {
		attrs = append(attrs, newAttr(attrOwner, "", string(q.Owner)))
	}
	if q.Involved != "" {
		attrs = append(attrs, newAttr(attrInvolved, "", string(q.Involved)))
	}
	return attrs
}

// change is what the indexes take up of one object: a version of it, or that it
// is gone.
type change struct {
	version
	ref Ref
	// added and removed are what the object can be found by from now on, or
	// no longer.
	added, removed []attr
}

// version is a position in the life of an object.
type version struct {
	seq   Seq
	state state
}

// state is what an object is from a version on.
type state byte

const (
	present state = iota
	deleted       // the event says so
	// gone: no event said so, but a list that began after the last one was
	// completed without it at this position.
	gone
)

func newTracker() *tracker {
	return &tracker{kinds: map[schema.GroupVersionResource]*tracked{}}
}

// observe takes an event with its identity and appends what it changes.
func (t *tracker) observe(changes []change, e *Event, id *identity) []change {
	k := t.kinds[e.Resource]
	if k == nil {
		k = &tracked{objects: map[Ref]*lastSeen{}, listing: map[string]Seq{}}
		t.kinds[e.Resource] = k
	}
	switch {
	case e.Type == watch.Deleted:
		c := change{version: version{e.Seq, deleted}, ref: e.Ref()}
		if o := k.objects[c.ref]; o != nil {
			c.removed = o.attrs
			delete(k.objects, c.ref)
		}
		return append(changes, c)
	case e.IsObject():
		c := change{version: version{e.Seq, present}, ref: e.Ref()}
		o := k.objects[c.ref]
		if o == nil {
			o = &lastSeen{}
			k.objects[c.ref] = o
		}
		o.seq = e.Seq
		if attrs := id.attrs(); !slices.Equal(attrs, o.attrs) {
			c.added, c.removed = without(attrs, o.attrs), without(o.attrs, attrs)
			for i, a := range attrs {
				attrs[i] = unique.Make(a).Value() // many Pods, few labels and owners
			}
			o.attrs = attrs
		}
		return append(changes, c)
	case e.Type == Relist:
		k.listing[e.Namespace] = e.Seq
	case e.Type == watch.Bookmark && id.listEnd:
		if begun := k.listing[e.Namespace]; begun != 0 {
			delete(k.listing, e.Namespace)
			return k.sweep(changes, e.Namespace, begun, e.Seq)
		}
	}
	return changes
}

// sweep forgets what was not in the list of the scope that began at begun and
// is complete at end.
func (k *tracked) sweep(changes []change, scope string, begun, end Seq) []change {
	n := len(changes)
	for ref, o := range k.objects {
		if o.seq < begun && (scope == "" || scope == ref.Namespace) {
			changes = append(changes, change{version: version{end, gone}, ref: ref, removed: o.attrs})
			delete(k.objects, ref)
		}
	}
	slices.SortFunc(changes[n:], func(a, b change) int { return a.ref.compare(b.ref) })
	return changes
}

// without returns what is in a and not in b; both are sorted.
func without(a, b []attr) []attr {
	var only []attr
	for _, x := range a {
		if _, found := slices.BinarySearch(b, x); !found {
			only = append(only, x)
		}
	}
	return only
}

// compare orders by resource, namespace and name.
func (r Ref) compare(o Ref) int {
	return cmp.Or(
		compareResources(r.Resource, o.Resource),
		cmp.Compare(r.Namespace, o.Namespace),
		cmp.Compare(r.Name, o.Name),
	)
}

func compareResources(a, b schema.GroupVersionResource) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Resource, b.Resource))
}
