package block

import (
	"container/list"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Bounds of what decoding one version may take.
const (
	maxHops   = 256 // deltas to apply
	maxBlocks = 9   // blocks to read
)

// Bases keeps what deltas are made against: of each object its last version,
// and within the block the last version of each family, for objects that are
// new: a Pod looks much like its siblings. The objects used least recently go
// when it grows over its limit; their next version is written as if they were
// new, which costs space and nothing else.
type Bases struct {
	limit, size int // bytes
	objects     map[event.Ref]*list.Element
	recent      list.List // of *kept, most recent first
	families    map[family]Base
}

type keptBase struct {
	ref  event.Ref
	last Base
}

// Base is a version a delta may be made against. The zero value is none.
type Base struct {
	seq    event.Seq
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

func NewBases(limit int) *Bases {
	return &Bases{limit: limit, objects: map[event.Ref]*list.Element{}, families: map[family]Base{}}
}

// families returns what the object belongs to, closest first.
func familiesOf(ref event.Ref, id *rawjson.Identity) [2]family {
	f := family{ref.Resource, ref.Namespace, ""}
	wide := f
	if len(id.Owners) > 0 {
		f.owner = id.Owners[0]
	}
	return [2]family{f, wide}
}

// base returns what the next version of the object is best made against, in a
// block that begins at first.
func (v *Bases) base(ref event.Ref, id *rawjson.Identity, first event.Seq) Base {
	if e := v.objects[ref]; e != nil {
		v.recent.MoveToFront(e)
		last := e.Value.(*keptBase).last
		if last.seq < first && len(id.Owners) > 0 {
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
	return Base{}
}

// keep takes a version, made against base in a block that begins at first. raw
// must not be changed any more.
func (v *Bases) keep(ref event.Ref, id *rawjson.Identity, seq event.Seq, raw []byte, base Base, first event.Seq) {
	h := Base{seq: seq, raw: raw, blocks: 1}
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
		e = v.recent.PushFront(&keptBase{ref: ref})
		v.objects[ref] = e
	}
	k := e.Value.(*keptBase)
	v.size += len(raw) - len(k.last.raw)
	k.last = h
	for v.size > v.limit && v.recent.Len() > 1 {
		v.drop(v.recent.Back())
	}
}

// forget drops the object.
func (v *Bases) forget(ref event.Ref) {
	if e := v.objects[ref]; e != nil {
		v.drop(e)
	}
}

func (v *Bases) drop(e *list.Element) {
	k := v.recent.Remove(e).(*keptBase)
	v.size -= len(k.last.raw)
	delete(v.objects, k.ref)
}

// NextBlock ends the block: what is in it is no family to what follows.
func (v *Bases) NextBlock() { clear(v.families) }

// KeepOnly drops the versions at other positions than those to be kept.
func (v *Bases) KeepOnly(keep func(event.Seq) bool) {
	for _, e := range v.objects {
		if !keep(e.Value.(*keptBase).last.seq) {
			v.drop(e)
		}
	}
}
