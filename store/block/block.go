package block

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// A block holds positions in order; only what a ring carries over, and what was
// cut from another recording, has holes in between. Its layout is in FORMAT.md.
const (
	blockDense   = 1 // positions from first on, without holes
	blockSparse  = 2 // positions are given one by one
	blockHeader  = 1 + 32 + 8 + 4 + 8 + 4 + 4
	MaxCount     = 1 << 20 // positions in a block
	maxResources = 1 << 16 // in a block
	// A block of n positions has at least n/maxDensity - freeCount bytes: no
	// writer packs them denser, and reading takes time for each.
	maxDensity = 32
	freeCount  = 1 << 13
	worthwhile = 2 // a delta is kept if it is this many times smaller
)

// MinTime and maxTime are the beginning of year 1 and the end of year 9999, in
// microseconds since 1970: others cannot be written as JSON.
const (
	MinTime = -62135596800_000_000
	maxTime = 253402300799_999_999
)

// Entry is one position in a block, without its content. Whoever looks for one
// event has all entries of its block in memory, so it is small.
type Entry struct {
	Seq      event.Seq
	Time     int64 // microseconds since 1970
	Back     uint64
	size     uint32 // bytes of content
	resource uint32 // place in the block's resources
	Tag      Tag
}

// Tag is what an entry is: an event type, or coverage, and flags.
type Tag byte

const (
	TagRelist   Tag = 6
	TagCoverage Tag = 7
	TagType     Tag = 0x0f // mask
	TagDelta    Tag = 0x10 // the content is a delta against the version `back` positions before
	tagNamed    Tag = 0x20 // the content begins with the identity, because the object's JSON does not tell it
	TagBase     Tag = 0x40 // kept only because another is a delta against it
)

// eventTypes are the event types by their tag.
var eventTypes = [...]watch.EventType{"", watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error, event.Relist}

func TagOf(t watch.EventType) (Tag, error) {
	for i, known := range eventTypes {
		if i > 0 && t == known {
			return Tag(i), nil
		}
	}
	return 0, fmt.Errorf("event type %q is not known", t)
}

// Block is a decoded block. Its sections are unpacked when they are needed; it
// may be used concurrently.
type Block struct {
	Chain     [32]byte // digest of the block before
	First     event.Seq
	resources []schema.GroupVersionResource
	of        []int // section of each resource
	Entries   []Entry
	starts    []uint32 // where the content of each entry begins in its section

	mu       sync.Mutex
	sections []section
}

type section struct {
	packed []byte // nil once unpacked
	size   int
	raw    []byte
}

// Parse decodes a block but its sections.
func Parse(value []byte) (*Block, error) {
	w := encoding.Reader{Data: value}
	layout := w.Byte()
	if layout != blockDense && layout != blockSparse {
		return nil, fmt.Errorf("layout %d: %w", layout, encoding.ErrMalformed)
	}
	b := &Block{}
	copy(b.Chain[:], w.Take(32))
	b.First = event.Seq(w.Uint64())
	count, last := w.Uint32(), int64(w.Uint64())
	columnsSize, columnsPacked := w.Uint32(), w.Uint32()
	packed := w.Take(int(columnsPacked))
	if w.Bad || count == 0 || count > MaxCount || count > columnsSize || b.First == 0 || b.First > event.MaxSeq ||
		int(count) > freeCount+maxDensity*len(value) {
		return nil, fmt.Errorf("header: %w", encoding.ErrMalformed)
	}
	columns, err := encoding.Decompress(packed, int(columnsSize))
	if err != nil {
		return nil, fmt.Errorf("columns: %w", err)
	}
	rest := encoding.Reader{Data: w.Data}
	w = encoding.Reader{Data: columns}
	b.sections = make([]section, w.CountUpTo(maxResources, 2))
	sum := uint64(0)
	for i := range b.sections {
		size, packed := w.Uvarint(), w.Uvarint()
		if sum += min(size, encoding.MaxSection+1); sum > encoding.MaxSection || packed > uint64(len(rest.Data)) {
			return nil, fmt.Errorf("sections: %w", encoding.ErrMalformed)
		}
		b.sections[i] = section{packed: rest.Take(int(packed)), size: int(size)}
	}
	for range w.CountUpTo(maxResources, 4) {
		b.resources = append(b.resources, schema.GroupVersionResource{Group: w.Text(), Version: w.Text(), Resource: w.Text()})
		b.of = append(b.of, int(w.Uvarint()))
	}
	for _, of := range b.of {
		if of < 0 || of >= len(b.sections) {
			return nil, fmt.Errorf("sections: %w", encoding.ErrMalformed)
		}
	}
	if err := b.parseEntries(&w, int(count), last, layout); err != nil {
		return nil, err
	}
	if w.Bad || len(w.Data) > 0 || rest.Bad || len(rest.Data) > 0 {
		return nil, fmt.Errorf("columns: %w", encoding.ErrMalformed)
	}
	return b, nil
}

// columnPool are pieces of memory that columns are decoded in.
var columnPool = sync.Pool{New: func() any { return new([]uint64) }}

func (b *Block) parseEntries(w *encoding.Reader, count int, last int64, layout byte) error {
	b.Entries = make([]Entry, count)
	b.starts = make([]uint32, count)
	scratch := columnPool.Get().(*[]uint64)
	defer columnPool.Put(scratch)
	*scratch = slices.Grow((*scratch)[:0], count)
	column := (*scratch)[:count]
	if layout == blockSparse {
		w.Uvarints(column)
	}
	seq := b.First
	for i, gap := range column {
		if layout == blockDense {
			b.Entries[i].Seq = seq + event.Seq(i)
			continue
		}
		if i > 0 && gap == 0 || gap > event.MaxSeq || seq+event.Seq(gap) > event.MaxSeq {
			return fmt.Errorf("positions: %w", encoding.ErrMalformed)
		}
		seq += event.Seq(gap)
		b.Entries[i].Seq = seq
	}
	tags := w.Take(count)
	if w.Bad {
		return fmt.Errorf("columns: %w", encoding.ErrMalformed)
	}
	w.Uvarints(column)
	deltas := 0
	for i, place := range column {
		if place >= uint64(len(b.resources)) {
			return fmt.Errorf("resources: %w", encoding.ErrMalformed)
		}
		b.Entries[i].Tag, b.Entries[i].resource = Tag(tags[i]), uint32(place)
		if Tag(tags[i])&TagDelta != 0 {
			deltas++
		}
	}
	w.Uvarints(column)
	for i, later := range column {
		if later > maxTime || last < MinTime || last+int64(later) > maxTime {
			return fmt.Errorf("times: %w", encoding.ErrMalformed)
		}
		last += int64(later)
		b.Entries[i].Time = last
	}
	bases := column[:deltas]
	w.Uvarints(bases)
	for i := range b.Entries {
		if e := &b.Entries[i]; e.Tag&TagDelta != 0 {
			if e.Back, bases = bases[0], bases[1:]; e.Back == 0 || e.Back >= uint64(e.Seq) {
				return fmt.Errorf("bases: %w", encoding.ErrMalformed)
			}
		}
	}
	w.Uvarints(column)
	sizes := make([]int, len(b.resources))
	for i, size := range column {
		if size > encoding.MaxSection {
			return fmt.Errorf("sizes: %w", encoding.ErrMalformed)
		}
		sum := &sizes[b.Entries[i].resource]
		b.Entries[i].size, b.starts[i] = uint32(size), uint32(*sum)
		if *sum += int(size); *sum > encoding.MaxSection {
			return fmt.Errorf("sizes: %w", encoding.ErrMalformed)
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
			return fmt.Errorf("sizes: %w", encoding.ErrMalformed)
		}
	}
	for i := range b.Entries {
		b.starts[i] += uint32(lanes[b.Entries[i].resource])
	}
	return nil
}

// content returns the content of an entry.
func (b *Block) content(i int) ([]byte, error) {
	e := b.Entries[i]
	s := &b.sections[b.of[e.resource]]
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.packed != nil {
		raw, err := encoding.Decompress(s.packed, s.size)
		if err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		s.raw, s.packed = raw, nil
	}
	return s.raw[b.starts[i]:][:e.size], nil
}

// IsEvent reports whether the entry is an event that readers see.
func (e Entry) IsEvent() bool { return e.Tag&TagType != TagCoverage && e.Tag&TagBase == 0 }

// Last returns the last position in the block.
func (b *Block) Last() event.Seq { return b.Entries[len(b.Entries)-1].Seq }

// Place returns where the position is in the block; ok is false if it is not.
func (b *Block) Place(seq event.Seq) (i int, ok bool) { return placeOf(b.Entries, seq) }

func placeOf(entries []Entry, seq event.Seq) (i int, ok bool) {
	if len(entries) == 0 {
		return 0, false
	}
	if n := seq - entries[0].Seq; n < event.Seq(len(entries)) && entries[n].Seq == seq { // no holes before it
		return int(n), true
	}
	return slices.BinarySearchFunc(entries, seq, func(e Entry, seq event.Seq) int { return cmp.Compare(e.Seq, seq) })
}

func (b *Block) TimeOf(i int) time.Time { return time.UnixMicro(b.Entries[i].Time).UTC() }

// named is the identity in front of a content, if its JSON does not tell it.
type named struct{ namespace, name, uid, resourceVersion string }

func appendNamed(dst []byte, e *event.Event) []byte {
	dst = encoding.AppendText(encoding.AppendText(dst, e.Namespace), e.Name)
	return encoding.AppendText(encoding.AppendText(dst, string(e.UID)), e.ResourceVersion)
}

// body returns the content of an entry behind the identity, and that.
func (b *Block) body(i int) (named, []byte, error) {
	content, err := b.content(i)
	if err != nil || b.Entries[i].Tag&tagNamed == 0 {
		return named{}, content, err
	}
	w := encoding.Reader{Data: content}
	n := named{w.Text(), w.Text(), w.Text(), w.Text()}
	if w.Bad {
		return named{}, nil, fmt.Errorf("identity: %w", encoding.ErrMalformed)
	}
	return n, w.Data, nil
}

// event makes the event of an entry from its whole object.
func (b *Block) event(i int, raw []byte) (event.Event, error) {
	entry := b.Entries[i]
	typ := int(entry.Tag & TagType)
	if typ == 0 || typ >= len(eventTypes) {
		return event.Event{}, fmt.Errorf("entry of type %d: %w", typ, encoding.ErrMalformed)
	}
	n, _, err := b.body(i)
	if err != nil {
		return event.Event{}, err
	}
	e := event.Event{Seq: entry.Seq, Time: b.TimeOf(i), Type: eventTypes[typ], Resource: b.resources[entry.resource]}
	if len(raw) > 0 {
		e.Object = raw
	}
	if entry.Tag&tagNamed == 0 {
		id, _ := rawjson.Identify(e.Resource, raw)
		n = named{id.Namespace, id.Name, string(id.UID), id.ResourceVersion}
	}
	e.Namespace, e.Name, e.UID, e.ResourceVersion = n.namespace, n.name, types.UID(n.uid), n.resourceVersion
	return e, nil
}

// statuses are the coverage statuses by number; 0 is one written as text.
var statuses = [...]event.Status{"", event.NotRecorded, event.Forbidden, event.Listing, event.Current, event.Gap}

// AppendCoverage writes what an entry does not say of the change.
func AppendCoverage(dst []byte, c *event.Coverage) []byte {
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
		dst = encoding.AppendText(dst, string(c.Status))
	}
	return encoding.AppendText(encoding.AppendText(encoding.AppendText(dst, c.Namespace), c.ResourceVersion), c.Reason)
}

// ReadCoverage reads what appendCoverage wrote.
func ReadCoverage(w *encoding.Reader) event.Coverage {
	var c event.Coverage
	flags := w.Byte()
	c.Resumed = flags&1 != 0
	if number := int(flags >> 1); number == 0 {
		c.Status = event.Status(w.Text())
	} else if number < len(statuses) {
		c.Status = statuses[number]
	} else {
		w.Fail()
	}
	c.Namespace, c.ResourceVersion, c.Reason = w.Text(), w.Text(), w.Text()
	return c
}

// Coverage returns the coverage change of an entry.
func (b *Block) Coverage(i int) (event.Coverage, error) {
	content, err := b.content(i)
	if err != nil {
		return event.Coverage{}, err
	}
	w := encoding.Reader{Data: content}
	c := ReadCoverage(&w)
	if w.Bad || len(w.Data) > 0 {
		return event.Coverage{}, fmt.Errorf("coverage: %w", encoding.ErrMalformed)
	}
	e := b.Entries[i]
	c.Seq, c.Time, c.Resource = e.Seq, b.TimeOf(i), b.resources[e.resource]
	return c, nil
}
