package block

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/event"
)

// Bounds of a Copier. They are wider than those of a Builder: where two recordings
// meet, the deltas of both follow each other. A version beyond them is written whole.
const (
	maxCopiedHops   = 2 * maxHops
	maxCopiedBlocks = 2 * maxBlocks
	// largestCopy is the content at which a block ends although the one that it is
	// copied from goes on.
	largestCopy = 16 << 20
)

// Copier takes positions over from blocks of one recording, or of several that were
// cut from one, into another recording. Blocks that are taken over as a whole stay
// packed; of others, the contents are put into new blocks as they are. An object is
// decoded only where its base is not taken over.
type Copier struct {
	Encoder *zstd.Encoder
	// Content is the content at which a block is complete. Smaller blocks are put
	// together.
	Content int
	// Put takes a block that is complete; it sets the chain in it.
	Put func(first, last event.Seq, value []byte) error
	// Count takes the resource of each event, and the size of its object.
	Count func(event.Seq, schema.GroupVersionResource, int)

	costs costTable
	open  *Builder // not complete yet; nil if there is none
	fresh []cost   // of its entries
}

// cost is what decoding a version takes: deltas and blocks.
type cost struct{ hops, blocks uint16 }

// SetChain makes a block follow another than before.
func SetChain(value []byte, chain [32]byte) { copy(value[1:], chain[:]) }

// Copy takes over the positions of a block from one on up to another. The value is what
// the block was parsed from, which is not changed.
func (c *Copier) Copy(b *Block, value []byte, from, to event.Seq, objects *Decoder) error {
	start, _ := b.Place(from)
	end, found := b.Place(to)
	if found {
		end++
	}
	if start >= end {
		return nil
	}
	whole := start == 0 && end == len(b.Entries)
	if whole && b.contentSize() >= c.Content {
		if err := c.Flush(); err != nil {
			return err
		}
		if costs, ok := c.costsOf(b); ok {
			return c.take(b, value, costs)
		}
	}
	if c.open != nil && len(c.open.Entries)+end-start > MaxCount {
		if err := c.Flush(); err != nil {
			return err
		}
	}
	for i := start; i < end; i++ {
		if err := c.add(b, i, objects); err != nil {
			return fmt.Errorf("copy position %d: %w", b.Entries[i].Seq, err)
		}
	}
	if c.open.Size < c.Content && len(c.open.Entries) < MaxCount/2 {
		return nil
	}
	return c.Flush()
}

// contentSize returns how large all content of the block is.
func (b *Block) contentSize() (size int) {
	for i := range b.sections {
		size += b.sections[i].size
	}
	return size
}

// costsOf returns the costs of a block's versions; ok is false if one of them has to be
// written whole.
func (c *Copier) costsOf(b *Block) (costs []cost, ok bool) {
	costs = make([]cost, len(b.Entries))
	for i, e := range b.Entries {
		own := cost{0, 1}
		if e.Tag&TagDelta != 0 {
			base := e.Seq - event.Seq(e.Back)
			if at, here := b.Place(base); here {
				own = cost{costs[at].hops + 1, costs[at].blocks}
			} else if before, known := c.costs.of(base); known {
				own = cost{before.hops + 1, before.blocks + 1}
			} else {
				return nil, false
			}
		}
		if own.hops > maxCopiedHops || own.blocks > maxCopiedBlocks {
			return nil, false
		}
		costs[i] = own
	}
	return costs, true
}

// take takes over a block as it is.
func (c *Copier) take(b *Block, value []byte, costs []cost) error {
	for i, e := range b.Entries {
		if err := c.count(b, i); err != nil {
			return fmt.Errorf("copy position %d: %w", e.Seq, err)
		}
	}
	c.costs.add(b.Entries, costs)
	return c.Put(b.First, b.Last(), bytes.Clone(value))
}

// count counts an entry that is an event.
func (c *Copier) count(b *Block, i int) error {
	e := b.Entries[i]
	if !e.IsEvent() || c.Count == nil {
		return nil
	}
	_, body, err := b.body(i)
	size := len(body)
	if err == nil && e.Tag&TagDelta != 0 {
		size, err = patchedSize(body)
	}
	if err == nil {
		c.Count(e.Seq, b.resources[e.resource], size)
	}
	return err
}

// add puts an entry into the open block. Its base may be another object only within one
// block, so if it is in this block of the source it must be in the open one too.
func (c *Copier) add(b *Block, i int, objects *Decoder) error {
	if c.open != nil && c.open.Size >= largestCopy {
		if err := c.Flush(); err != nil {
			return err
		}
	}
	if c.open == nil {
		c.open = NewBuilder(b.Entries[i].Seq)
	}
	if err := c.count(b, i); err != nil {
		return err
	}
	content, err := b.content(i)
	if err != nil {
		return err
	}
	e := b.Entries[i]
	own := cost{0, 1}
	if e.Tag&TagDelta != 0 {
		var kept bool
		base := e.Seq - event.Seq(e.Back)
		_, near := b.Place(base)
		if own, kept = c.onto(base, near); !kept {
			if content, err = c.undelta(b, i, content, objects); err != nil {
				return err
			}
			e.Tag, e.Back = e.Tag&^TagDelta, 0
		}
	}
	l := c.open.lane(b.resources[e.resource])
	c.open.lanes[l].content = append(c.open.lanes[l].content, content...)
	c.open.add(e.Seq, e.Tag, l, b.TimeOf(i), e.Back, content)
	c.fresh = append(c.fresh, own)
	return nil
}

// onto returns the cost of a delta against a base; kept is false if the version has to be
// written whole.
func (c *Copier) onto(base event.Seq, near bool) (own cost, kept bool) {
	if at, here := placeOf(c.open.Entries, base); here {
		own = cost{c.fresh[at].hops + 1, c.fresh[at].blocks}
	} else if before, known := c.costs.of(base); known && !near {
		own = cost{before.hops + 1, before.blocks + 1}
	} else {
		return cost{0, 1}, false
	}
	if own.hops > maxCopiedHops || own.blocks > maxCopiedBlocks {
		return cost{0, 1}, false
	}
	return own, true
}

// undelta returns the content of an entry with its whole object.
func (c *Copier) undelta(b *Block, i int, content []byte, objects *Decoder) ([]byte, error) {
	_, body, err := b.body(i)
	if err != nil {
		return nil, err
	}
	e, err := objects.EventIn(b, b.Entries[i].Seq)
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(content[:len(content)-len(body)]), e.Object...), nil
}

// Flush ends the open block.
func (c *Copier) Flush() error {
	if c.open == nil {
		return nil
	}
	b, fresh := c.open, c.fresh
	c.open, c.fresh = nil, nil
	c.costs.add(b.Entries, fresh)
	return c.Put(b.First, b.Entries[len(b.Entries)-1].Seq, b.Encode(c.Encoder, [32]byte{}, 0))
}

// Built notes a block that was made otherwise, of versions that are cheap.
func (c *Copier) Built(b *Builder) {
	costs := make([]cost, len(b.Entries))
	for i, e := range b.Entries {
		costs[i] = cost{0, 1}
		if e.Tag&TagDelta == 0 {
			continue
		}
		base := e.Seq - event.Seq(e.Back)
		if at, here := placeOf(b.Entries, base); here {
			costs[i] = cost{costs[at].hops + 1, costs[at].blocks}
		} else if before, known := c.costs.of(base); known {
			costs[i] = cost{before.hops + 1, before.blocks + 1}
		}
	}
	c.costs.add(b.Entries, costs)
}

// costTable has the costs of the versions that were copied, block by block.
type costTable []blockCosts

type blockCosts struct {
	first event.Seq
	seqs  []event.Seq // nil if the positions follow each other
	costs []uint16    // hops and, above costBits, blocks
}

// costBits are those of the hops.
const costBits = 11

func (t *costTable) add(entries []Entry, costs []cost) {
	n := len(entries)
	b := blockCosts{first: entries[0].Seq, costs: make([]uint16, n)}
	if entries[n-1].Seq != b.first+event.Seq(n-1) {
		b.seqs = make([]event.Seq, n)
	}
	for i, c := range costs {
		b.costs[i] = c.blocks<<costBits | c.hops
		if b.seqs != nil {
			b.seqs[i] = entries[i].Seq
		}
	}
	*t = append(*t, b)
}

// of returns the cost of the version at a position; known is false if it was not copied.
func (t costTable) of(seq event.Seq) (own cost, known bool) {
	n := sort.Search(len(t), func(i int) bool { return t[i].first > seq }) - 1
	if n < 0 {
		return cost{}, false
	}
	b := t[n]
	at := int(min(seq-b.first, event.Seq(len(b.costs))))
	if b.seqs != nil {
		if at, known = slices.BinarySearch(b.seqs, seq); !known {
			return cost{}, false
		}
	}
	if at >= len(b.costs) {
		return cost{}, false
	}
	return cost{b.costs[at] & (1<<costBits - 1), b.costs[at] >> costBits}, true
}
