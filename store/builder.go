package store

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// builder collects positions for a block. The content of each resource is kept
// apart, because like compresses with like and who reads Pods need not unpack
// the rest.
type builder struct {
	first   Seq
	lanes   []lane
	places  map[schema.GroupVersionResource]int // in lanes
	entries []entry
	size    int // of all content
}

// lane is the content of one resource.
type lane struct {
	resource  schema.GroupVersionResource
	content   []byte
	committed int // bytes that are in the file
}

func newBuilder(first Seq) *builder {
	return &builder{first: first, places: map[schema.GroupVersionResource]int{}}
}

// next returns the position after the last one.
func (b *builder) next() Seq {
	if n := len(b.entries); n > 0 {
		return b.entries[n-1].seq + 1
	}
	return b.first
}

// lane returns the place of the resource's lane.
func (b *builder) lane(resource schema.GroupVersionResource) int {
	place, ok := b.places[resource]
	if !ok {
		place = len(b.lanes)
		b.places[resource] = place
		b.lanes = append(b.lanes, lane{resource: resource})
	}
	return place
}

// addEvent takes an event with its identity. Its object is written as a delta
// if v has a version to make it against.
func (b *builder) addEvent(e *Event, id *identity, flags tag, v *versions, d *differ) error {
	t, err := tagOf(e.Type)
	if err != nil {
		return err
	}
	t |= flags
	l := b.lane(e.Resource)
	content := b.lanes[l].content
	start := len(content)
	if id.namespace != e.Namespace || id.name != e.Name || id.uid != e.UID || id.resourceVersion != e.ResourceVersion {
		t |= tagNamed
		content = appendNamed(content, e)
	}
	base := held{}
	if e.IsObject() {
		content, base = b.appendObject(content, e, id, v, d)
	} else {
		content = append(content, e.Object...)
	}
	back := uint64(0)
	if base.seq != 0 {
		t |= tagDelta
		back = uint64(e.Seq - base.seq)
	}
	b.add(e.Seq, t, l, e.Time, back, content[start:])
	b.lanes[l].content = content
	return nil
}

// appendObject returns what the object was made a delta against, if it was.
func (b *builder) appendObject(content []byte, e *Event, id *identity, v *versions, d *differ) ([]byte, held) {
	ref, raw := e.Ref(), bytes.Clone(e.Object)
	base, start := v.base(ref, id, b.first), len(content)
	if base.seq != 0 {
		content = d.delta(content, base.raw, raw)
		if (len(content)-start)*worthwhile > len(raw) {
			content, base = content[:start], held{}
		}
	}
	if base.seq == 0 {
		content = append(content, raw...)
	}
	v.keep(ref, id, e.Seq, raw, base, b.first)
	if e.Type == watch.Deleted {
		v.forget(ref)
	}
	return content, base
}

// addCoverage takes a change of coverage.
func (b *builder) addCoverage(c *Coverage) {
	l := b.lane(c.Resource)
	start := len(b.lanes[l].content)
	b.lanes[l].content = appendCoverage(b.lanes[l].content, c)
	b.add(c.Seq, tagCoverage, l, c.Time, 0, b.lanes[l].content[start:])
}

func (b *builder) add(seq Seq, t tag, lane int, at time.Time, back uint64, content []byte) {
	b.entries = append(b.entries, entry{seq, at.UnixMicro(), back, uint32(len(content)), uint32(lane), t})
	b.size += len(content)
}

// committed notes that everything added is in the file.
func (b *builder) committed() {
	for i := range b.lanes {
		b.lanes[i].committed = len(b.lanes[i].content)
	}
}

// encode makes a block of the positions from the from-th on: of all, or of
// those that are not committed.
func (b *builder) encode(z *zstd.Encoder, chain [32]byte, from int) []byte {
	sections, of := b.sections(from > 0)
	packed := make([][]byte, len(sections))
	columns := binary.AppendUvarint(nil, uint64(len(sections)))
	for i, raw := range sections {
		packed[i] = z.EncodeAll(raw, nil)
		columns = binary.AppendUvarint(columns, uint64(len(raw)))
		columns = binary.AppendUvarint(columns, uint64(len(packed[i])))
	}
	columns = binary.AppendUvarint(columns, uint64(len(b.lanes)))
	for i, l := range b.lanes {
		columns = appendText(appendText(appendText(columns, l.resource.Group), l.resource.Version), l.resource.Resource)
		columns = binary.AppendUvarint(columns, uint64(of[i]))
	}
	entries := b.entries[from:]
	first, layout := entries[0].seq, byte(blockDense)
	if n := len(entries); entries[n-1].seq != first+Seq(n-1) {
		layout = blockSparse
		last := first
		for _, e := range entries {
			columns = binary.AppendUvarint(columns, uint64(e.seq-last))
			last = e.seq
		}
	}
	for _, e := range entries {
		columns = append(columns, byte(e.tag))
	}
	for _, e := range entries {
		columns = binary.AppendUvarint(columns, uint64(e.resource))
	}
	last := entries[0].time
	for _, e := range entries {
		columns = binary.AppendUvarint(columns, uint64(e.time-last))
		last = e.time
	}
	for _, e := range entries {
		if e.tag&tagDelta != 0 {
			columns = binary.AppendUvarint(columns, e.back)
		}
	}
	for _, e := range entries {
		columns = binary.AppendUvarint(columns, uint64(e.size))
	}
	le := binary.LittleEndian
	block := append(make([]byte, 0, blockHeader+len(columns)), layout)
	block = append(block, chain[:]...)
	block = le.AppendUint64(block, uint64(first))
	block = le.AppendUint32(block, uint32(len(entries)))
	block = le.AppendUint64(block, uint64(entries[0].time))
	block = le.AppendUint32(block, uint32(len(columns)))
	block = le.AppendUint32(block, 0)
	block = z.EncodeAll(columns, block)
	le.PutUint32(block[blockHeader-4:], uint32(len(block)-blockHeader))
	for _, p := range packed {
		block = append(block, p...)
	}
	return block
}

// ownSection is the content from which on a resource has a section of its own.
const ownSection = 64 << 10

// sections distributes the lanes: small ones share the first section. It
// returns the content of the sections and the section of each lane.
func (b *builder) sections(fresh bool) (sections [][]byte, of []int) {
	sections, of = [][]byte{nil}, make([]int, len(b.lanes))
	for i, l := range b.lanes {
		content := l.content
		if fresh {
			content = content[l.committed:]
		}
		if len(content) >= ownSection {
			of[i] = len(sections)
			sections = append(sections, content)
		} else {
			sections[0] = append(sections[0], content...)
		}
	}
	return sections, of
}
