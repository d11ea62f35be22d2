package store

import (
	"container/list"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Bounds of what decoding one version may take.
const (
	maxHops   = 256 // deltas to apply
	maxBlocks = 9   // blocks to read
)

// versions keeps what deltas are made against: of each object its last version,
// and within the block the last version of each family, for objects that are
// new: a Pod looks much like its siblings. The objects used least recently go
// when it grows over its limit; their next version is written as if they were
// new, which costs space and nothing else.
type versions struct {
	limit, size int // bytes
	objects     map[Ref]*list.Element
	recent      list.List // of *kept, most recent first
	families    map[family]held
}

type kept struct {
	ref  Ref
	last held
}

// held is a version a delta may be made against. The zero value is none.
type held struct {
	seq    Seq
	raw    []byte
	hops   int // deltas to apply for it
	blocks int // blocks to read for it
}

// family is what objects alike have in common.
type family struct {
	resource  schema.GroupVersionResource
	namespace string
	owner     types.UID // "" for all of the namespace
}

func newVersions(limit int) *versions {
	return &versions{limit: limit, objects: map[Ref]*list.Element{}, families: map[family]held{}}
}

// families returns what the object belongs to, closest first.
func familiesOf(ref Ref, id *identity) [2]family {
	f := family{ref.Resource, ref.Namespace, ""}
	wide := f
	if len(id.owners) > 0 {
		f.owner = id.owners[0]
	}
	return [2]family{f, wide}
}

// base returns what the next version of the object is best made against, in a
// block that begins at first.
func (v *versions) base(ref Ref, id *identity, first Seq) held {
	if e := v.objects[ref]; e != nil {
		v.recent.MoveToFront(e)
		last := e.Value.(*kept).last
		if last.seq < first && len(id.owners) > 0 {
			// A sibling in the block serves as well and saves reading another.
			if near := v.families[familiesOf(ref, id)[0]]; near.seq >= first && near.hops < maxHops && near.blocks <= last.blocks {
				return near
			}
		}
		if last.hops < maxHops && (last.seq >= first || last.blocks < maxBlocks) {
			return last
		}
	}
	for _, f := range familiesOf(ref, id) {
		if last := v.families[f]; last.seq >= first && last.hops < maxHops {
			return last
		}
	}
	return held{}
}

// keep takes a version, made against base in a block that begins at first. raw
// must not be changed any more.
func (v *versions) keep(ref Ref, id *identity, seq Seq, raw []byte, base held, first Seq) {
	h := held{seq: seq, raw: raw, blocks: 1}
	if base.seq != 0 {
		h.hops, h.blocks = base.hops+1, base.blocks
		if base.seq < first {
			h.blocks++
		}
	}
	for _, f := range familiesOf(ref, id) {
		v.families[f] = h
	}
	e := v.objects[ref]
	if e == nil {
		e = v.recent.PushFront(&kept{ref: ref})
		v.objects[ref] = e
	}
	k := e.Value.(*kept)
	v.size += len(raw) - len(k.last.raw)
	k.last = h
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
	v.size -= len(k.last.raw)
	delete(v.objects, k.ref)
}

// nextBlock ends the block: what is in it is no family to what follows.
func (v *versions) nextBlock() { clear(v.families) }

// keepOnly drops the versions at other positions than those to be kept.
func (v *versions) keepOnly(keep func(Seq) bool) {
	for _, e := range v.objects {
		if !keep(e.Value.(*kept).last.seq) {
			v.drop(e)
		}
	}
}
