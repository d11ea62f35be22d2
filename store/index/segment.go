package index

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// Segment is an index over a range of positions in the file: its objects sorted by
// name and its terms sorted by what they say, in pages that are read when a
// query needs them. Runs follow each other without holes, and are merged into
// larger ones. Layout: FORMAT.md.
type Segment struct {
	ID          uint32
	tier        int // how often it was merged
	First, Last event.Seq
	Times       [2]int64 // of first and last, microseconds
	Ticks       []Tick
	Ledger      []event.Coverage
	Objects     []event.Ref // first object of each page
	Ranks       []int       // and its rank
	Terms       []Term      // first term of each page

	cut     event.Seq // while it is written: versions before that are not current there are left out
	dropped []uint32  // while it is written: how many, by rank

	read  func(bucket string, id uint32, page int) ([]byte, error)
	mu    sync.Mutex
	cache map[int]any // decoded pages: objects by number, terms by ^number
	size  int         // of the cache in bytes
	limit int         // of size
}

// ErrDamaged is wrapped by everything wrong with an index; it can be made anew
// from the events.
var ErrDamaged = errors.New("damaged index")

var errSegment = fmt.Errorf("malformed run: %w", ErrDamaged)

const (
	pageObjects  = 1024 // objects in a page
	pageVersions = 16384
	pagePostings = 8192
	cachedPages  = 64 << 20 // bytes of the pages of all runs that are kept decoded

	// What is larger was not written by a Writer.
	maxInPage  = 1 << 16 // objects or terms in a page
	maxPages   = 1 << 18 // of a run
	maxTicks   = 1 << 21
	maxLedger  = 1 << 20 // coverage changes
	maxChanges = 1 << 19 // in all trails
	pageCost   = 8       // bytes in memory for each of a page
)

func (t Term) Compare(o Term) int {
	return cmp.Or(event.CompareResources(t.Resource, o.Resource), cmp.Compare(t.Attr, o.Attr), cmp.Compare(t.Namespace, o.Namespace))
}

// Encode packs the head of the run.
func (r *Segment) Encode(z *zstd.Encoder) []byte {
	d := encoding.NewDictionary()
	body := binary.AppendUvarint(nil, uint64(r.tier))
	body = binary.AppendUvarint(body, uint64(r.First))
	body = binary.AppendUvarint(body, uint64(r.Last-r.First))
	body = binary.AppendVarint(body, r.Times[0])
	body = binary.AppendUvarint(body, uint64(r.Times[1]-r.Times[0]))
	body = binary.AppendUvarint(body, uint64(len(r.Ticks)))
	seq, at := r.First, r.Times[0]
	for _, t := range r.Ticks {
		body = binary.AppendUvarint(body, uint64(t.Seq-seq))
		body = binary.AppendUvarint(body, uint64(t.Time.UnixMicro()-at))
		seq, at = t.Seq, t.Time.UnixMicro()
	}
	body = appendLedger(d, body, r.Ledger, r.First, r.Times[0])
	body = binary.AppendUvarint(body, uint64(len(r.Objects)))
	for i, ref := range r.Objects {
		body = d.AppendResource(body, ref.Resource)
		body = encoding.AppendText(d.AppendWord(body, ref.Namespace), ref.Name)
		body = binary.AppendUvarint(body, uint64(r.Ranks[i]))
	}
	body = binary.AppendUvarint(body, uint64(len(r.Terms)))
	for _, t := range r.Terms {
		body = d.AppendResource(body, t.Resource)
		body = encoding.AppendText(d.AppendWord(body, t.Namespace), string(t.Attr))
	}
	return encoding.Pack(z, append(d.Append(nil), body...))
}

func ParseSegment(id uint32, value []byte) (*Segment, error) {
	raw, err := encoding.Unpack(value, encoding.MaxSection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	w := encoding.Reader{Data: raw}
	words := w.Words()
	r := &Segment{ID: id, cache: map[int]any{}, limit: cachedPages, tier: int(w.Uvarint()), First: event.Seq(w.Uvarint())}
	r.Last = r.First + event.Seq(w.Uvarint())
	r.Times[0] = w.Varint()
	r.Times[1] = r.Times[0] + int64(w.Uvarint())
	seq, at := r.First, r.Times[0]
	for range w.CountUpTo(maxTicks, 2) {
		seq, at = seq+event.Seq(min(w.Uvarint(), event.MaxSeq)), at+int64(w.Uvarint())
		if seq > event.MaxSeq {
			return nil, errSegment
		}
		r.Ticks = append(r.Ticks, Tick{seq, time.UnixMicro(at).UTC()})
	}
	r.Ledger = readLedger(&w, words, r.First, r.Times[0])
	for range w.CountUpTo(maxPages, 6) {
		r.Objects = append(r.Objects, event.Ref{Resource: w.Resource(words), Namespace: w.Word(words), Name: w.Text()})
		r.Ranks = append(r.Ranks, int(min(w.Uvarint(), event.MaxSeq)))
	}
	for range w.CountUpTo(maxPages, 5) {
		t := Term{Resource: w.Resource(words), Namespace: w.Word(words)}
		t.Attr = Attr(w.Text())
		r.Terms = append(r.Terms, t)
	}
	ordered := slices.IsSortedFunc(r.Objects, event.Ref.Compare) && slices.IsSorted(r.Ranks) && slices.IsSortedFunc(r.Terms, Term.Compare)
	if w.Bad || len(w.Data) > 0 || r.First == 0 || r.First > event.MaxSeq || r.Last < r.First || r.Last > event.MaxSeq || !ordered {
		return nil, errSegment
	}
	return r, nil
}

// cached returns a decoded page, from the cache if it is there.
func cached[P interface{ cost() int }](r *Segment, key int, parse func() (P, error)) (P, error) {
	r.mu.Lock()
	kept, ok := r.cache[key].(P)
	r.mu.Unlock()
	if ok {
		return kept, nil
	}
	p, err := parse()
	if err != nil {
		return p, err
	}
	r.mu.Lock()
	if _, ok := r.cache[key]; !ok {
		if r.size += p.cost(); r.size > r.limit {
			clear(r.cache)
			r.size = p.cost()
		}
		r.cache[key] = p
	}
	r.mu.Unlock()
	return p, nil
}

func (p *ObjectPage) cost() int { return p.bytes }
func (p *TermPage) cost() int   { return p.bytes }

func (r *Segment) objectPage(i int) (*ObjectPage, error) {
	return cached(r, i, func() (*ObjectPage, error) {
		value, err := r.read(encoding.BucketObjects, r.ID, i)
		if err != nil {
			return nil, err
		}
		return ParseObjects(value, r.First)
	})
}

func (r *Segment) termPage(i int) (*TermPage, error) {
	return cached(r, ^i, func() (*TermPage, error) {
		value, err := r.read(encoding.BucketTerms, r.ID, i)
		if err != nil {
			return nil, err
		}
		return ParseTerms(value)
	})
}

// Resources implements part.
func (r *Segment) Resources() []schema.GroupVersionResource {
	// Every page may begin with another resource, and hold more than one.
	var all []schema.GroupVersionResource
	for i := range r.Objects {
		p, err := r.objectPage(i)
		if err != nil {
			continue // whoever reads the objects will find out
		}
		for _, ref := range p.Refs {
			if n := len(all); n == 0 || all[n-1] != ref.Resource {
				all = append(all, ref.Resource)
			}
		}
	}
	return all
}

// firstPage returns the page in which something not before what the comparison
// is for would be; compare reports how the first of page i compares with it.
func firstPage(pages int, compare func(i int) int) int {
	return max(0, sort.Search(pages, func(i int) bool { return compare(i) >= 0 })-1)
}

// Versions implements part.
func (r *Segment) Versions(ref event.Ref) ([]Version, error) {
	i := sort.Search(len(r.Objects), func(i int) bool { return r.Objects[i].Compare(ref) > 0 }) - 1
	if i < 0 {
		return nil, nil
	}
	p, err := r.objectPage(i)
	if err != nil {
		return nil, err
	}
	if at, found := slices.BinarySearchFunc(p.Refs, ref, event.Ref.Compare); found {
		return p.Versions[at], nil
	}
	return nil, nil
}

// Each implements part.
func (r *Segment) Each(resource schema.GroupVersionResource, namespace string, yield func(event.Ref, []Version)) error {
	from := event.Ref{Resource: resource, Namespace: namespace}
	for i := firstPage(len(r.Objects), func(i int) int { return r.Objects[i].Compare(from) }); i < len(r.Objects); i++ {
		p, err := r.objectPage(i)
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearchFunc(p.Refs, from, event.Ref.Compare)
		for ; at < len(p.Refs); at++ {
			ref := p.Refs[at]
			if ref.Resource != resource || namespace != "" && ref.Namespace != namespace {
				return nil
			}
			yield(ref, p.Versions[at])
		}
	}
	return nil
}

// having implements part.
func (r *Segment) having(resource schema.GroupVersionResource, a Attr, namespace string, at event.Seq, yield func(event.Ref, bool)) error {
	from := Term{resource, a, namespace}
	for i := firstPage(len(r.Terms), func(i int) int { return r.Terms[i].Compare(from) }); i < len(r.Terms); i++ {
		p, err := r.termPage(i)
		if err != nil {
			return err
		}
		n, _ := slices.BinarySearchFunc(p.Terms, from, Term.Compare)
		for ; n < len(p.Terms); n++ {
			t := p.Terms[n]
			if t.Resource != resource || t.Attr != a || namespace != "" && t.Namespace != namespace {
				return nil
			}
			for _, o := range p.Postings[n] {
				ref, versions, err := r.ranked(o)
				if err != nil {
					return err
				}
				if on, told := (span{a, o.Start, o.End}).at(versions, at); told {
					yield(ref, on)
				}
			}
		}
	}
	return nil
}

// ranked returns the object of a posting.
func (r *Segment) ranked(o posting) (event.Ref, []Version, error) {
	i := sort.Search(len(r.Ranks), func(i int) bool { return r.Ranks[i] > o.Rank }) - 1
	if i < 0 {
		return event.Ref{}, nil, errSegment
	}
	p, err := r.objectPage(i)
	if err != nil {
		return event.Ref{}, nil, err
	}
	at := o.Rank - r.Ranks[i]
	if at >= len(p.Refs) || o.Start < 0 || o.End < 0 || o.Start > len(p.Versions[at]) || o.End > len(p.Versions[at]) {
		return event.Ref{}, nil, errSegment
	}
	return p.Refs[at], p.Versions[at], nil
}

// Tick is when the recorder was at a position. Between two ticks the times are
// in the blocks.
type Tick struct {
	Seq  event.Seq
	Time time.Time
}

// PagesMatch checks that the head of the run says of its pages what they are:
// queries find pages by it.
func (r *Segment) PagesMatch() error {
	rank := 0
	for i, first := range r.Objects {
		p, err := r.objectPage(i)
		if err != nil {
			return err
		}
		if len(p.Refs) == 0 || p.Refs[0] != first || r.Ranks[i] != rank {
			return fmt.Errorf("objects, page %d: not what the head of the run says: %w", i, ErrDamaged)
		}
		rank += len(p.Refs)
	}
	for i, first := range r.Terms {
		p, err := r.termPage(i)
		if err != nil {
			return err
		}
		if len(p.Terms) == 0 || p.Terms[0] != first {
			return fmt.Errorf("terms, page %d: not what the head of the run says: %w", i, ErrDamaged)
		}
	}
	return nil
}
