package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// behind returns where reading goes on after the position that failed.
func (r *Recording) behind(seq Seq, err error) Seq {
	var damage *DamageError
	if errors.As(err, &damage) && damage.Last >= seq {
		return damage.Last + 1
	}
	return seq + 1
}

// block returns the block with the position, decoded. Before Info.First, where
// not every position is kept, it is the first block with a later one otherwise.
func (r *Recording) block(seq Seq) (*block, error) {
	if last := r.Info().Last; seq == 0 || seq > last {
		return nil, fmt.Errorf("read position %d of %d: %w", seq, last, ErrNotEvent)
	}
	if b := r.blocks.holding(seq); b != nil {
		return b, nil
	}
	var found *block
	err := r.mended(func() (err error) {
		found, err = r.readBlock(seq)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.blocks.keep(found)
	return found, nil
}

// readBlock reads the block with the position from the file.
func (r *Recording) readBlock(seq Seq) (*block, error) {
	b, _, err := r.rawBlock(seq)
	return b, err
}

// rawBlock also returns the bytes the block was decoded from.
func (r *Recording) rawBlock(seq Seq) (found *block, value []byte, err error) {
	err = r.source().view(func(t *tree) error {
		blocks, err := t.bucket(bucketBlocks)
		if err == nil && blocks == nil {
			err = errors.New("no blocks")
		}
		if err != nil {
			return &DamageError{What: "blocks", First: seq, Last: r.Info().Last, Err: err}
		}
		k, v, err := blocks.floor(seqKey(seq))
		if err == nil && k != nil {
			found, value, err = parseAt(k, v)
		}
		if err == nil && (k == nil || seq > found.last()) {
			found, value, err = r.nextBlock(blocks, seq)
		}
		if err != nil {
			return r.damaged(blocks, seq, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return found, value, nil
}

func parseAt(k, v []byte) (*block, []byte, error) {
	v, err := trimSum(bucketBlocks, k, v)
	if err != nil {
		return nil, nil, err
	}
	b, err := parseBlock(v)
	return b, v, err
}

// nextBlock returns the first block behind a position that no block holds.
// Before Info.First there are such positions; otherwise one is missing.
func (r *Recording) nextBlock(blocks *bucket, seq Seq) (found *block, value []byte, err error) {
	err = errors.New("missing")
	if seq >= r.Info().First {
		return nil, nil, err
	}
	blocks.ascend(seqKey(seq), func(k, v []byte, failed error) bool {
		if err = failed; err == nil {
			found, value, err = parseAt(k, v)
		}
		return false
	})
	return found, value, err
}

// damaged says which positions are lost with the block of seq.
func (r *Recording) damaged(blocks *bucket, seq Seq, err error) error {
	d := &DamageError{What: "block", First: seq, Last: max(seq, r.Info().Last), Err: err}
	blocks.ascend(seqKey(seq+1), func(k, _ []byte, failed error) bool {
		w := wire{data: k}
		if failed != nil || len(k) != 8 {
			return true
		}
		d.Last = Seq(w.key()) - 1
		return false
	})
	return d
}

// decoding decodes objects that may be deltas. It remembers the versions it
// made, so that reading on in a block does not begin every chain anew; it is
// not safe for concurrent use.
type decoding struct {
	read  func(Seq) (*block, error)
	bases bool // also what is kept only as a base
	at    *block
	whole map[Seq][]byte // versions of the block that a later one may build on
}

// enter begins a block.
func (d *decoding) enter(b *block) { d.at, d.whole = b, map[Seq][]byte{} }

func (d *decoding) event(seq Seq) (Event, error) {
	b, err := d.block(seq)
	if err != nil {
		return Event{}, err
	}
	i, ok := b.place(seq)
	if !ok || !b.entries[i].told() && !(d.bases && b.entries[i].tag&tagBase != 0) {
		return Event{}, ErrNotEvent
	}
	raw, err := d.raw(b, seq)
	if err != nil {
		return Event{}, err
	}
	if b.entries[i].tag&tagDelta == 0 {
		raw = bytes.Clone(raw) // who keeps the event must not keep the block
	}
	return b.event(i, raw)
}

func (d *decoding) block(seq Seq) (*block, error) {
	if b := d.at; b != nil && b.first <= seq && seq <= b.last() {
		return b, nil
	}
	return d.read(seq)
}

// raw returns the whole object at seq, which is in b.
func (d *decoding) raw(b *block, seq Seq) ([]byte, error) {
	// Down to a version that is whole, or known, then up again.
	type step struct {
		b *block
		i int
	}
	var steps []step
	var raw []byte
	for {
		if known, ok := d.whole[seq]; ok && b == d.at {
			raw = known
			break
		}
		i, ok := b.place(seq)
		if !ok {
			return nil, fmt.Errorf("its base at %d is missing: %w", seq, errBlock)
		}
		steps = append(steps, step{b, i})
		e := b.entries[i]
		if e.tag&tagDelta == 0 {
			break
		}
		if len(steps) > 4*maxHops {
			return nil, fmt.Errorf("chain without end: %w", errBlock)
		}
		seq -= Seq(e.back)
		var err error
		if b, err = d.block(seq); err != nil {
			return nil, fmt.Errorf("its base at %d: %w", seq, err)
		}
	}
	for _, s := range slices.Backward(steps) {
		_, body, err := s.b.body(s.i)
		if err == nil {
			if s.b.entries[s.i].tag&tagDelta == 0 {
				raw = body
			} else {
				raw, err = patch(raw, body)
			}
		}
		if err != nil {
			return nil, err
		}
		if s.b == d.at {
			// Within a block a version is the base of one other at most.
			e := s.b.entries[s.i]
			delete(d.whole, e.seq-Seq(e.back))
			d.whole[e.seq] = raw
		}
	}
	return raw, nil
}
