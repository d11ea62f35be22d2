package index

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/svcspy/svcspy/store/encoding"
)

// Source is what a run is made of: the index in memory, or an older run.
type Source interface {
	// Sorted yields the objects by name; the place is the object's rank.
	Sorted() iter.Seq2[*Object, error]
	// Postings yields the terms in order with the objects that had them.
	Postings() iter.Seq2[*TermPostings, error]
}

// TermPostings is a term with the objects that had it, by rank.
type TermPostings struct {
	Term Term
	List []posting
}

// merge merges sources, which follow each other in time, into the run r, whose
// range and ledger are set. Pages go to put as they are full.
func merge(r *Segment, sources []Source, z *zstd.Encoder, put func(bucket string, page int, value []byte) error) error {
	moves := make([]rankMap, len(sources))
	if err := r.pressObjects(sources, moves, z, put); err != nil {
		return err
	}
	return r.pressTerms(sources, moves, z, put)
}

// rankMap says where the objects of a source came to be in the merged run.
type rankMap struct {
	ranks  []uint32 // by rank in the source
	before []uint32 // versions the object has from earlier sources
}

func (r *Segment) pressObjects(sources []Source, moves []rankMap, z *zstd.Encoder, put func(string, int, []byte) error) error {
	streams, stop := pull(sources, Source.Sorted)
	defer stop()
	page, versions, rank := ObjectPage{}, 0, 0
	flush := func() error {
		if len(page.Refs) == 0 {
			return nil
		}
		number := len(r.Objects)
		r.Objects = append(r.Objects, page.Refs[0])
		r.Ranks = append(r.Ranks, rank-len(page.Refs))
		err := put(encoding.BucketObjects, number, EncodeObjects(z, &page, r.First))
		page, versions = ObjectPage{}, 0
		return err
	}
	for {
		lowest, err := heads(streams, func(a, b *Object) int { return a.Ref.Compare(b.Ref) })
		if err != nil {
			return err
		}
		if len(lowest) == 0 {
			return flush()
		}
		ref := streams[lowest[0]].head.Ref
		var all []Version
		for _, i := range lowest {
			moves[i].ranks = append(moves[i].ranks, uint32(rank))
			moves[i].before = append(moves[i].before, uint32(len(all)))
			all = append(all, streams[i].head.Versions...)
			streams[i].done()
		}
		before := outdated(all, r.cut)
		if before == len(all) {
			for _, i := range lowest {
				moves[i].ranks[len(moves[i].ranks)-1] = noRank
			}
			continue
		}
		all = all[before:]
		r.dropped = append(r.dropped, uint32(before))
		page.Refs, page.Versions = append(page.Refs, ref), append(page.Versions, all)
		versions += len(all)
		rank++
		if len(page.Refs) >= pageObjects || versions >= pageVersions {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// noRank is the rank of an object that is left out.
const noRank = math.MaxUint32

// after returns what is left of a posting when the object's first versions are
// left out; ok is false if nothing is.
func (o posting) after(dropped int) (left posting, ok bool) {
	if dropped == 0 {
		return o, true
	}
	if o.End > 0 && o.End <= dropped+1 && o.Start <= dropped {
		return o, false
	}
	o.Start = max(o.Start-dropped, 1)
	if o.End > 0 {
		o.End -= dropped
	}
	return o, true
}

func (r *Segment) pressTerms(sources []Source, moves []rankMap, z *zstd.Encoder, put func(string, int, []byte) error) error {
	streams, stop := pull(sources, Source.Postings)
	defer stop()
	page, postings := TermPage{}, 0
	flush := func() error {
		if len(page.Terms) == 0 {
			return nil
		}
		number := len(r.Terms)
		r.Terms = append(r.Terms, page.Terms[0])
		err := put(encoding.BucketTerms, number, EncodeTerms(z, &page))
		page, postings = TermPage{}, 0
		return err
	}
	for {
		lowest, err := heads(streams, func(a, b *TermPostings) int { return a.Term.Compare(b.Term) })
		if err != nil {
			return err
		}
		if len(lowest) == 0 {
			return flush()
		}
		t := streams[lowest[0]].head.Term
		var all []posting
		for _, i := range lowest {
			for _, o := range streams[i].head.List {
				if o.Rank < 0 || o.Rank >= len(moves[i].ranks) {
					return errSegment
				}
				if moves[i].ranks[o.Rank] == noRank {
					continue
				}
				before := int(moves[i].before[o.Rank])
				o.Rank = int(moves[i].ranks[o.Rank])
				if o.Start > 0 {
					o.Start += before
				}
				if o.End > 0 {
					o.End += before
				}
				all = append(all, o)
			}
			streams[i].done()
		}
		all = r.left(join(all))
		if len(all) == 0 {
			continue
		}
		page.Terms, page.Postings = append(page.Terms, t), append(page.Postings, all)
		postings += len(all) + 4
		if postings >= pagePostings {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// left returns the postings without what was cut.
func (r *Segment) left(all []posting) []posting {
	kept := all[:0]
	for _, o := range all {
		if o, ok := o.after(int(r.dropped[o.Rank])); ok {
			kept = append(kept, o)
		}
	}
	return kept
}

// join sorts the postings of a term and puts together what one source left open
// and a later one goes on with.
func join(all []posting) []posting {
	slices.SortStableFunc(all, func(a, b posting) int { return cmp.Compare(a.Rank, b.Rank) })
	kept := all[:0]
	for _, o := range all {
		if n := len(kept); n > 0 && o.Start == 0 && kept[n-1].Rank == o.Rank && kept[n-1].End == 0 {
			kept[n-1].End = o.End
			continue
		}
		kept = append(kept, o)
	}
	return kept
}

// stream is a sequence of which the head is looked at before it is taken.
type stream[T any] struct {
	next func() (*T, error, bool)
	head *T
	err  error
	over bool
}

// pull begins to read a sequence of each source.
func pull[T any](sources []Source, sequence func(Source) iter.Seq2[*T, error]) ([]*stream[T], func()) {
	var streams []*stream[T]
	var stops []func()
	for _, s := range sources {
		next, stop := iter.Pull2(sequence(s))
		stops = append(stops, stop)
		one := &stream[T]{next: next}
		one.done()
		streams = append(streams, one)
	}
	return streams, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// done takes the head.
func (s *stream[T]) done() {
	var ok bool
	s.head, s.err, ok = s.next()
	s.over = !ok
}

// heads returns the places of the streams whose heads are lowest.
func heads[T any](streams []*stream[T], compare func(a, b *T) int) ([]int, error) {
	var lowest []int
	for i, s := range streams {
		if s.over {
			continue
		}
		if s.err != nil {
			return nil, s.err
		}
		if len(lowest) > 0 {
			c := compare(s.head, streams[lowest[0]].head)
			if c > 0 {
				continue
			}
			if c < 0 {
				lowest = lowest[:0]
			}
		}
		lowest = append(lowest, i)
	}
	return lowest, nil
}

// Sorted implements source. It also ranks the objects for postings.
func (x *Index) Sorted() iter.Seq2[*Object, error] {
	var all []*Object
	for _, namespaces := range x.kinds {
		for _, names := range namespaces {
			for _, o := range names {
				all = append(all, o)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Object) int { return a.Ref.Compare(b.Ref) })
	for rank, o := range all {
		o.rank = rank
	}
	return func(yield func(*Object, error) bool) {
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// Postings implements source.
func (x *Index) Postings() iter.Seq2[*TermPostings, error] {
	var terms []Term
	for t := range x.terms {
		terms = append(terms, t)
	}
	slices.SortFunc(terms, Term.Compare)
	return func(yield func(*TermPostings, error) bool) {
		for _, t := range terms {
			objects := slices.Clone(x.terms[t])
			slices.SortFunc(objects, func(a, b *Object) int { return cmp.Compare(a.rank, b.rank) })
			h := &TermPostings{Term: t}
			for _, o := range slices.Compact(objects) {
				for _, s := range o.spans {
					if s.attr == t.Attr {
						h.List = append(h.List, posting{o.rank, s.start, s.end})
					}
				}
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}

// Sorted implements source.
func (r *Segment) Sorted() iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		for i := range r.Objects {
			value, err := r.read(encoding.BucketObjects, r.ID, i)
			var p *ObjectPage
			if err == nil {
				p, err = ParseObjects(value, r.First)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for n, ref := range p.Refs {
				if !yield(&Object{Ref: ref, Versions: p.Versions[n]}, nil) {
					return
				}
			}
		}
	}
}

// Postings implements source.
func (r *Segment) Postings() iter.Seq2[*TermPostings, error] {
	return func(yield func(*TermPostings, error) bool) {
		for i := range r.Terms {
			value, err := r.read(encoding.BucketTerms, r.ID, i)
			var p *TermPage
			if err == nil {
				p, err = ParseTerms(value)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for n, t := range p.Terms {
				if !yield(&TermPostings{t, p.Postings[n]}, nil) {
					return
				}
			}
		}
	}
}
