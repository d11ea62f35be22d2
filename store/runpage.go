package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// posting is an object that had a term; see span.
type posting struct {
	rank       int // the object's place in the run
	start, end int
}

// objectPage holds consecutive objects.
type objectPage struct {
	bytes    int // about what it takes in memory
	refs     []Ref
	versions [][]version
}

// termPage holds consecutive terms with the objects that had them.
type termPage struct {
	bytes    int // about what it takes in memory
	terms    []term
	postings [][]posting
}

// encodeObjects packs a page of objects. Names come first and positions last,
// because like compresses with like.
func encodeObjects(z *zstd.Encoder, p *objectPage, first Seq) []byte {
	d := newDictionary()
	body := binary.AppendUvarint(nil, uint64(len(p.refs)))
	last := ""
	for _, ref := range p.refs {
		body = d.appendResource(body, ref.Resource)
		body = d.appendWord(body, ref.Namespace)
		body = appendShared(body, last, ref.Name)
		last = ref.Name
	}
	for _, versions := range p.versions {
		body = binary.AppendUvarint(body, uint64(len(versions)))
	}
	for _, versions := range p.versions {
		seq := first
		for _, v := range versions {
			body = binary.AppendUvarint(body, uint64(v.seq-seq)<<2|uint64(v.state))
			seq = v.seq
		}
	}
	return pack(z, append(d.append(nil), body...))
}

func parseObjects(value []byte, first Seq) (*objectPage, error) {
	raw, err := unpackSized(value, maxPage)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRun, err)
	}
	w := wire{data: raw}
	words := w.words()
	n := w.countUpTo(maxInPage, 7)
	p := &objectPage{bytes: pageCost * len(raw), refs: make([]Ref, n), versions: make([][]version, n)}
	last := ""
	for i := range p.refs {
		ref := Ref{Resource: w.resource(words), Namespace: w.word(words)}
		ref.Name = w.shared(last)
		p.refs[i], last = ref, ref.Name
	}
	for i, n := range w.counts(n, 1) {
		p.versions[i] = make([]version, n)
	}
	for _, versions := range p.versions {
		seq := first
		for i := range versions {
			v := w.uvarint()
			if seq += Seq(v >> 2); seq > maxSeq {
				w.fail()
			}
			versions[i] = version{seq, state(v & 3)}
		}
	}
	if w.bad || len(w.data) > 0 || !slices.IsSortedFunc(p.refs, Ref.compare) {
		return nil, errRun
	}
	return p, nil
}

// encodeTerms packs a page of terms.
func encodeTerms(z *zstd.Encoder, p *termPage) []byte {
	d := newDictionary()
	body := binary.AppendUvarint(nil, uint64(len(p.terms)))
	last := ""
	for _, t := range p.terms {
		body = d.appendResource(body, t.resource)
		body = d.appendWord(body, t.namespace)
		body = appendShared(body, last, string(t.attr))
		last = string(t.attr)
	}
	for _, postings := range p.postings {
		body = binary.AppendUvarint(body, uint64(len(postings)))
	}
	rank := 0
	for _, postings := range p.postings {
		for _, o := range postings {
			body = binary.AppendVarint(body, int64(o.rank-rank))
			rank = o.rank
		}
	}
	for _, postings := range p.postings {
		for _, o := range postings {
			body = binary.AppendUvarint(body, uint64(o.start))
			body = binary.AppendUvarint(body, uint64(o.end))
		}
	}
	return pack(z, append(d.append(nil), body...))
}

func parseTerms(value []byte) (*termPage, error) {
	raw, err := unpackSized(value, maxPage)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRun, err)
	}
	w := wire{data: raw}
	words := w.words()
	n := w.countUpTo(maxInPage, 7)
	p := &termPage{bytes: pageCost * len(raw), terms: make([]term, n), postings: make([][]posting, n)}
	last := ""
	for i := range p.terms {
		t := term{resource: w.resource(words), namespace: w.word(words)}
		last = w.shared(last)
		t.attr = attr(last)
		p.terms[i] = t
	}
	for i, n := range w.counts(n, 3) {
		p.postings[i] = make([]posting, n)
	}
	rank := int64(0)
	for _, postings := range p.postings {
		for i := range postings {
			rank += w.varint()
			postings[i].rank = int(rank)
		}
	}
	for _, postings := range p.postings {
		for i := range postings {
			postings[i].start, postings[i].end = int(w.uvarint()), int(w.uvarint())
		}
	}
	if w.bad || len(w.data) > 0 || !slices.IsSortedFunc(p.terms, term.compare) {
		return nil, errRun
	}
	return p, nil
}
