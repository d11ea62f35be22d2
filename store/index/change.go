package index

import (
	"encoding/binary"
	"slices"
	"unique"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Tracker turns events into what they change for the indexes. It remembers
// what is needed for that about each object that exists, and nothing about
// those that are gone, so that its size follows the cluster and not the
// recording.
type Tracker struct {
	Kinds  map[schema.GroupVersionResource]*tracked
	packed []byte // used again and again
}

// tracked is what is remembered of one resource.
type tracked struct {
	Objects map[objectKey]lastSeen
	Listing map[string]event.Seq // scope: the RELIST that is not completed yet
}

type objectKey struct{ Namespace, Name string }

// lastSeen is kept for each object of the cluster, so it is small: what many
// objects are found by (the Pods of a ReplicaSet) is there once.
type lastSeen struct {
	Seq   event.Seq
	Attrs unique.Handle[attrSet]
}

// attrSet is a sorted list of attributes in one string, each with its length in
// front as uvarint.
type attrSet string

var noAttrs = unique.Make(attrSet(""))

func packAttrs(dst []byte, attrs []Attr) []byte {
	for _, a := range attrs {
		dst = encoding.AppendText(dst, string(a))
	}
	return dst
}

// Unpack returns the attributes, which are parts of the set's own memory.
func (s attrSet) Unpack() []Attr {
	var attrs []Attr
	for rest := string(s); rest != ""; {
		n, size := 0, 0
		for shift := 0; ; shift += 7 {
			b := rest[size]
			n |= int(b&0x7f) << shift
			if size++; b < 0x80 {
				break
			}
		}
		attrs = append(attrs, Attr(rest[size:size+n]))
		rest = rest[size+n:]
	}
	return attrs
}

// Attr is something an object can be found by: a kind byte, the length of the
// key as uvarint, key, value.
type Attr string

const (
	attrLabel    = 'l' // key and value of a label
	attrOwner    = 'o' // value is the UID of an owner
	attrInvolved = 'i' // value is the UID of the involved object
)

func newAttr(kind byte, key, value string) Attr {
	b := make([]byte, 0, 3+len(key)+len(value))
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	return Attr(append(b, value...))
}

// AttrsOf returns what the object can be found by, sorted, each once.
func AttrsOf(id *rawjson.Identity) []Attr {
	n := len(id.Labels) + len(id.Owners)
	if id.Involved != "" {
		n++
	}
	if n == 0 {
		return nil
	}
	attrs := make([]Attr, 0, n)
	for _, l := range id.Labels {
		attrs = append(attrs, newAttr(attrLabel, l.Key, l.Value))
	}
	for _, uid := range id.Owners {
		attrs = append(attrs, newAttr(attrOwner, "", string(uid)))
	}
	if id.Involved != "" {
		attrs = append(attrs, newAttr(attrInvolved, "", string(id.Involved)))
	}
	slices.Sort(attrs)
	return slices.Compact(attrs)
}

// demandedBy returns what the query demands, none if it selects by place and name only.
func demandedBy(q *event.Query) []Attr {
	var attrs []Attr
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

// Change is what the indexes take up of one object: a version of it, or that it
// is gone.
type Change struct {
	Version
	Ref event.Ref
	// Added and removed are what the object can be found by from now on, or
	// no longer.
	Added, Removed []Attr
}

// Version is a position in the life of an object.
type Version struct {
	Seq   event.Seq
	State state
}

// state is what an object is from a version on.
type state byte

const (
	Present state = iota
	Deleted       // the event says so
	// gone: no event said so, but a list that began after the last one was
	// completed without it at this position.
	Gone
)

func NewTracker() *Tracker {
	return &Tracker{Kinds: map[schema.GroupVersionResource]*tracked{}}
}

// Observe takes an event with its identity and appends what it changes.
func (t *Tracker) Observe(changes []Change, e *event.Event, id *rawjson.Identity) []Change {
	k := t.Kinds[e.Resource]
	if k == nil {
		k = &tracked{Objects: map[objectKey]lastSeen{}, Listing: map[string]event.Seq{}}
		t.Kinds[e.Resource] = k
	}
	at := objectKey{e.Namespace, e.Name}
	switch {
	case e.Type == watch.Deleted:
		c := Change{Version: Version{e.Seq, Deleted}, Ref: e.Ref()}
		if o, known := k.Objects[at]; known {
			c.Removed = o.Attrs.Value().Unpack()
			delete(k.Objects, at)
		}
		return append(changes, c)
	case e.IsObject():
		c := Change{Version: Version{e.Seq, Present}, Ref: e.Ref()}
		o, known := k.Objects[at]
		if !known {
			o.Attrs = noAttrs
		}
		o.Seq = e.Seq
		t.packed = packAttrs(t.packed[:0], AttrsOf(id))
		if before := o.Attrs.Value(); string(t.packed) != string(before) {
			o.Attrs = unique.Make(attrSet(t.packed))
			now, old := o.Attrs.Value().Unpack(), before.Unpack()
			c.Added, c.Removed = without(now, old), without(old, now)
		}
		k.Objects[at] = o
		return append(changes, c)
	case e.Type == event.Relist:
		k.Listing[e.Namespace] = e.Seq
	case e.Type == watch.Bookmark && id.ListEnd:
		if begun := k.Listing[e.Namespace]; begun != 0 {
			delete(k.Listing, e.Namespace)
			return k.sweep(changes, e.Resource, e.Namespace, begun, e.Seq)
		}
	}
	return changes
}

// sweep forgets what was not in the list of the scope that began at begun and
// is complete at end.
func (k *tracked) sweep(changes []Change, resource schema.GroupVersionResource, scope string, begun, end event.Seq) []Change {
	n := len(changes)
	for at, o := range k.Objects {
		if o.Seq < begun && (scope == "" || scope == at.Namespace) {
			ref := event.Ref{Resource: resource, Namespace: at.Namespace, Name: at.Name}
			changes = append(changes, Change{Version: Version{end, Gone}, Ref: ref, Removed: o.Attrs.Value().Unpack()})
			delete(k.Objects, at)
		}
	}
	slices.SortFunc(changes[n:], func(a, b Change) int { return a.Ref.Compare(b.Ref) })
	return changes
}

// without returns what is in a and not in b; both are sorted.
func without(a, b []Attr) []Attr {
	var only []Attr
	for _, x := range a {
		if _, found := slices.BinarySearch(b, x); !found {
			only = append(only, x)
		}
	}
	return only
}
