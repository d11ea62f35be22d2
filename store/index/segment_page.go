package index

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// posting is an object that had a term; see span.
type posting struct {
	Rank       int // the object's place in the run
	Start, End int
}

// ObjectPage holds consecutive objects.
type ObjectPage struct {
	bytes    int // about what it takes in memory
	Refs     []event.Ref
	Versions [][]Version
}

// TermPage holds consecutive terms with the objects that had them.
type TermPage struct {
	bytes    int // about what it takes in memory
	Terms    []Term
	Postings [][]posting
}

// EncodeObjects packs a page of objects. Names come first and positions last,
// because like compresses with like.
func EncodeObjects(z *zstd.Encoder, p *ObjectPage, first event.Seq) []byte {
	d := encoding.NewDictionary()
	body := binary.AppendUvarint(nil, uint64(len(p.Refs)))
	last := ""
	for _, ref := range p.Refs {
		body = d.AppendResource(body, ref.Resource)
		body = d.AppendWord(body, ref.Namespace)
		body = encoding.AppendShared(body, last, ref.Name)
		last = ref.Name
	}
	for _, versions := range p.Versions {
		body = binary.AppendUvarint(body, uint64(len(versions)))
	}
	for _, versions := range p.Versions {
		seq := first
		for _, v := range versions {
			body = binary.AppendUvarint(body, uint64(v.Seq-seq)<<2|uint64(v.State))
			seq = v.Seq
		}
	}
	return encoding.Pack(z, append(d.Append(nil), body...))
}

func ParseObjects(value []byte, first event.Seq) (*ObjectPage, error) {
	raw, err := encoding.Unpack(value, encoding.MaxPage)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	w := encoding.Reader{Data: raw}
	words := w.Words()
	n := w.CountUpTo(maxInPage, 7)
	p := &ObjectPage{bytes: pageCost * len(raw), Refs: make([]event.Ref, n), Versions: make([][]Version, n)}
	last := ""
	for i := range p.Refs {
		ref := event.Ref{Resource: w.Resource(words), Namespace: w.Word(words)}
		ref.Name = w.Shared(last)
		p.Refs[i], last = ref, ref.Name
	}
	for i, n := range w.Counts(n, 1) {
		p.Versions[i] = make([]Version, n)
	}
	for _, versions := range p.Versions {
		seq := first
		for i := range versions {
			v := w.Uvarint()
			if seq += event.Seq(v >> 2); seq > event.MaxSeq {
				w.Fail()
			}
			versions[i] = Version{seq, state(v & 3)}
		}
	}
	if w.Bad || len(w.Data) > 0 || !slices.IsSortedFunc(p.Refs, event.Ref.Compare) {
		return nil, errSegment
	}
	return p, nil
}

// EncodeTerms packs a page of terms.
func EncodeTerms(z *zstd.Encoder, p *TermPage) []byte {
	d := encoding.NewDictionary()
	body := binary.AppendUvarint(nil, uint64(len(p.Terms)))
	last := ""
	for _, t := range p.Terms {
		body = d.AppendResource(body, t.Resource)
		body = d.AppendWord(body, t.Namespace)
		body = encoding.AppendShared(body, last, string(t.Attr))
		last = string(t.Attr)
	}
	for _, postings := range p.Postings {
		body = binary.AppendUvarint(body, uint64(len(postings)))
	}
	rank := 0
	for _, postings := range p.Postings {
		for _, o := range postings {
			body = binary.AppendVarint(body, int64(o.Rank-rank))
			rank = o.Rank
		}
	}
	for _, postings := range p.Postings {
		for _, o := range postings {
			body = binary.AppendUvarint(body, uint64(o.Start))
			body = binary.AppendUvarint(body, uint64(o.End))
		}
	}
	return encoding.Pack(z, append(d.Append(nil), body...))
}

func ParseTerms(value []byte) (*TermPage, error) {
	raw, err := encoding.Unpack(value, encoding.MaxPage)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	w := encoding.Reader{Data: raw}
	words := w.Words()
	n := w.CountUpTo(maxInPage, 7)
	p := &TermPage{bytes: pageCost * len(raw), Terms: make([]Term, n), Postings: make([][]posting, n)}
	last := ""
	for i := range p.Terms {
		t := Term{Resource: w.Resource(words), Namespace: w.Word(words)}
		last = w.Shared(last)
		t.Attr = Attr(last)
		p.Terms[i] = t
	}
	for i, n := range w.Counts(n, 3) {
		p.Postings[i] = make([]posting, n)
	}
	rank := int64(0)
	for _, postings := range p.Postings {
		for i := range postings {
			rank += w.Varint()
			postings[i].Rank = int(rank)
		}
	}
	for _, postings := range p.Postings {
		for i := range postings {
			postings[i].Start, postings[i].End = int(w.Uvarint()), int(w.Uvarint())
		}
	}
	if w.Bad || len(w.Data) > 0 || !slices.IsSortedFunc(p.Terms, Term.Compare) {
		return nil, errSegment
	}
	return p, nil
}
