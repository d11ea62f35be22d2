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
)

// indexCheck holds the index, the ledger, the ticks and the totals of a
// recording against its blocks. Both sides are reduced to sums over facts, so
// that its memory grows with the cluster, not with the recording.
type indexCheck struct {
	r     *Recording
	seed  maphash.Seed // random: nobody can forge facts that sum up alike
	track *tracker

	blocks   map[schema.GroupVersionResource]uint64 // sums of the facts
	changes  int                                    // versions among them
	ledger   []Coverage
	ticks    []tick // those not met yet
	wrong    error  // the first thing that is wrong with a tick
	events   uint64
	kinds    []Kind
	lastTime int64
	last     Seq
}

// fact is one thing that an index says of an object: that it has a version in a
// state, or that an attribute begins or ends with a version.
type fact struct {
	object uint64 // hash of its Ref
	attr   attr
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
	return &indexCheck{r: r, seed: maphash.MakeSeed(), track: newTracker(), blocks: map[schema.GroupVersionResource]uint64{}, ticks: slices.Clone(r.ticks), lastTime: minTime}
}

func (c *indexCheck) version(object uint64, v version) uint64 {
	return maphash.Comparable(c.seed, fact{object, "", byte(v.state), v.seq})
}

func (c *indexCheck) attr(object uint64, a attr, what byte, at Seq) uint64 {
	return maphash.Comparable(c.seed, fact{object, a, what, at})
}

// entry takes the time of a position of the blocks, in order.
func (c *indexCheck) entry(e entry) error {
	for len(c.ticks) > 0 && c.ticks[0].seq <= e.seq {
		if t := c.ticks[0]; c.wrong == nil && (t.seq != e.seq || t.time.UnixMicro() != e.time) {
			c.wrong = fmt.Errorf("position %d is at %s in the index: %w", t.seq, t.time.Format(time.RFC3339Nano), errIndex)
		}
		c.ticks = c.ticks[1:]
	}
	if e.seq <= c.last || e.time < c.lastTime {
		return fmt.Errorf("position %d at %s comes after position %d at %s: %w", e.seq, time.UnixMicro(e.time).UTC().Format(time.RFC3339Nano),
			c.last, time.UnixMicro(c.lastTime).UTC().Format(time.RFC3339Nano), errBlock)
	}
	c.last, c.lastTime = e.seq, e.time
	return nil
}

// event takes an event of the blocks, in order.
func (c *indexCheck) event(e *Event) error {
	if e.Seq >= c.r.info.First {
		c.events++
		c.kinds = count(c.kinds, e)
	}
	id, _ := scan(e.Resource, e.Object)
	changes, err := c.swept(e, &id)
	if err != nil {
		return err
	}
	for _, change := range c.track.observe(changes, e, &id) {
		object := maphash.Comparable(c.seed, change.ref)
		sum := c.version(object, change.version)
		for _, a := range change.added {
			sum += c.attr(object, a, factBegins, change.seq)
		}
		for _, a := range change.removed {
			sum += c.attr(object, a, factEnds, change.seq)
		}
		c.blocks[e.Resource] += sum
		c.changes++
	}
	return nil
}

// swept returns the objects of a ring that the index calls gone at the end of a
// list that began before the window: its RELIST was dropped, so the blocks do
// not say which of the objects from before the window were in it.
func (c *indexCheck) swept(e *Event, id *identity) (changes []change, err error) {
	k := c.track.kinds[e.Resource]
	first := c.r.info.First
	if e.Type != watch.Bookmark || !id.listEnd || k == nil || k.listing[e.Namespace] != 0 || first <= 1 || c.r.sparse() {
		return nil, nil
	}
	for at, o := range k.objects {
		if o.seq >= first || e.Namespace != "" && e.Namespace != at.namespace {
			continue
		}
		end := version{e.Seq, gone}
		ref := Ref{e.Resource, at.namespace, at.name}
		versions, err := c.r.versionsOf(ref, e.Seq)
		if err != nil {
			return nil, err
		}
		if slices.Contains(versions, end) {
			changes = append(changes, change{version: end, ref: ref, removed: o.attrs.Value().unpack()})
			delete(k.objects, at)
		}
	}
	return changes, nil
}

// finish compares, when all blocks were seen, and reports each difference.
func (c *indexCheck) finish(report func(what string, err error)) {
	differs := func(what, format string, args ...any) {
		report(what, fmt.Errorf(format+": %w", append(args, errIndex)...))
	}
	c.r.mu.RLock()
	defer c.r.mu.RUnlock()
	info := &c.r.info
	switch {
	case c.wrong != nil:
		report("ticks", c.wrong)
	case len(c.ticks) > 0:
		differs("ticks", "position %d is not in the blocks", c.ticks[0].seq)
	case info.Last > 0 && (len(c.r.ticks) == 0 || c.r.ticks[0].seq != info.First):
		differs("ticks", "the first is not that of position %d", info.First)
	}
	if !slices.Equal(c.ledger, c.r.ledger.changes) {
		differs("ledger", "the index has other coverage changes than the blocks")
	}
	if c.last != info.Last || c.events != info.Events || !slices.Equal(c.kinds, slices.DeleteFunc(slices.Clone(c.r.kinds), func(k Kind) bool { return k == Kind{Resource: k.Resource} })) {
		report(keyEnd, fmt.Errorf("it counts %d events up to position %d, the blocks hold %d up to %d: %w", info.Events, info.Last, c.events, c.last, errBlock))
	}
	index := map[schema.GroupVersionResource]uint64{}
	left := c.changes
	for i := range c.r.parts {
		if err := c.part(c.r.parts[i].(source), index, &left); err != nil {
			report("index", err)
			return
		}
	}
	for resource, sum := range c.blocks {
		if index[resource] != sum {
			differs("index", "it says something else of %s than the blocks", schema.GroupResource{Group: resource.Group, Resource: resource.Resource})
		}
		delete(index, resource)
	}
	for resource, sum := range index {
		if sum != 0 {
			differs("index", "it holds %s, the blocks do not", schema.GroupResource{Group: resource.Group, Resource: resource.Resource})
		}
	}
}

// indexed is what is remembered of an object of a part, by rank.
type indexed struct {
	hash     uint64
	versions []version
}

var errUnordered = fmt.Errorf("out of order: %w", errIndex)

// part adds what one part says to the sums. The part may have no more than left
// versions: so many are in the blocks.
func (c *indexCheck) part(s source, sums map[schema.GroupVersionResource]uint64, left *int) error {
	run, _ := s.(*run)
	if run != nil {
		if err := run.pagesMatch(); err != nil {
			return err
		}
	}
	var objects []indexed
	var before *object
	for o, err := range s.sorted() {
		if err != nil {
			return err
		}
		if before != nil && before.ref.compare(o.ref) >= 0 || len(o.versions) == 0 {
			return fmt.Errorf("objects: %w", errUnordered)
		}
		if *left -= len(o.versions); *left < 0 {
			return fmt.Errorf("it holds more versions than the blocks: %w", errIndex)
		}
		known := indexed{maphash.Comparable(c.seed, o.ref), o.versions}
		seq := Seq(0)
		for _, v := range o.versions {
			if v.seq <= seq || v.state > gone || run != nil && (v.seq < run.first || v.seq > run.last) {
				return fmt.Errorf("versions: %w", errUnordered)
			}
			seq = v.seq
			sums[o.ref.Resource] += c.version(known.hash, v)
		}
		objects = append(objects, known)
		before = o
	}
	return c.terms(s.postings(), objects, sums)
}

// terms adds what the postings of a part say.
func (c *indexCheck) terms(postings iter.Seq2[*having, error], objects []indexed, sums map[schema.GroupVersionResource]uint64) error {
	var before *term
	for h, err := range postings {
		if err != nil {
			return err
		}
		if before != nil && before.compare(h.term) >= 0 || len(h.list) == 0 {
			return fmt.Errorf("terms: %w", errUnordered)
		}
		before = &h.term
		for i, o := range h.list {
			if o.rank < 0 || o.rank >= len(objects) {
				return fmt.Errorf("postings: %w", errUnordered)
			}
			known := &objects[o.rank]
			most := len(known.versions)
			if o.start < 0 || o.end < 0 || o.start > most || o.end > most || o.end > 0 && o.start >= o.end {
				return fmt.Errorf("postings: %w", errUnordered)
			}
			if i > 0 {
				// An object that had the attribute twice lost it in between.
				last := h.list[i-1]
				if last.rank > o.rank || last.rank == o.rank && (last.end == 0 || o.start < last.end) {
					return fmt.Errorf("postings: %w", errUnordered)
				}
			}
			if o.start > 0 {
				sums[h.term.resource] += c.attr(known.hash, h.term.attr, factBegins, known.versions[o.start-1].seq)
			}
			if o.end > 0 {
				sums[h.term.resource] += c.attr(known.hash, h.term.attr, factEnds, known.versions[o.end-1].seq)
			}
		}
	}
	return nil
}

// hidden returns an error if there are other blocks than the given number that
// were found by position.
func (v *verifying) hidden(found int) error {
	return v.r.source().view(func(t *tree) error {
		b, err := t.bucket(bucketBlocks)
		if err != nil || b == nil {
			return err
		}
		n := 0
		b.ascend(nil, func(k, _ []byte, failed error) bool {
			if failed == nil {
				n++
			}
			return true
		})
		if n != found {
			err = fmt.Errorf("%d of %d blocks are not found by their positions: %w", n-found, n, errBlock)
		}
		return err
	})
}

var errKey = errors.New("its key is that of another")

// keyed returns an error if a key is not that of the position or number.
func keyed(key, want []byte) error {
	if !bytes.Equal(key, want) {
		return fmt.Errorf("%w: %w", errKey, errBlock)
	}
	return nil
}
