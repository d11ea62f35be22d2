package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// A block holds the positions from first on, without holes. Its layout is in
// FORMAT.md.
const (
	blockVersion = 1
	blockHeader  = 1 + 32 + 8 + 4 + 8 + 4*4
	// maxSection bounds what a section may unpack to.
	maxSection = 64 << 20
	maxCount   = 1 << 20 // positions in a block
)

var errBlock = errors.New("malformed block")

// entry is one position in a block, without its content.
type entry struct {
	tag      tag
	resource int   // place in the block's resources
	time     int64 // microseconds since 1970
	back     uint64
	size     int // bytes of content
}

// tag is what an entry is: an event type, or coverage, and flags.
type tag byte

const (
	tagCoverage tag = 7
	tagType     tag = 0x0f // mask
	tagDelta    tag = 0x10 // the content is a delta against the version `back` positions before
	tagNamed    tag = 0x20 // the content begins with the identity, because the object's JSON does not tell it
)

// eventTypes are the event types by their tag.
var eventTypes = [...]watch.EventType{"", watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error, Relist}

func tagOf(t watch.EventType) (tag, error) {
	for i, known := range eventTypes {
		if i > 0 && t == known {
			return tag(i), nil
		}
	}
	return 0, fmt.Errorf("event type %q is not known", t)
}

// builder collects positions for a block.
type builder struct {
	first     Seq
	resources []schema.GroupVersionResource
	places    map[schema.GroupVersionResource]int
	entries   []entry
	content   []byte
}

func newBuilder(first Seq) *builder {
	return &builder{first: first, places: map[schema.GroupVersionResource]int{}}
}

func (b *builder) next() Seq { return b.first + Seq(len(b.entries)) }

// add takes a position whose content was appended to b.content since the
// length was start.
func (b *builder) add(t tag, resource schema.GroupVersionResource, at time.Time, back uint64, start int) {
	place, ok := b.places[resource]
	if !ok {
		place = len(b.resources)
		b.places[resource] = place
		b.resources = append(b.resources, resource)
	}
	b.entries = append(b.entries, entry{t, place, at.UnixMicro(), back, len(b.content) - start})
}

// encode makes a block of the positions from the from-th on; their content
// begins at offset.
func (b *builder) encode(z *zstd.Encoder, chain [32]byte, from, offset int) []byte {
	entries := b.entries[from:]
	columns := binary.AppendUvarint(nil, uint64(len(b.resources)))
	for _, r := range b.resources {
		columns = appendText(appendText(appendText(columns, r.Group), r.Version), r.Resource)
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
	content := b.content[offset:]
	block := append(make([]byte, 0, blockHeader+len(columns)+len(content)/8), blockVersion)
	block = append(block, chain[:]...)
	le := binary.LittleEndian
	block = le.AppendUint64(block, uint64(b.first)+uint64(from))
	block = le.AppendUint32(block, uint32(len(entries)))
	block = le.AppendUint64(block, uint64(entries[0].time))
	block = le.AppendUint32(block, uint32(len(columns)))
	sizeAt := len(block)
	block = le.AppendUint32(block, 0)
	block = le.AppendUint32(block, uint32(len(content)))
	block = le.AppendUint32(block, 0)
	block = z.EncodeAll(columns, block)
	le.PutUint32(block[sizeAt:], uint32(len(block)-blockHeader))
	packed := len(block)
	block = z.EncodeAll(content, block)
	le.PutUint32(block[sizeAt+8:], uint32(len(block)-packed))
	return block
}

// block is a decoded block. The content is unpacked by load.
type block struct {
	chain     [32]byte // digest of the block before
	first     Seq
	resources []schema.GroupVersionResource
	entries   []entry
	starts    []int // where the content of each entry begins
	content   []byte
	packed    []byte // the content before load
	size      int    // of the content after load
}

// unpack decompresses a section that must have the size.
func unpack(packed []byte, size int) ([]byte, error) {
	if size > maxSection {
		return nil, fmt.Errorf("section of %d bytes: %w", size, errBlock)
	}
	raw, err := decompressor.DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	if len(raw) != size {
		return nil, fmt.Errorf("section of %d bytes, not %d: %w", len(raw), size, errBlock)
	}
	return raw, nil
}

// decompressor is shared: DecodeAll may be called concurrently. It never
// returns more than the capacity it is given.
var decompressor = func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxSection+1), zstd.WithDecoderMaxWindow(maxSection))
	if err != nil {
		panic(err) // only wrong options
	}
	return d
}()

// parseBlock decodes a block but its content.
func parseBlock(value []byte) (*block, error) {
	w := wire{data: value}
	if v := w.byte(); v != blockVersion {
		return nil, fmt.Errorf("block of version %d: %w", v, errBlock)
	}
	b := &block{}
	copy(b.chain[:], w.take(32))
	b.first = Seq(w.uint64())
	count, last := w.uint32(), int64(w.uint64())
	columnsSize, columnsPacked := w.uint32(), w.uint32()
	contentSize, contentPacked := w.uint32(), w.uint32()
	packed := w.take(int(columnsPacked))
	b.packed, b.size = w.take(int(contentPacked)), int(contentSize)
	if w.bad || len(w.data) > 0 || count == 0 || count > maxCount || count > columnsSize || b.first == 0 {
		return nil, fmt.Errorf("header: %w", errBlock)
	}
	columns, err := unpack(packed, int(columnsSize))
	if err != nil {
		return nil, fmt.Errorf("columns: %w", err)
	}
	w = wire{data: columns}
	for range w.count(3) {
		b.resources = append(b.resources, schema.GroupVersionResource{Group: w.text(), Version: w.text(), Resource: w.text()})
	}
	tags := w.take(int(count))
	if w.bad {
		return nil, fmt.Errorf("columns: %w", errBlock)
	}
	b.entries = make([]entry, count)
	b.starts = make([]int, count)
	for i := range b.entries {
		place := w.uvarint()
		if place >= uint64(len(b.resources)) {
			return nil, fmt.Errorf("resources: %w", errBlock)
		}
		b.entries[i].tag, b.entries[i].resource = tag(tags[i]), int(place)
	}
	for i := range b.entries {
		last += int64(w.uvarint())
		b.entries[i].time = last
	}
	for i := range b.entries {
		if e := &b.entries[i]; e.tag&tagDelta != 0 {
			if e.back = w.uvarint(); e.back == 0 || e.back >= uint64(b.first)+uint64(i) {
				return nil, fmt.Errorf("bases: %w", errBlock)
			}
		}
	}
	start := 0
	for i := range b.entries {
		size := w.uvarint()
		if size > uint64(b.size-start) {
			return nil, fmt.Errorf("sizes: %w", errBlock)
		}
		b.entries[i].size, b.starts[i] = int(size), start
		start += int(size)
	}
	if w.bad || len(w.data) > 0 || start != b.size {
		return nil, fmt.Errorf("columns: %w", errBlock)
	}
	return b, nil
}

// load unpacks the content.
func (b *block) load() (err error) {
	if b.content == nil {
		if b.content, err = unpack(b.packed, b.size); err != nil {
			return fmt.Errorf("content: %w", err)
		}
		b.packed = nil
	}
	return nil
}

func (b *block) end() Seq { return b.first + Seq(len(b.entries)) }

func (b *block) timeOf(i int) time.Time { return time.UnixMicro(b.entries[i].time).UTC() }

// named is the identity in front of a content, if its JSON does not tell it.
type named struct{ namespace, name, uid, resourceVersion string }

func appendNamed(dst []byte, e *Event) []byte {
	dst = appendText(appendText(dst, e.Namespace), e.Name)
	return appendText(appendText(dst, string(e.UID)), e.ResourceVersion)
}

// body returns the content of an entry behind the identity, and that.
func (b *block) body(i int) (named, []byte, error) {
	e := b.entries[i]
	w := wire{data: b.content[b.starts[i] : b.starts[i]+e.size]}
	if e.tag&tagNamed == 0 {
		return named{}, w.data, nil
	}
	n := named{w.text(), w.text(), w.text(), w.text()}
	if w.bad {
		return named{}, nil, fmt.Errorf("identity: %w", errBlock)
	}
	return n, w.data, nil
}

// event makes the event of an entry from its whole object.
func (b *block) event(i int, raw []byte) (Event, error) {
	entry := b.entries[i]
	typ := int(entry.tag & tagType)
	if typ == 0 || typ >= len(eventTypes) {
		return Event{}, fmt.Errorf("entry of type %d: %w", typ, errBlock)
	}
	n, _, err := b.body(i)
	if err != nil {
		return Event{}, err
	}
	e := Event{Seq: b.first + Seq(i), Time: b.timeOf(i), Type: eventTypes[typ], Resource: b.resources[entry.resource]}
	if len(raw) > 0 {
		e.Object = raw
	}
	if entry.tag&tagNamed == 0 {
		id, _ := scan(e.Resource, raw)
		n = named{id.namespace, id.name, string(id.uid), id.resourceVersion}
	}
	e.Namespace, e.Name, e.UID, e.ResourceVersion = n.namespace, n.name, types.UID(n.uid), n.resourceVersion
	return e, nil
}

// statuses are the coverage statuses by number; 0 is one written as text.
var statuses = [...]Status{"", NotRecorded, Forbidden, Listing, Current, Gap}

// appendCoverage writes what an entry does not say of the change.
func appendCoverage(dst []byte, c *Coverage) []byte {
	number := byte(0)
	for i, s := range statuses {
		if s == c.Status {
			number = byte(i)
		}
	}
	flags := number << 1
	if c.Resumed {
		flags |= 1
	}
	dst = append(dst, flags)
	if number == 0 {
		dst = appendText(dst, string(c.Status))
	}
	return appendText(appendText(appendText(dst, c.Namespace), c.ResourceVersion), c.Reason)
}

// coverage reads what appendCoverage wrote.
func (w *wire) coverage() Coverage {
	var c Coverage
	flags := w.byte()
	c.Resumed = flags&1 != 0
	if number := int(flags >> 1); number == 0 {
		c.Status = Status(w.text())
	} else if number < len(statuses) {
		c.Status = statuses[number]
	} else {
		w.fail()
	}
	c.Namespace, c.ResourceVersion, c.Reason = w.text(), w.text(), w.text()
	return c
}
