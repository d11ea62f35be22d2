package store

import (
	"crypto/sha256"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// blockCopy fills a new recording with blocks of others, and takes over what their indexes
// say: neither is made anew. It writes beside the Writer's own blocks and trails, so
// nothing may be appended to that before or after it.
type blockCopy struct {
	w      *Writer
	copier block.Copier
	ready  []readyBlock // are not in the file yet
	size   int          // of them
}

type readyBlock struct {
	first Seq
	value []byte
}

// copyBatch is how many bytes of blocks are written in one transaction.
const copyBatch = 4 << 20

// carriedContent is the content of a block of what is carried over. All of it is read at
// once by most, and alike: a larger block is packed better.
const carriedContent = 2 << 20

func newBlockCopy(w *Writer, content int) *blockCopy {
	c := &blockCopy{w: w}
	c.copier = block.Copier{Encoder: w.dense, Content: content, Put: c.put, Count: c.count}
	return c
}

// put has a block follow the last one.
func (c *blockCopy) put(first, last Seq, value []byte) error {
	block.SetChain(value, c.w.whole)
	c.w.whole = sha256.Sum256(value)
	c.w.chain, c.w.end.Last = c.w.whole, last
	c.ready = append(c.ready, readyBlock{first, value})
	if c.size += len(value); c.size < copyBatch {
		return nil
	}
	return c.write()
}

func (c *blockCopy) write() error {
	err := c.w.db.Update(func(tx *bbolt.Tx) error {
		for _, b := range c.ready {
			if err := encoding.Put(tx, encoding.BucketBlocks, encoding.SeqKey(b.first), b.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy blocks: %w", limited(err))
	}
	c.ready, c.size = nil, 0
	return nil
}

func (c *blockCopy) count(seq Seq, resource schema.GroupVersionResource, size int) {
	if seq >= c.w.end.First {
		c.w.end.Events++
		c.w.end.Kinds = countOf(c.w.end.Kinds, resource, size)
	}
}

// window takes over the positions from one on up to another.
func (c *blockCopy) window(r *Recording, from, to Seq) error {
	objects := r.decoding()
	for from <= to {
		var b *block.Block
		var value []byte
		err := r.mended(func() (err error) {
			b, value, err = r.rawBlock(from)
			return err
		})
		if err == nil && b.First <= to {
			err = c.copier.Copy(b, value, from, to, objects)
		}
		if err != nil {
			return err
		}
		from = b.Last() + 1
	}
	return nil
}

// carried builds blocks of events and coverage from before the window, and ends the last
// of them.
func (c *blockCopy) carried(r *Recording, seqs []Seq, ledger []Coverage) error {
	var b *block.Builder
	at := func(seq Seq) (*block.Builder, error) {
		if b != nil && b.Size >= carriedContent {
			if err := c.built(b); err != nil {
				return nil, err
			}
			b = nil
		}
		if b == nil {
			b = block.NewBuilder(seq)
		}
		return b, nil
	}
	cover := func(before Seq) error {
		for ; len(ledger) > 0 && ledger[0].Seq < before; ledger = ledger[1:] {
			to, err := at(ledger[0].Seq)
			if err != nil {
				return err
			}
			to.AddCoverage(&ledger[0])
		}
		return nil
	}
	for _, seq := range seqs {
		e, err := r.Event(seq)
		if err != nil {
			return err
		}
		if err := cover(seq); err != nil {
			return err
		}
		to, err := at(seq)
		if err != nil {
			return err
		}
		id, _ := rawjson.Identify(e.Resource, e.Object)
		if err := to.AddEvent(&e, &id, 0, c.w.versions, &c.w.differ); err != nil {
			return err
		}
	}
	if err := cover(^Seq(0)); err != nil || b == nil {
		return err
	}
	return c.built(b)
}

func (c *blockCopy) built(b *block.Builder) error {
	c.copier.Built(b)
	c.w.versions.NextBlock()
	return c.put(b.First, b.Entries[len(b.Entries)-1].Seq, b.Encode(c.w.dense, [32]byte{}, 0))
}

// adopt takes over what the index of a recording says.
func (c *blockCopy) adopt(r *Recording, a index.Adoption) error {
	for i, seq := range []Seq{a.First, a.To} {
		at, err := r.TimeOf(seq)
		if err != nil {
			return err
		}
		a.Times[i] = at.UnixMicro()
	}
	return r.mended(func() error {
		r.mu.RLock()
		a.Parts = nil
		for _, run := range r.runs {
			a.Parts = append(a.Parts, run)
		}
		a.Parts = append(a.Parts, r.tail.Copy())
		r.mu.RUnlock()
		return c.w.index.Adopt(&a)
	})
}

// ticksBetween returns the ticks after a position and up to another.
func (r *Recording) ticksBetween(after, to Seq) (ticks []index.Tick) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range r.ticks {
		if t.Seq > after && t.Seq <= to {
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// describe writes a discovery document that holds after a position.
func (c *blockCopy) describe(d *document) error {
	discovery, err := encodeDiscovery(c.w.quick, d.resources)
	if err == nil {
		err = c.w.db.Update(func(tx *bbolt.Tx) error {
			return encoding.Put(tx, encoding.BucketDiscovery, encoding.SeqKey(d.after), discovery)
		})
	}
	if err != nil {
		return fmt.Errorf("write discovery: %w", limited(err))
	}
	return nil
}

// seal ends the recording.
func (c *blockCopy) seal(r *Recording, end time.Time) (Info, error) {
	err := c.copier.Flush()
	if err == nil {
		err = c.write()
	}
	if err == nil {
		c.w.time, err = r.TimeOf(c.w.end.Last)
	}
	if err != nil {
		return Info{}, err
	}
	c.w.block = block.NewBuilder(c.w.end.Last + 1)
	return c.w.Seal(end)
}
