package block

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Builder collects positions for a block. The content of each resource is kept
// apart, because like compresses with like and who reads Pods need not unpack
// the rest.
type Builder struct {
	First   event.Seq
	lanes   []lane
	places  map[schema.GroupVersionResource]int // in lanes
	Entries []Entry
	Size    int // of all content
}

// lane is the content of one resource.
type lane struct {
	resource  schema.GroupVersionResource
	content   []byte
	committed int // bytes that are in the file
}

func NewBuilder(first event.Seq) *Builder {
	return &Builder{First: first, places: map[schema.GroupVersionResource]int{}}
}

// Next returns the position after the last one.
func (b *Builder) Next() event.Seq {
	if n := len(b.Entries); n > 0 {
		return b.Entries[n-1].Seq + 1
	}
	return b.First
}

// lane returns the place of the resource's lane.
func (b *Builder) lane(resource schema.GroupVersionResource) int {
	place, ok := b.places[resource]
	if !ok {
		place = len(b.lanes)
		b.places[resource] = place
		b.lanes = append(b.lanes, lane{resource: resource})
	}
	return place
}

// AddEvent takes an event with its identity. Its object is written as a delta
// if v has a version to make it against.
func (b *Builder) AddEvent(e *event.Event, id *rawjson.Identity, flags Tag, v *Bases, d *Differ) error {
	t, err := TagOf(e.Type)
	if err != nil {
		return err
	}
	t |= flags
	l := b.lane(e.Resource)
	content := b.lanes[l].content
	start := len(content)
	if id.Namespace != e.Namespace || id.Name != e.Name || id.UID != e.UID || id.ResourceVersion != e.ResourceVersion {
		t |= tagNamed
		content = appendNamed(content, e)
	}
	base := Base{}
	if e.IsObject() {
		content, base = b.appendObject(content, e, id, v, d)
	} else {
		content = append(content, e.Object...)
	}
	back := uint64(0)
	if base.seq != 0 {
		t |= TagDelta
		back = uint64(e.Seq - base.seq)
	}
	b.add(e.Seq, t, l, e.Time, back, content[start:])
	b.lanes[l].content = content
	return nil
}

// appendObject returns what the object was made a delta against, if it was.
func (b *Builder) appendObject(content []byte, e *event.Event, id *rawjson.Identity, v *Bases, d *Differ) ([]byte, Base) {
	ref, raw := e.Ref(), bytes.Clone(e.Object)
	base, start := v.base(ref, id, b.First), len(content)
	if base.seq != 0 {
		content = d.delta(content, base.raw, raw)
		if (len(content)-start)*worthwhile > len(raw) {
			content, base = content[:start], Base{}
		}
	}
	if base.seq == 0 {
		content = append(content, raw...)
	}
	v.keep(ref, id, e.Seq, raw, base, b.First)
	if e.Type == watch.Deleted {
		v.forget(ref)
	}
	return content, base
}

// AddCoverage takes a change of coverage.
func (b *Builder) AddCoverage(c *event.Coverage) {
	l := b.lane(c.Resource)
	start := len(b.lanes[l].content)
	b.lanes[l].content = AppendCoverage(b.lanes[l].content, c)
	b.add(c.Seq, TagCoverage, l, c.Time, 0, b.lanes[l].content[start:])
}

func (b *Builder) add(seq event.Seq, t Tag, lane int, at time.Time, back uint64, content []byte) {
	b.Entries = append(b.Entries, Entry{seq, at.UnixMicro(), back, uint32(len(content)), uint32(lane), t})
	b.Size += len(content)
}

// Committed notes that everything added is in the file.
func (b *Builder) Committed() {
	for i := range b.lanes {
		b.lanes[i].committed = len(b.lanes[i].content)
	}
}

// Encode makes a block of the positions from the from-th on: of all, or of
// those that are not committed.
func (b *Builder) Encode(z *zstd.Encoder, chain [32]byte, from int) []byte {
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
		columns = encoding.AppendText(encoding.AppendText(encoding.AppendText(columns, l.resource.Group), l.resource.Version), l.resource.Resource)
		columns = binary.AppendUvarint(columns, uint64(of[i]))
	}
	entries := b.Entries[from:]
	first, layout := entries[0].Seq, byte(blockDense)
	if n := len(entries); entries[n-1].Seq != first+event.Seq(n-1) {
		layout = blockSparse
		last := first
		for _, e := range entries {
			columns = binary.AppendUvarint(columns, uint64(e.Seq-last))
			last = e.Seq
		}
	}
	for _, e := range entries {
		columns = append(columns, byte(e.Tag))
	}
	for _, e := range entries {
		columns = binary.AppendUvarint(columns, uint64(e.resource))
	}
	last := entries[0].Time
	for _, e := range entries {
		columns = binary.AppendUvarint(columns, uint64(e.Time-last))
		last = e.Time
	}
	for _, e := range entries {
		if e.Tag&TagDelta != 0 {
			columns = binary.AppendUvarint(columns, e.Back)
		}
	}
	for _, e := range entries {
		columns = binary.AppendUvarint(columns, uint64(e.size))
	}
	le := binary.LittleEndian
	blk := append(make([]byte, 0, blockHeader+len(columns)), layout)
	blk = append(blk, chain[:]...)
	blk = le.AppendUint64(blk, uint64(first))
	blk = le.AppendUint32(blk, uint32(len(entries)))
	blk = le.AppendUint64(blk, uint64(entries[0].Time))
	blk = le.AppendUint32(blk, uint32(len(columns)))
	blk = le.AppendUint32(blk, 0)
	blk = z.EncodeAll(columns, blk)
	le.PutUint32(blk[blockHeader-4:], uint32(len(blk)-blockHeader))
	for _, p := range packed {
		blk = append(blk, p...)
	}
	return blk
}

// ownSection is the content from which on a resource has a section of its own.
const ownSection = 64 << 10

// sections distributes the lanes: small ones share the first section. It
// returns the content of the sections and the section of each lane.
func (b *Builder) sections(fresh bool) (sections [][]byte, of []int) {
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
