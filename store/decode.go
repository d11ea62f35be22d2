package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
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
	clears := r.blocks.cleared()
	err := r.mended(func() (err error) {
		found, err = r.readBlock(seq)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.blocks.keep(found, clears)
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
	if err == nil {
		err = keyed(k, seqKey(b.first))
	}
	return b, v, err
}

// nextBlock returns the first block behind a position that no block holds.
// There are such positions before Info.First and in recordings that were cut
// from another; otherwise one is missing.
func (r *Recording) nextBlock(blocks *bucket, seq Seq) (found *block, value []byte, err error) {
	err = errors.New("missing")
	if seq >= r.Info().First && !r.sparse() {
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

// blockBefore returns the last block that begins before a position.
func (r *Recording) blockBefore(seq Seq) (found *block, err error) {
	err = r.source().view(func(t *tree) error {
		blocks, err := t.bucket(bucketBlocks)
		if err != nil || blocks == nil {
			return &DamageError{What: "blocks", First: seq, Last: seq, Err: cmp.Or(err, ErrNotEvent)}
		}
		k, v, err := blocks.floor(seqKey(seq))
		if err == nil && k == nil {
			return fmt.Errorf("read position %d: %w", seq, ErrNotEvent)
		}
		if err == nil {
			found, _, err = parseAt(k, v)
		}
		if err != nil {
			return r.damaged(blocks, seq, err)
		}
		return nil
	})
	return found, err
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

// decoding decodes objects that may be deltas. It may be used concurrently.
type decoding struct {
	read  func(Seq) (*block, error)
	made  *made
	large *largeObjects // nil: objects may together be as large as they are
	bases bool          // also what is kept only as a base
}

func (d *decoding) event(seq Seq) (Event, error) {
	b, err := d.read(seq)
	if err != nil {
		return Event{}, err
	}
	return d.eventIn(b, seq)
}

// eventIn returns the event at seq, which is in b if anywhere.
func (d *decoding) eventIn(b *block, seq Seq) (Event, error) {
	i, ok := b.place(seq)
	if !ok || !b.entries[i].told() && !(d.bases && b.entries[i].tag&tagBase != 0) {
		return Event{}, ErrNotEvent
	}
	if d.large != nil {
		if err := d.large.check(b, i); err != nil {
			return Event{}, err
		}
	}
	raw, err := d.raw(b, i)
	if err != nil {
		return Event{}, err
	}
	e, err := b.event(i, raw)
	if err == nil && d.large != nil {
		err = d.large.admit(&e)
	}
	if err != nil {
		return Event{}, err
	}
	return e, nil
}

// raw returns the whole object of an entry.
func (d *decoding) raw(b *block, i int) ([]byte, error) {
	// Down to a version that is whole, or known, then up again.
	type step struct {
		b *block
		i int
	}
	var steps []step
	var raw []byte
	for {
		e := b.entries[i]
		if raw = d.made.version(e.seq); raw != nil {
			break
		}
		steps = append(steps, step{b, i})
		if e.tag&tagDelta == 0 {
			break
		}
		if len(steps) > 4*maxHops {
			return nil, fmt.Errorf("chain without end: %w", errBlock)
		}
		base := e.seq - Seq(e.back)
		var ok bool
		if i, ok = b.place(base); ok {
			continue
		}
		var err error
		if b, err = d.read(base); err != nil {
			return nil, fmt.Errorf("its base at %d: %w", base, err)
		}
		if i, ok = b.place(base); !ok {
			return nil, fmt.Errorf("its base at %d is missing: %w", base, errBlock)
		}
	}
	for _, s := range slices.Backward(steps) {
		_, body, err := s.b.body(s.i)
		e := s.b.entries[s.i]
		switch {
		case err != nil:
		case e.tag&tagDelta != 0:
			raw, err = patch(raw, body)
		case len(body) > maxObject:
			err = fmt.Errorf("object of %d bytes: %w", len(body), errBlock)
		default:
			raw = bytes.Clone(body) // who keeps the object must not keep the block
		}
		if err != nil {
			return nil, err
		}
		d.made.keep(e.seq, raw)
	}
	return raw, nil
}

// made keeps versions that were decoded, so that what builds on them need not
// decode them anew: at least the latest of them, in two generations of which
// the older is dropped when the younger is full.
type made struct {
	mu          sync.Mutex
	young, aged map[Seq][]byte
	size        int // of young
}

const madeBytes = 12 << 20 // of a generation

// version returns a version, nil if it is not kept.
func (m *made) version(seq Seq) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw, ok := m.young[seq]
	if !ok {
		if raw, ok = m.aged[seq]; ok {
			m.add(seq, raw)
		}
	}
	return raw
}

func (m *made) keep(seq Seq, raw []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(seq, raw)
}

func (m *made) add(seq Seq, raw []byte) {
	if m.young == nil || m.size+len(raw) > madeBytes {
		m.young, m.aged, m.size = map[Seq][]byte{}, m.young, 0
	}
	m.young[seq] = raw
	m.size += len(raw)
}
