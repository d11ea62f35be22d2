package index

import (
	"fmt"
	"iter"

	"github.com/svcspy/svcspy/store/event"
)

// Adoption says what of another recording's index a Writer takes over.
type Adoption struct {
	Parts []Part // of the other recording, in order
	// After and To bound the versions: After < Seq <= To.
	After, To event.Seq
	// Current, unless 0, leaves out what lies before it and is not current there.
	Current event.Seq
	First   event.Seq // the first position
	Times   [2]int64  // of First and To, microseconds
	Ticks   []Tick
	Ledger  []event.Coverage
}

// Adopt makes a run of what another recording's index says of positions that were, or
// will be, taken over. They must follow all that the Writer knows. After an error it may
// be called again.
func (x *Writer) Adopt(a *Adoption) error {
	if len(x.trails) > 0 {
		if err := x.merge(nil, 0, nil); err != nil {
			return err
		}
	}
	r := &Segment{ID: x.nextID, tier: lastTier, First: a.First, Last: a.To, Times: a.Times, Ticks: thin(a.Ticks), Ledger: a.Ledger, cut: a.Current}
	var sources []Source
	for _, p := range a.Parts {
		source, ok := p.(Source)
		if !ok {
			return fmt.Errorf("adopt index: %T is not one", p)
		}
		sources = append(sources, &excerpt{of: source, after: a.After, to: a.To})
	}
	if err := x.write(r, sources, nil, noMore); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	x.nextID++
	x.Segments = append(x.Segments, r)
	return nil
}

// excerpt is what a Source says of the versions after a position and up to another.
type excerpt struct {
	of        Source
	after, to event.Seq
	kept      []keptVersions // by rank in of
}

// keptVersions are the versions of an object that an excerpt has.
type keptVersions struct{ rank, dropped, count int }

// Sorted implements Source.
func (x *excerpt) Sorted() iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		x.kept = nil
		rank := 0
		for o, err := range x.of.Sorted() {
			if err != nil {
				yield(nil, err)
				return
			}
			versions := UpTo(o.Versions, x.to)
			k := keptVersions{rank: rank, dropped: len(UpTo(versions, x.after))}
			k.count = len(versions) - k.dropped
			x.kept = append(x.kept, k)
			if k.count == 0 {
				continue
			}
			rank++
			if !yield(&Object{Ref: o.Ref, Versions: versions[k.dropped:]}, nil) {
				return
			}
		}
	}
}

// Postings implements Source. Sorted must have been read to its end.
func (x *excerpt) Postings() iter.Seq2[*TermPostings, error] {
	return func(yield func(*TermPostings, error) bool) {
		for t, err := range x.of.Postings() {
			if err != nil {
				yield(nil, err)
				return
			}
			kept := &TermPostings{Term: t.Term}
			for _, o := range t.List {
				if o.Rank < 0 || o.Rank >= len(x.kept) {
					yield(nil, errSegment)
					return
				}
				if o, ok := x.kept[o.Rank].of(o); ok {
					kept.List = append(kept.List, o)
				}
			}
			if len(kept.List) > 0 && !yield(kept, nil) {
				return
			}
		}
	}
}

// of returns what is left of a posting; ok is false if nothing is said of it by the
// versions that are kept.
func (k keptVersions) of(o posting) (left posting, ok bool) {
	if o.Start > k.dropped+k.count {
		return o, false
	}
	if o.End > k.dropped+k.count {
		o.End = 0
	}
	if o.End > 0 && o.End <= k.dropped {
		return o, false
	}
	o.Rank, o.Start, o.End = k.rank, max(o.Start-k.dropped, 0), max(o.End-k.dropped, 0)
	return o, o.Start > 0 || o.End > 0
}

// Copy returns the index as it is now.
func (x *Index) Copy() *Index { return x.From(1) }
