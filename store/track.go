package store

import (
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
	kinds  map[schema.GroupVersionResource]*tracked
	packed []byte // used again and again
}

// tracked is what is remembered of one resource.
type tracked struct {
	objects map[objectKey]lastSeen
	listing map[string]Seq // scope: the RELIST that is not completed yet
}

type objectKey struct{ namespace, name string }

// lastSeen is kept for each object of the cluster, so it is small: what many
// objects are found by (the Pods of a ReplicaSet) is there once.
type lastSeen struct {
	seq   Seq
	attrs unique.Handle[attrSet]
}

// attrSet is a sorted list of attributes in one string, each with its length in
// front as uvarint.
type attrSet string

var noAttrs = unique.Make(attrSet(""))

func packAttrs(dst []byte, attrs []attr) []byte {
	for _, a := range attrs {
		dst = appendText(dst, string(a))
	}
	return dst
}

// unpack returns the attributes, which are parts of the set's own memory.
func (s attrSet) unpack() []attr {
	var attrs []attr
	for rest := string(s); rest != ""; {
		n, size := 0, 0
		for shift := 0; ; shift += 7 {
			b := rest[size]
			n |= int(b&0x7f) << shift
			if size++; b < 0x80 {
				break
			}
		}
		attrs = append(attrs, attr(rest[size:size+n]))
		rest = rest[size+n:]
	}
	return attrs
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

// attrsOf returns what the object can be found by, sorted, each once.
func attrsOf(id *identity) []attr {
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

// demandedBy returns what the query demands, none if it selects by place and name only.
func demandedBy(q *Query) []attr {
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
		k = &tracked{objects: map[objectKey]lastSeen{}, listing: map[string]Seq{}}
		t.kinds[e.Resource] = k
	}
	at := objectKey{e.Namespace, e.Name}
	switch {
	case e.Type == watch.Deleted:
		c := change{version: version{e.Seq, deleted}, ref: e.Ref()}
		if o, known := k.objects[at]; known {
			c.removed = o.attrs.Value().unpack()
			delete(k.objects, at)
		}
		return append(changes, c)
	case e.IsObject():
		c := change{version: version{e.Seq, present}, ref: e.Ref()}
		o, known := k.objects[at]
		if !known {
			o.attrs = noAttrs
		}
		o.seq = e.Seq
		t.packed = packAttrs(t.packed[:0], attrsOf(id))
		if before := o.attrs.Value(); string(t.packed) != string(before) {
			o.attrs = unique.Make(attrSet(t.packed))
			now, old := o.attrs.Value().unpack(), before.unpack()
			c.added, c.removed = without(now, old), without(old, now)
		}
		k.objects[at] = o
		return append(changes, c)
	case e.Type == Relist:
		k.listing[e.Namespace] = e.Seq
	case e.Type == watch.Bookmark && id.listEnd:
		if begun := k.listing[e.Namespace]; begun != 0 {
			delete(k.listing, e.Namespace)
			return k.sweep(changes, e.Resource, e.Namespace, begun, e.Seq)
		}
	}
	return changes
}

// sweep forgets what was not in the list of the scope that began at begun and
// is complete at end.
func (k *tracked) sweep(changes []change, resource schema.GroupVersionResource, scope string, begun, end Seq) []change {
	n := len(changes)
	for at, o := range k.objects {
		if o.seq < begun && (scope == "" || scope == at.namespace) {
			ref := Ref{resource, at.namespace, at.name}
			changes = append(changes, change{version: version{end, gone}, ref: ref, removed: o.attrs.Value().unpack()})
			delete(k.objects, at)
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
