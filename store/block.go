package store

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// A block holds positions in order; only what a ring carries over, and what was
// cut from another recording, has holes in between. Its layout is in FORMAT.md.
const (
	blockDense   = 1 // positions from first on, without holes
	blockSparse  = 2 // positions are given one by one
	blockHeader  = 1 + 32 + 8 + 4 + 8 + 4 + 4
	maxCount     = 1 << 20 // positions in a block
	maxResources = 1 << 16 // in a block
	// A block of n positions has at least n/maxDensity - freeCount bytes: no
	// writer packs them denser, and reading takes time for each.
	maxDensity = 32
	freeCount  = 1 << 13
	worthwhile = 2 // a delta is kept if it is this many times smaller
)

// minTime and maxTime are the beginning of year 1 and the end of year 9999, in
// microseconds since 1970: others cannot be written as JSON.
const (
	minTime = -62135596800_000_000
	maxTime = 253402300799_999_999
)

// entry is one position in a block, without its content. Whoever looks for one
// event has all entries of its block in memory, so it is small.
type entry struct {
	seq      Seq
	time     int64 // microseconds since 1970
	back     uint64
	size     uint32 // bytes of content
	resource uint32 // place in the block's resources
	tag      tag
}

// tag is what an entry is: an event type, or coverage, and flags.
type tag byte

const (
	tagRelist   tag = 6
	tagCoverage tag = 7
	tagType     tag = 0x0f // mask
	tagDelta    tag = 0x10 // the content is a delta against the version `back` positions before
	tagNamed    tag = 0x20 // the content begins with the identity, because the object's JSON does not tell it
	tagBase     tag = 0x40 // kept only because another is a delta against it
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

// block is a decoded block. Its sections are unpacked when they are needed; it
// may be used concurrently.
type block struct {
	chain     [32]byte // digest of the block before
	first     Seq
	resources []schema.GroupVersionResource
	of        []int // section of each resource
	entries   []entry
	starts    []uint32 // where the content of each entry begins in its section

	mu       sync.Mutex
	sections []section
}

type section struct {
	packed []byte // nil once unpacked
	size   int
	raw    []byte
}

// parseBlock decodes a block but its sections.
func parseBlock(value []byte) (*block, error) {
	w := wire{data: value}
	layout := w.byte()
	if layout != blockDense && layout != blockSparse {
		return nil, fmt.Errorf("layout %d: %w", layout, errBlock)
	}
	b := &block{}
	copy(b.chain[:], w.take(32))
	b.first = Seq(w.uint64())
	count, last := w.uint32(), int64(w.uint64())
	columnsSize, columnsPacked := w.uint32(), w.uint32()
	packed := w.take(int(columnsPacked))
	if w.bad || count == 0 || count > maxCount || count > columnsSize || b.first == 0 || b.first > maxSeq ||
		int(count) > freeCount+maxDensity*len(value) {
		return nil, fmt.Errorf("header: %w", errBlock)
	}
	columns, err := unpack(packed, int(columnsSize))
	if err != nil {
		return nil, fmt.Errorf("columns: %w", err)
	}
	rest := wire{data: w.data}
	w = wire{data: columns}
	b.sections = make([]section, w.countUpTo(maxResources, 2))
	sum := uint64(0)
	for i := range b.sections {
		size, packed := w.uvarint(), w.uvarint()
		if sum += min(size, maxSection+1); sum > maxSection || packed > uint64(len(rest.data)) {
			return nil, fmt.Errorf("sections: %w", errBlock)
		}
		b.sections[i] = section{packed: rest.take(int(packed)), size: int(size)}
	}
	for range w.countUpTo(maxResources, 4) {
		b.resources = append(b.resources, schema.GroupVersionResource{Group: w.text(), Version: w.text(), Resource: w.text()})
		b.of = append(b.of, int(w.uvarint()))
	}
	for _, of := range b.of {
		if of < 0 || of >= len(b.sections) {
			return nil, fmt.Errorf("sections: %w", errBlock)
		}
	}
	if err := b.parseEntries(&w, int(count), last, layout); err != nil {
		return nil, err
	}
	if w.bad || len(w.data) > 0 || rest.bad || len(rest.data) > 0 {
		return nil, fmt.Errorf("columns: %w", errBlock)
	}
	return b, nil
}

// columns are pieces of memory that columns are decoded in.
var columns = sync.Pool{New: func() any { return new([]uint64) }}

func (b *block) parseEntries(w *wire, count int, last int64, layout byte) error {
	b.entries = make([]entry, count)
	b.starts = make([]uint32, count)
	scratch := columns.Get().(*[]uint64)
	defer columns.Put(scratch)
	*scratch = slices.Grow((*scratch)[:0], count)
	column := (*scratch)[:count]
	if layout == blockSparse {
		w.uvarints(column)
	}
	seq := b.first
	for i, gap := range column {
		if layout == blockDense {
			b.entries[i].seq = seq + Seq(i)
			continue
		}
		if i > 0 && gap == 0 || gap > maxSeq || seq+Seq(gap) > maxSeq {
			return fmt.Errorf("positions: %w", errBlock)
		}
		seq += Seq(gap)
		b.entries[i].seq = seq
	}
	tags := w.take(count)
	if w.bad {
		return fmt.Errorf("columns: %w", errBlock)
	}
	w.uvarints(column)
	deltas := 0
	for i, place := range column {
		if place >= uint64(len(b.resources)) {
			return fmt.Errorf("resources: %w", errBlock)
		}
		b.entries[i].tag, b.entries[i].resource = tag(tags[i]), uint32(place)
		if tag(tags[i])&tagDelta != 0 {
			deltas++
		}
	}
	w.uvarints(column)
	for i, later := range column {
		if later > maxTime || last < minTime || last+int64(later) > maxTime {
			return fmt.Errorf("times: %w", errBlock)
		}
		last += int64(later)
		b.entries[i].time = last
	}
	bases := column[:deltas]
	w.uvarints(bases)
	for i := range b.entries {
		if e := &b.entries[i]; e.tag&tagDelta != 0 {
			if e.back, bases = bases[0], bases[1:]; e.back == 0 || e.back >= uint64(e.seq) {
				return fmt.Errorf("bases: %w", errBlock)
			}
		}
	}
	w.uvarints(column)
	sizes := make([]int, len(b.resources))
	for i, size := range column {
		if size > maxSection {
			return fmt.Errorf("sizes: %w", errBlock)
		}
		sum := &sizes[b.entries[i].resource]
		b.entries[i].size, b.starts[i] = uint32(size), uint32(*sum)
		if *sum += int(size); *sum > maxSection {
			return fmt.Errorf("sizes: %w", errBlock)
		}
	}
	// The lanes of a section follow each other.
	lanes, used := make([]int, len(b.resources)), make([]int, len(b.sections))
	for i, of := range b.of {
		lanes[i] = used[of]
		used[of] += sizes[i]
	}
	for i, s := range b.sections {
		if used[i] != s.size {
			return fmt.Errorf("sizes: %w", errBlock)
		}
	}
	for i := range b.entries {
		b.starts[i] += uint32(lanes[b.entries[i].resource])
	}
	return nil
}

// content returns the content of an entry.
func (b *block) content(i int) ([]byte, error) {
	e := b.entries[i]
	s := &b.sections[b.of[e.resource]]
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.packed != nil {
		raw, err := unpack(s.packed, s.size)
		if err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		s.raw, s.packed = raw, nil
	}
	return s.raw[b.starts[i]:][:e.size], nil
}

// told reports whether the entry is an event that readers see.
func (e entry) told() bool { return e.tag&tagType != tagCoverage && e.tag&tagBase == 0 }

// last returns the last position in the block.
func (b *block) last() Seq { return b.entries[len(b.entries)-1].seq }

// place returns where the position is in the block; ok is false if it is not.
func (b *block) place(seq Seq) (i int, ok bool) {
	if n := seq - b.first; n < Seq(len(b.entries)) && b.entries[n].seq == seq { // no holes before it
		return int(n), true
	}
	return slices.BinarySearchFunc(b.entries, seq, func(e entry, seq Seq) int { return cmp.Compare(e.seq, seq) })
}

func (b *block) timeOf(i int) time.Time { return time.UnixMicro(b.entries[i].time).UTC() }

// named is the identity in front of a content, if its JSON does not tell it.
type named struct{ namespace, name, uid, resourceVersion string }

func appendNamed(dst []byte, e *Event) []byte {
	dst = appendText(appendText(dst, e.Namespace), e.Name)
	return appendText(appendText(dst, string(e.UID)), e.ResourceVersion)
}

// body returns the content of an entry behind the identity, and that.
func (b *block) body(i int) (named, []byte, error) {
	content, err := b.content(i)
	if err != nil || b.entries[i].tag&tagNamed == 0 {
		return named{}, content, err
	}
	w := wire{data: content}
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
	e := Event{Seq: entry.seq, Time: b.timeOf(i), Type: eventTypes[typ], Resource: b.resources[entry.resource]}
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

// readCoverage reads what appendCoverage wrote.
func readCoverage(w *wire) Coverage {
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

// coverage returns the coverage change of an entry.
func (b *block) coverage(i int) (Coverage, error) {
	content, err := b.content(i)
	if err != nil {
		return Coverage{}, err
	}
	w := wire{data: content}
	c := readCoverage(&w)
	if w.bad || len(w.data) > 0 {
		return Coverage{}, fmt.Errorf("coverage: %w", errBlock)
	}
	e := b.entries[i]
	c.Seq, c.Time, c.Resource = e.seq, b.timeOf(i), b.resources[e.resource]
	return c, nil
}
