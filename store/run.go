package store

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
)

// run is an index over a range of positions in the file: its objects sorted by
// name and its terms sorted by what they say, in pages that are read when a
// query needs them. Runs follow each other without holes, and are merged into
// larger ones. Layout: FORMAT.md.
type run struct {
	id          uint32
	tier        int // how often it was merged
	first, last Seq
	times       [2]int64 // of first and last, microseconds
	ticks       []tick
	ledger      []Coverage
	objects     []Ref  // first object of each page
	ranks       []int  // and its rank
	terms       []term // first term of each page

	cut     Seq      // while it is written: versions before that are not current there are left out
	dropped []uint32 // while it is written: how many, by rank

	read  func(bucket string, id uint32, page int) ([]byte, error)
	mu    sync.Mutex
	cache map[int]any // decoded pages: objects by number, terms by ^number
	size  int         // of the cache in bytes
	limit int         // of size
}

// errIndex is wrapped by everything wrong with an index; it can be made anew
// from the events.
var errIndex = errors.New("damaged index")

var errRun = fmt.Errorf("malformed run: %w", errIndex)

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

func (t term) compare(o term) int {
	return cmp.Or(compareResources(t.resource, o.resource), cmp.Compare(t.attr, o.attr), cmp.Compare(t.namespace, o.namespace))
}

// encode packs the head of the run.
func (r *run) encode(z *zstd.Encoder) []byte {
	d := newDictionary()
	body := binary.AppendUvarint(nil, uint64(r.tier))
	body = binary.AppendUvarint(body, uint64(r.first))
	body = binary.AppendUvarint(body, uint64(r.last-r.first))
	body = binary.AppendVarint(body, r.times[0])
	body = binary.AppendUvarint(body, uint64(r.times[1]-r.times[0]))
	body = binary.AppendUvarint(body, uint64(len(r.ticks)))
	seq, at := r.first, r.times[0]
	for _, t := range r.ticks {
		body = binary.AppendUvarint(body, uint64(t.seq-seq))
		body = binary.AppendUvarint(body, uint64(t.time.UnixMicro()-at))
		seq, at = t.seq, t.time.UnixMicro()
	}
	body = appendLedger(d, body, r.ledger, r.first, r.times[0])
	body = binary.AppendUvarint(body, uint64(len(r.objects)))
	for i, ref := range r.objects {
		body = d.appendResource(body, ref.Resource)
		body = appendText(d.appendWord(body, ref.Namespace), ref.Name)
		body = binary.AppendUvarint(body, uint64(r.ranks[i]))
	}
	body = binary.AppendUvarint(body, uint64(len(r.terms)))
	for _, t := range r.terms {
		body = d.appendResource(body, t.resource)
		body = appendText(d.appendWord(body, t.namespace), string(t.attr))
	}
	return pack(z, append(d.append(nil), body...))
}

func parseRun(id uint32, value []byte) (*run, error) {
	raw, err := unpackSized(value, maxSection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRun, err)
	}
	w := wire{data: raw}
	words := w.words()
	r := &run{id: id, cache: map[int]any{}, limit: cachedPages, tier: int(w.uvarint()), first: Seq(w.uvarint())}
	r.last = r.first + Seq(w.uvarint())
	r.times[0] = w.varint()
	r.times[1] = r.times[0] + int64(w.uvarint())
	seq, at := r.first, r.times[0]
	for range w.countUpTo(maxTicks, 2) {
		seq, at = seq+Seq(min(w.uvarint(), maxSeq)), at+int64(w.uvarint())
		if seq > maxSeq {
			return nil, errRun
		}
		r.ticks = append(r.ticks, tick{seq, time.UnixMicro(at).UTC()})
	}
	r.ledger = readLedger(&w, words, r.first, r.times[0])
	for range w.countUpTo(maxPages, 6) {
		r.objects = append(r.objects, Ref{w.resource(words), w.word(words), w.text()})
		r.ranks = append(r.ranks, int(min(w.uvarint(), maxSeq)))
	}
	for range w.countUpTo(maxPages, 5) {
		t := term{resource: w.resource(words), namespace: w.word(words)}
		t.attr = attr(w.text())
		r.terms = append(r.terms, t)
	}
	ordered := slices.IsSortedFunc(r.objects, Ref.compare) && slices.IsSorted(r.ranks) && slices.IsSortedFunc(r.terms, term.compare)
	if w.bad || len(w.data) > 0 || r.first == 0 || r.first > maxSeq || r.last < r.first || r.last > maxSeq || !ordered {
		return nil, errRun
	}
	return r, nil
}

// cached returns a decoded page, from the cache if it is there.
func cached[P interface{ cost() int }](r *run, key int, parse func() (P, error)) (P, error) {
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

func (p *objectPage) cost() int { return p.bytes }
func (p *termPage) cost() int   { return p.bytes }

func (r *run) objectPage(i int) (*objectPage, error) {
	return cached(r, i, func() (*objectPage, error) {
		value, err := r.read(bucketObjects, r.id, i)
		if err != nil {
			return nil, err
		}
		return parseObjects(value, r.first)
	})
}

func (r *run) termPage(i int) (*termPage, error) {
	return cached(r, ^i, func() (*termPage, error) {
		value, err := r.read(bucketTerms, r.id, i)
		if err != nil {
			return nil, err
		}
		return parseTerms(value)
	})
}

// resources implements part.
func (r *run) resources() []schema.GroupVersionResource {
	// Every page may begin with another resource, and hold more than one.
	var all []schema.GroupVersionResource
	for i := range r.objects {
		p, err := r.objectPage(i)
		if err != nil {
			continue // whoever reads the objects will find out
		}
		for _, ref := range p.refs {
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

// versions implements part.
func (r *run) versions(ref Ref) ([]version, error) {
	i := sort.Search(len(r.objects), func(i int) bool { return r.objects[i].compare(ref) > 0 }) - 1
	if i < 0 {
		return nil, nil
	}
	p, err := r.objectPage(i)
	if err != nil {
		return nil, err
	}
	if at, found := slices.BinarySearchFunc(p.refs, ref, Ref.compare); found {
		return p.versions[at], nil
	}
	return nil, nil
}

// each implements part.
func (r *run) each(resource schema.GroupVersionResource, namespace string, yield func(Ref, []version)) error {
	from := Ref{Resource: resource, Namespace: namespace}
	for i := firstPage(len(r.objects), func(i int) int { return r.objects[i].compare(from) }); i < len(r.objects); i++ {
		p, err := r.objectPage(i)
		if err != nil {
			return err
		}
		at, _ := slices.BinarySearchFunc(p.refs, from, Ref.compare)
		for ; at < len(p.refs); at++ {
			ref := p.refs[at]
			if ref.Resource != resource || namespace != "" && ref.Namespace != namespace {
				return nil
			}
			yield(ref, p.versions[at])
		}
	}
	return nil
}

// having implements part.
func (r *run) having(resource schema.GroupVersionResource, a attr, namespace string, at Seq, yield func(Ref, bool)) error {
	from := term{resource, a, namespace}
	for i := firstPage(len(r.terms), func(i int) int { return r.terms[i].compare(from) }); i < len(r.terms); i++ {
		p, err := r.termPage(i)
		if err != nil {
			return err
		}
		n, _ := slices.BinarySearchFunc(p.terms, from, term.compare)
		for ; n < len(p.terms); n++ {
			t := p.terms[n]
			if t.resource != resource || t.attr != a || namespace != "" && t.namespace != namespace {
				return nil
			}
			for _, o := range p.postings[n] {
				ref, versions, err := r.ranked(o)
				if err != nil {
					return err
				}
				if on, told := (span{a, o.start, o.end}).at(versions, at); told {
					yield(ref, on)
				}
			}
		}
	}
	return nil
}

// ranked returns the object of a posting.
func (r *run) ranked(o posting) (Ref, []version, error) {
	i := sort.Search(len(r.ranks), func(i int) bool { return r.ranks[i] > o.rank }) - 1
	if i < 0 {
		return Ref{}, nil, errRun
	}
	p, err := r.objectPage(i)
	if err != nil {
		return Ref{}, nil, err
	}
	at := o.rank - r.ranks[i]
	if at >= len(p.refs) || o.start < 0 || o.end < 0 || o.start > len(p.versions[at]) || o.end > len(p.versions[at]) {
		return Ref{}, nil, errRun
	}
	return p.refs[at], p.versions[at], nil
}

// tick is when the recorder was at a position. Between two ticks the times are
// in the blocks.
type tick struct {
	seq  Seq
	time time.Time
}

// pagesMatch checks that the head of the run says of its pages what they are:
// queries find pages by it.
func (r *run) pagesMatch() error {
	rank := 0
	for i, first := range r.objects {
		p, err := r.objectPage(i)
		if err != nil {
			return err
		}
		if len(p.refs) == 0 || p.refs[0] != first || r.ranks[i] != rank {
			return fmt.Errorf("objects, page %d: not what the head of the run says: %w", i, errIndex)
		}
		rank += len(p.refs)
	}
	for i, first := range r.terms {
		p, err := r.termPage(i)
		if err != nil {
			return err
		}
		if len(p.terms) == 0 || p.terms[0] != first {
			return fmt.Errorf("terms, page %d: not what the head of the run says: %w", i, errIndex)
		}
	}
	return nil
}
