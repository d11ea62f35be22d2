package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// indexCheck holds the index, the ledger, the ticks and the totals of a
// recording against its blocks. Both sides are reduced to sums over facts, so
// that its memory grows with the cluster, not with the recording.
type indexCheck struct {
	r     *Recording
	seed  maphash.Seed // random: nobody can forge facts that sum up alike
	track *index.Tracker

	blocks   map[schema.GroupVersionResource]uint64 // sums of the facts
	changes  int                                    // versions among them
	ledger   []Coverage
	ticks    []index.Tick // those not met yet
	wrong    error        // the first thing that is wrong with a tick
	events   uint64
	kinds    []Kind
	lastTime int64
	last     Seq
}

// fact is one thing that an index says of an object: that it has a version in a
// state, or that an attribute begins or ends with a version.
type fact struct {
	object uint64 // hash of its Ref
	attr   index.Attr
	what   byte // state, or factBegins, factEnds
	at     Seq
}

const (
	factBegins = 'b'
	factEnds   = 'e'
)

func newIndexCheck(r *Recording) *indexCheck {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &indexCheck{r: r, seed: maphash.MakeSeed(), track: index.NewTracker(), blocks: map[schema.GroupVersionResource]uint64{}, ticks: slices.Clone(r.ticks), lastTime: block.MinTime}
}

func (c *indexCheck) version(object uint64, v index.Version) uint64 {
	return maphash.Comparable(c.seed, fact{object, "", byte(v.State), v.Seq})
}

func (c *indexCheck) attr(object uint64, a index.Attr, what byte, at Seq) uint64 {
	return maphash.Comparable(c.seed, fact{object, a, what, at})
}

// entry takes the time of a position of the blocks, in order.
func (c *indexCheck) entry(e block.Entry) error {
	for len(c.ticks) > 0 && c.ticks[0].Seq <= e.Seq {
		if t := c.ticks[0]; c.wrong == nil && (t.Seq != e.Seq || t.Time.UnixMicro() != e.Time) {
			c.wrong = fmt.Errorf("position %d is at %s in the index: %w", t.Seq, t.Time.Format(time.RFC3339Nano), index.ErrDamaged)
		}
		c.ticks = c.ticks[1:]
	}
	if e.Seq <= c.last || e.Time < c.lastTime {
		return fmt.Errorf("position %d at %s comes after position %d at %s: %w", e.Seq, time.UnixMicro(e.Time).UTC().Format(time.RFC3339Nano),
			c.last, time.UnixMicro(c.lastTime).UTC().Format(time.RFC3339Nano), encoding.ErrMalformed)
	}
	c.last, c.lastTime = e.Seq, e.Time
	return nil
}

// event takes an event of the blocks, in order.
func (c *indexCheck) event(e *Event) error {
	if e.Seq >= c.r.info.First {
		c.events++
		c.kinds = count(c.kinds, e)
	}
	id, _ := rawjson.Identify(e.Resource, e.Object)
	changes, err := c.swept(e, &id)
	if err != nil {
		return err
	}
	for _, change := range c.track.Observe(changes, e, &id) {
		object := maphash.Comparable(c.seed, change.Ref)
		sum := c.version(object, change.Version)
		for _, a := range change.Added {
			sum += c.attr(object, a, factBegins, change.Seq)
		}
		for _, a := range change.Removed {
			sum += c.attr(object, a, factEnds, change.Seq)
		}
		c.blocks[e.Resource] += sum
		c.changes++
	}
	return nil
}

// swept returns the objects of a ring that the index calls gone at the end of a
// list that began before the window: its RELIST was dropped, so the blocks do
// not say which of the objects from before the window were in it.
func (c *indexCheck) swept(e *Event, id *rawjson.Identity) (changes []index.Change, err error) {
	k := c.track.Kinds[e.Resource]
	first := c.r.info.First
	if e.Type != watch.Bookmark || !id.ListEnd || k == nil || k.Listing[e.Namespace] != 0 || first <= 1 || c.r.sparse() {
		return nil, nil
	}
	for at, o := range k.Objects {
		if o.Seq >= first || e.Namespace != "" && e.Namespace != at.Namespace {
			continue
		}
		end := index.Version{Seq: e.Seq, State: index.Gone}
		ref := Ref{Resource: e.Resource, Namespace: at.Namespace, Name: at.Name}
		versions, err := c.r.versionsOf(ref, e.Seq)
		if err != nil {
			return nil, err
		}
		if slices.Contains(versions, end) {
			changes = append(changes, index.Change{Version: end, Ref: ref, Removed: o.Attrs.Value().Unpack()})
			delete(k.Objects, at)
		}
	}
	return changes, nil
}

// finish compares, when all blocks were seen, and reports each difference.
func (c *indexCheck) finish(report func(what string, err error)) {
	differs := func(what, format string, args ...any) {
		report(what, fmt.Errorf(format+": %w", append(args, index.ErrDamaged)...))
	}
	c.r.mu.RLock()
	defer c.r.mu.RUnlock()
	info := &c.r.info
	switch {
	case c.wrong != nil:
		report("ticks", c.wrong)
	case len(c.ticks) > 0:
		differs("ticks", "position %d is not in the blocks", c.ticks[0].Seq)
	case info.Last > 0 && (len(c.r.ticks) == 0 || c.r.ticks[0].Seq != info.First):
		differs("ticks", "the first is not that of position %d", info.First)
	}
	if !slices.Equal(c.ledger, c.r.ledger.Changes) {
		differs("ledger", "the index has other coverage changes than the blocks")
	}
	if c.last != info.Last || c.events != info.Events || !slices.Equal(c.kinds, slices.DeleteFunc(slices.Clone(c.r.kinds), func(k Kind) bool { return k == Kind{Resource: k.Resource} })) {
		report(encoding.KeyEnd, fmt.Errorf("it counts %d events up to position %d, the blocks hold %d up to %d: %w", info.Events, info.Last, c.events, c.last, encoding.ErrMalformed))
	}
	idx := map[schema.GroupVersionResource]uint64{}
	left := c.changes
	for i := range c.r.parts {
		if err := c.part(c.r.parts[i].(index.Source), idx, &left); err != nil {
			report("index", err)
			return
		}
	}
	for resource, sum := range c.blocks {
		if idx[resource] != sum {
			differs("index", "it says something else of %s than the blocks", schema.GroupResource{Group: resource.Group, Resource: resource.Resource})
		}
		delete(idx, resource)
	}
	for resource, sum := range idx {
		if sum != 0 {
			differs("index", "it holds %s, the blocks do not", schema.GroupResource{Group: resource.Group, Resource: resource.Resource})
		}
	}
}

// indexed is what is remembered of an object of a part, by rank.
type indexed struct {
	hash     uint64
	versions []index.Version
}

var errUnordered = fmt.Errorf("out of order: %w", index.ErrDamaged)

// part adds what one part says to the sums. The part may have no more than left
// versions: so many are in the blocks.
func (c *indexCheck) part(s index.Source, sums map[schema.GroupVersionResource]uint64, left *int) error {
	run, _ := s.(*index.Segment)
	if run != nil {
		if err := run.PagesMatch(); err != nil {
			return err
		}
	}
	var objects []indexed
	var before *index.Object
	for o, err := range s.Sorted() {
		if err != nil {
			return err
		}
		if before != nil && before.Ref.Compare(o.Ref) >= 0 || len(o.Versions) == 0 {
			return fmt.Errorf("objects: %w", errUnordered)
		}
		if *left -= len(o.Versions); *left < 0 {
			return fmt.Errorf("it holds more versions than the blocks: %w", index.ErrDamaged)
		}
		known := indexed{maphash.Comparable(c.seed, o.Ref), o.Versions}
		seq := Seq(0)
		for _, v := range o.Versions {
			if v.Seq <= seq || v.State > index.Gone || run != nil && (v.Seq < run.First || v.Seq > run.Last) {
				return fmt.Errorf("versions: %w", errUnordered)
			}
			seq = v.Seq
			sums[o.Ref.Resource] += c.version(known.hash, v)
		}
		objects = append(objects, known)
		before = o
	}
	return c.terms(s.Postings(), objects, sums)
}

// terms adds what the postings of a part say.
func (c *indexCheck) terms(postings iter.Seq2[*index.TermPostings, error], objects []indexed, sums map[schema.GroupVersionResource]uint64) error {
	var before *index.Term
	for h, err := range postings {
		if err != nil {
			return err
		}
		if before != nil && before.Compare(h.Term) >= 0 || len(h.List) == 0 {
			return fmt.Errorf("terms: %w", errUnordered)
		}
		before = &h.Term
		for i, o := range h.List {
			if o.Rank < 0 || o.Rank >= len(objects) {
				return fmt.Errorf("postings: %w", errUnordered)
			}
			known := &objects[o.Rank]
			most := len(known.versions)
			if o.Start < 0 || o.End < 0 || o.Start > most || o.End > most || o.End > 0 && o.Start >= o.End {
				return fmt.Errorf("postings: %w", errUnordered)
			}
			if i > 0 {
				// An object that had the attribute twice lost it in between.
				last := h.List[i-1]
				if last.Rank > o.Rank || last.Rank == o.Rank && (last.End == 0 || o.Start < last.End) {
					return fmt.Errorf("postings: %w", errUnordered)
				}
			}
			if o.Start > 0 {
				sums[h.Term.Resource] += c.attr(known.hash, h.Term.Attr, factBegins, known.versions[o.Start-1].Seq)
			}
			if o.End > 0 {
				sums[h.Term.Resource] += c.attr(known.hash, h.Term.Attr, factEnds, known.versions[o.End-1].Seq)
			}
		}
	}
	return nil
}

// hidden returns an error if there are other blocks than the given number that
// were found by position.
func (v *verifying) hidden(found int) error {
	return v.r.source().View(func(t *boltfile.Tree) error {
		b, err := t.Bucket(encoding.BucketBlocks)
		if err != nil || b == nil {
			return err
		}
		n := 0
		b.Ascend(nil, func(k, _ []byte, failed error) bool {
			if failed == nil {
				n++
			}
			return true
		})
		if n != found {
			err = fmt.Errorf("%d of %d blocks are not found by their positions: %w", n-found, n, encoding.ErrMalformed)
		}
		return err
	})
}

var errKey = errors.New("its key is that of another")

// keyed returns an error if a key is not that of the position or number.
func keyed(key, want []byte) error {
	if !bytes.Equal(key, want) {
		return fmt.Errorf("%w: %w", errKey, encoding.ErrMalformed)
	}
	return nil
}
