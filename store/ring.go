package store

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// ring is what a Writer needs to keep a bounded window.
type ring struct {
	window time.Duration  // 0: everything is kept
	held   bool           // nothing is dropped for now
	blocks []blockSummary // complete blocks in the file, in order
	clocks []clockSummary // samples in the file, in order
}

type clockSummary struct {
	key []byte
	end time.Time // of the commit they came with
}

type blockSummary struct {
	first, last Seq
	end         time.Time // of its last position
	events      uint64
	kinds       []Kind
}

// Window makes the recording a ring: what is older than d is dropped, some time
// later. What the cluster was at the beginning of the window stays: the last
// version of each object that existed, and the coverage in force, with their
// own positions and times. Info.First is then the first position from which
// everything is there.
func Window(d time.Duration) Option { return func(w *Writer) { w.ring.window = d } }

// Hold ends the dropping until Release: what is in the window and all that
// follows stays.
func (w *Writer) Hold() { w.ring.held = true }

// Release ends a Hold: the next Commit drops what is older than the window.
func (w *Writer) Release() { w.ring.held = false }

// stale reports whether the block in the making has run long enough, so that a
// ring can drop it when its time has come even if little happens.
func (w *Writer) stale() bool {
	b := w.block
	return w.ring.window > 0 && len(b.Entries) > 0 && w.time.Sub(time.UnixMicro(b.Entries[0].Time)) >= w.ring.window/8
}

// summarize notes the block, which is complete, for when it is dropped.
func (w *Writer) summarize() {
	if w.ring.window == 0 {
		return
	}
	entries := w.block.Entries
	last := entries[len(entries)-1]
	s := blockSummary{first: w.block.First, last: last.Seq, end: time.UnixMicro(last.Time), kinds: w.kinds}
	for _, k := range s.kinds {
		s.events += k.Events
	}
	w.ring.blocks, w.kinds = append(w.ring.blocks, s), nil
}

// trim drops the blocks that ended before the window, if it has grown by a
// quarter. There must be nothing uncommitted.
func (w *Writer) trim(now time.Time) error {
	window := w.ring.window
	if window == 0 || w.ring.held || len(w.ring.blocks) == 0 || now.Sub(w.ring.blocks[0].end) < window+window/4 {
		return nil
	}
	old := 0
	for old < len(w.ring.blocks) && now.Sub(w.ring.blocks[old].end) > window && w.ring.blocks[old].last < w.end.Last {
		old++
	}
	if old == 0 {
		return nil
	}
	if err := w.drop(w.ring.blocks[:old]); err != nil {
		return fmt.Errorf("trim recording: %w", limited(err))
	}
	w.ring.blocks = slices.Clone(w.ring.blocks[old:])
	return nil
}

// drop removes the blocks, which are the first, and writes what is carried over.
func (w *Writer) drop(blocks []blockSummary) error {
	first := blocks[len(blocks)-1].last + 1
	r := newRecording(w.file, func() (int64, error) { return fileSize(w.file) })
	if err := r.refresh(); err != nil {
		return err
	}
	c := carrying{r: r, first: first, current: map[Seq]bool{}, bases: map[Seq]bool{}}
	if err := c.collect(); err != nil {
		return err
	}
	carried, err := c.encode(w)
	if err != nil {
		return err
	}
	clocks := 0
	for clocks < len(w.ring.clocks) && w.ring.clocks[clocks].end.Before(c.time) {
		clocks++
	}
	end := w.end
	end.First, end.Kinds = first, slices.Clone(end.Kinds)
	for _, b := range blocks {
		end.Events -= b.events
		for _, k := range b.kinds {
			end.Kinds = uncount(end.Kinds, k)
		}
	}
	err = w.index.Cut(index.Cut{First: first, Time: c.time, Ledger: c.ledger, Also: func(tx *bbolt.Tx) error {
		if err := deleteBefore(tx, encoding.BucketBlocks, encoding.SeqKey(first)); err != nil {
			return err
		}
		if err := dropDiscovery(tx, encoding.SeqKey(first)); err != nil {
			return err
		}
		for _, s := range w.ring.clocks[:clocks] {
			if err := tx.Bucket([]byte(encoding.BucketClocks)).Delete(s.key); err != nil {
				return err
			}
		}
		for seq, blk := range carried {
			if err := encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(seq), blk); err != nil {
				return err
			}
		}
		return end.put(tx)
	}})
	if err != nil {
		return err
	}
	w.end = end
	w.ring.clocks = slices.Clone(w.ring.clocks[clocks:])
	w.versions.KeepOnly(func(seq Seq) bool { return seq >= first || c.current[seq] })
	return nil
}

// dropDiscovery deletes the discovery documents that do not hold any more at
// the given position.
func dropDiscovery(tx *bbolt.Tx, at []byte) error {
	c := tx.Bucket([]byte(encoding.BucketDiscovery)).Cursor()
	c.Seek(at)
	holds, _ := c.Prev() // a document holds after its key
	if holds == nil {
		if holds, _ = c.Last(); bytes.Compare(holds, at) >= 0 {
			return nil
		}
	}
	return deleteBefore(tx, encoding.BucketDiscovery, bytes.Clone(holds))
}

// deleteBefore deletes what has a key before the given one.
func deleteBefore(tx *bbolt.Tx, bucket string, end []byte) error {
	b := tx.Bucket([]byte(bucket))
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// carrying collects what must outlive the positions before first.
type carrying struct {
	r       *Recording
	first   Seq
	current map[Seq]bool // last versions of what exists at first
	bases   map[Seq]bool // versions that kept ones are deltas against
	ledger  []Coverage   // in force at first
	time    time.Time    // of first
}

func (c *carrying) collect() error {
	var err error
	if c.time, err = c.r.TimeOf(c.first); err != nil {
		return err
	}
	seqs, err := c.r.Find(Query{}, c.first-1)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		c.current[seq] = true
	}
	for from := c.first; from <= c.r.info.Last; {
		b, err := c.r.block(from)
		if err != nil {
			return err
		}
		for _, e := range b.Entries {
			if base := e.Seq - Seq(e.Back); e.Tag&block.TagDelta != 0 && base < c.first && !c.current[base] {
				c.bases[base] = true
			}
		}
		from = b.Last() + 1
	}
	c.ledger = c.r.ledger.InForce(c.first)
	return nil
}

// encode makes blocks of what is carried over, by first position.
func (c *carrying) encode(w *Writer) (map[Seq][]byte, error) {
	blocks := map[Seq][]byte{}
	kept := block.NewBases(keptVersions)
	var b *block.Builder
	// at returns the builder for the position.
	at := func(seq Seq) *block.Builder {
		if b != nil && b.Size >= blockContent {
			blocks[b.First] = b.Encode(w.dense, [32]byte{}, 0)
			kept.NextBlock()
			b = nil
		}
		if b == nil {
			b = block.NewBuilder(seq)
		}
		return b
	}
	ledger := c.ledger
	for e, err := range c.events() {
		if err != nil {
			return nil, err
		}
		for len(ledger) > 0 && ledger[0].Seq < e.Seq {
			at(ledger[0].Seq).AddCoverage(&ledger[0])
			ledger = ledger[1:]
		}
		flags := block.Tag(0)
		if !c.current[e.Seq] {
			flags = block.TagBase
		}
		id, _ := rawjson.Identify(e.Resource, e.Object)
		if err := at(e.Seq).AddEvent(&e, &id, flags, kept, &w.differ); err != nil {
			return nil, err
		}
	}
	for i := range ledger {
		at(ledger[i].Seq).AddCoverage(&ledger[i])
	}
	if b != nil {
		blocks[b.First] = b.Encode(w.dense, [32]byte{}, 0)
	}
	return blocks, nil
}

// events yields the events that are carried over, in order.
func (c *carrying) events() iter.Seq2[Event, error] {
	var seqs []Seq
	for seq := range c.current {
		seqs = append(seqs, seq)
	}
	for seq := range c.bases {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	return func(yield func(Event, error) bool) {
		d := block.Decoder{Read: c.r.block, Objects: &c.r.made, WithBases: true}
		for _, seq := range seqs {
			e, err := d.Event(seq)
			if err != nil {
				err = fmt.Errorf("read event %d: %w", seq, err)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// uncount takes away what count added.
func uncount(kinds []Kind, less Kind) []Kind {
	for i := range kinds {
		if k := &kinds[i]; k.Resource == less.Resource {
			k.Events -= less.Events
			k.Bytes -= less.Bytes
		}
	}
	return kinds
}
