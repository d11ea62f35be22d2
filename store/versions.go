package store

import "container/list"

// versions keeps the versions that deltas are made against: of each object its
// last one, and its key, the last that was written whole. The objects used
// least recently go when it grows over its limit; their next version is written
// whole, which costs space and nothing else.
type versions struct {
	limit, size int // bytes
	objects     map[Ref]*list.Element
	recent      list.List // of *kept, most recent first
}

type kept struct {
	ref       Ref
	key, last held
}

type held struct {
	seq Seq
	raw []byte
}

func newVersions(limit int) *versions {
	return &versions{limit: limit, objects: map[Ref]*list.Element{}}
}

// of returns what is kept of the object, nil if nothing.
func (v *versions) of(ref Ref) *kept {
	e := v.objects[ref]
	if e == nil {
		return nil
	}
	v.recent.MoveToFront(e)
	return e.Value.(*kept)
}

// keep takes a version, which must not be changed any more.
func (v *versions) keep(ref Ref, h held, whole bool) {
	e := v.objects[ref]
	if e == nil {
		e = v.recent.PushFront(&kept{ref: ref})
		v.objects[ref] = e
	}
	k := e.Value.(*kept)
	v.size -= k.bytes()
	k.last = h
	if whole {
		k.key = h
	}
	v.size += k.bytes()
	for v.size > v.limit && v.recent.Len() > 1 {
		v.drop(v.recent.Back())
	}
}

// forget drops the object.
func (v *versions) forget(ref Ref) {
	if e := v.objects[ref]; e != nil {
		v.drop(e)
	}
}

func (v *versions) drop(e *list.Element) {
	k := v.recent.Remove(e).(*kept)
	v.size -= k.bytes()
	delete(v.objects, k.ref)
}

func (k *kept) bytes() int {
	if k.key.seq == k.last.seq {
		return len(k.last.raw)
	}
	return len(k.key.raw) + len(k.last.raw)
}
