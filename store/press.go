package store

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// source is what a run is made of: the index in memory, or an older run.
type source interface {
	// sorted yields the objects by name; the place is the object's rank.
	sorted() iter.Seq2[*object, error]
	// postings yields the terms in order with the objects that had them.
	postings() iter.Seq2[*having, error]
}

// having is a term with the objects that had it, by rank.
type having struct {
	term term
	list []posting
}

// press merges sources, which follow each other in time, into the run r, whose
// range and ledger are set. Pages go to put as they are full.
func press(r *run, sources []source, z *zstd.Encoder, put func(bucket string, page int, value []byte) error) error {
	moves := make([]moved, len(sources))
	if err := r.pressObjects(sources, moves, z, put); err != nil {
		return err
	}
	return r.pressTerms(sources, moves, z, put)
}

// moved says where the objects of a source came to be in the merged run.
type moved struct {
	ranks  []uint32 // by rank in the source
	before []uint32 // versions the object has from earlier sources
}

func (r *run) pressObjects(sources []source, moves []moved, z *zstd.Encoder, put func(string, int, []byte) error) error {
	streams, stop := pull(sources, source.sorted)
	defer stop()
	page, versions, rank := objectPage{}, 0, 0
	flush := func() error {
		if len(page.refs) == 0 {
			return nil
		}
		number := len(r.objects)
		r.objects = append(r.objects, page.refs[0])
		r.ranks = append(r.ranks, rank-len(page.refs))
		err := put(bucketObjects, number, encodeObjects(z, &page, r.first))
		page, versions = objectPage{}, 0
		return err
	}
	for {
		lowest, err := heads(streams, func(a, b *object) int { return a.ref.compare(b.ref) })
		if err != nil {
			return err
		}
		if len(lowest) == 0 {
			return flush()
		}
		ref := streams[lowest[0]].head.ref
		var all []version
		for _, i := range lowest {
			moves[i].ranks = append(moves[i].ranks, uint32(rank))
			moves[i].before = append(moves[i].before, uint32(len(all)))
			all = append(all, streams[i].head.versions...)
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
		page.refs, page.versions = append(page.refs, ref), append(page.versions, all)
		versions += len(all)
		rank++
		if len(page.refs) >= pageObjects || versions >= pageVersions {
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
	if o.end > 0 && o.end <= dropped+1 && o.start <= dropped {
		return o, false
	}
	o.start = max(o.start-dropped, 1)
	if o.end > 0 {
		o.end -= dropped
	}
	return o, true
}

func (r *run) pressTerms(sources []source, moves []moved, z *zstd.Encoder, put func(string, int, []byte) error) error {
	streams, stop := pull(sources, source.postings)
	defer stop()
	page, postings := termPage{}, 0
	flush := func() error {
		if len(page.terms) == 0 {
			return nil
		}
		number := len(r.terms)
		r.terms = append(r.terms, page.terms[0])
		err := put(bucketTerms, number, encodeTerms(z, &page))
		page, postings = termPage{}, 0
		return err
	}
	for {
		lowest, err := heads(streams, func(a, b *having) int { return a.term.compare(b.term) })
		if err != nil {
			return err
		}
		if len(lowest) == 0 {
			return flush()
		}
		t := streams[lowest[0]].head.term
		var all []posting
		for _, i := range lowest {
			for _, o := range streams[i].head.list {
				if o.rank < 0 || o.rank >= len(moves[i].ranks) {
					return errRun
				}
				if moves[i].ranks[o.rank] == noRank {
					continue
				}
				before := int(moves[i].before[o.rank])
				o.rank = int(moves[i].ranks[o.rank])
				if o.start > 0 {
					o.start += before
				}
				if o.end > 0 {
					o.end += before
				}
				all = append(all, o)
			}
			streams[i].done()
		}
		all = r.left(join(all))
		if len(all) == 0 {
			continue
		}
		page.terms, page.postings = append(page.terms, t), append(page.postings, all)
		postings += len(all) + 4
		if postings >= pagePostings {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// left returns the postings without what was cut.
func (r *run) left(all []posting) []posting {
	kept := all[:0]
	for _, o := range all {
		if o, ok := o.after(int(r.dropped[o.rank])); ok {
			kept = append(kept, o)
		}
	}
	return kept
}

// join sorts the postings of a term and puts together what one source left open
// and a later one goes on with.
func join(all []posting) []posting {
	slices.SortStableFunc(all, func(a, b posting) int { return cmp.Compare(a.rank, b.rank) })
	kept := all[:0]
	for _, o := range all {
		if n := len(kept); n > 0 && o.start == 0 && kept[n-1].rank == o.rank && kept[n-1].end == 0 {
			kept[n-1].end = o.end
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
func pull[T any](sources []source, sequence func(source) iter.Seq2[*T, error]) ([]*stream[T], func()) {
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

// sorted implements source. It also ranks the objects for postings.
func (x *index) sorted() iter.Seq2[*object, error] {
	var all []*object
	for _, namespaces := range x.kinds {
		for _, names := range namespaces {
			for _, o := range names {
				all = append(all, o)
			}
		}
	}
	slices.SortFunc(all, func(a, b *object) int { return a.ref.compare(b.ref) })
	for rank, o := range all {
		o.rank = rank
	}
	return func(yield func(*object, error) bool) {
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// postings implements source.
func (x *index) postings() iter.Seq2[*having, error] {
	var terms []term
	for t := range x.terms {
		terms = append(terms, t)
	}
	slices.SortFunc(terms, term.compare)
	return func(yield func(*having, error) bool) {
		for _, t := range terms {
			objects := slices.Clone(x.terms[t])
			slices.SortFunc(objects, func(a, b *object) int { return cmp.Compare(a.rank, b.rank) })
			h := &having{term: t}
			for _, o := range slices.Compact(objects) {
				for _, s := range o.spans {
					if s.attr == t.attr {
						h.list = append(h.list, posting{o.rank, s.start, s.end})
					}
				}
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}

// sorted implements source.
func (r *run) sorted() iter.Seq2[*object, error] {
	return func(yield func(*object, error) bool) {
		for i := range r.objects {
			value, err := r.read(bucketObjects, r.id, i)
			var p *objectPage
			if err == nil {
				p, err = parseObjects(value, r.first)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for n, ref := range p.refs {
				if !yield(&object{ref: ref, versions: p.versions[n]}, nil) {
					return
				}
			}
		}
	}
}

// postings implements source.
func (r *run) postings() iter.Seq2[*having, error] {
	return func(yield func(*having, error) bool) {
		for i := range r.terms {
			value, err := r.read(bucketTerms, r.id, i)
			var p *termPage
			if err == nil {
				p, err = parseTerms(value)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for n, t := range p.terms {
				if !yield(&having{t, p.postings[n]}, nil) {
					return
				}
			}
		}
	}
}
