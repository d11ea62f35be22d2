package store

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
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
func (r *Recording) block(seq Seq) (*block.Block, error) {
	if last := r.Info().Last; seq == 0 || seq > last {
		return nil, fmt.Errorf("read position %d of %d: %w", seq, last, ErrNotEvent)
	}
	if b := r.blocks.Holding(seq); b != nil {
		return b, nil
	}
	var found *block.Block
	clears := r.blocks.Cleared()
	err := r.mended(func() (err error) {
		found, err = r.readBlock(seq)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.blocks.Keep(found, clears)
	return found, nil
}

// readBlock reads the block with the position from the file.
func (r *Recording) readBlock(seq Seq) (*block.Block, error) {
	b, _, err := r.rawBlock(seq)
	return b, err
}

// rawBlock also returns the bytes the block was decoded from.
func (r *Recording) rawBlock(seq Seq) (found *block.Block, value []byte, err error) {
	err = r.source().View(func(t *boltfile.Tree) error {
		blocks, err := t.Bucket(encoding.BucketBlocks)
		if err == nil && blocks == nil {
			err = errors.New("no blocks")
		}
		if err != nil {
			return &DamageError{What: "blocks", First: seq, Last: r.Info().Last, Err: err}
		}
		k, v, err := blocks.Floor(encoding.SeqKey(seq))
		if err == nil && k != nil {
			found, value, err = parseAt(k, v)
		}
		if err == nil && (k == nil || seq > found.Last()) {
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

func parseAt(k, v []byte) (*block.Block, []byte, error) {
	v, err := encoding.TrimSum(encoding.BucketBlocks, k, v)
	if err != nil {
		return nil, nil, err
	}
	b, err := block.Parse(v)
	if err == nil {
		err = keyed(k, encoding.SeqKey(b.First))
	}
	return b, v, err
}

// nextBlock returns the first block behind a position that no block holds.
// There are such positions before Info.First and in recordings that were cut
// from another; otherwise one is missing.
func (r *Recording) nextBlock(blocks *boltfile.Bucket, seq Seq) (found *block.Block, value []byte, err error) {
	err = errors.New("missing")
	if seq >= r.Info().First && !r.sparse() {
		return nil, nil, err
	}
	blocks.Ascend(encoding.SeqKey(seq), func(k, v []byte, failed error) bool {
		if err = failed; err == nil {
			found, value, err = parseAt(k, v)
		}
		return false
	})
	return found, value, err
}

// blockBefore returns the last block that begins before a position.
func (r *Recording) blockBefore(seq Seq) (found *block.Block, err error) {
	err = r.source().View(func(t *boltfile.Tree) error {
		blocks, err := t.Bucket(encoding.BucketBlocks)
		if err != nil || blocks == nil {
			return &DamageError{What: "blocks", First: seq, Last: seq, Err: cmp.Or(err, ErrNotEvent)}
		}
		k, v, err := blocks.Floor(encoding.SeqKey(seq))
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
func (r *Recording) damaged(blocks *boltfile.Bucket, seq Seq, err error) error {
	d := &DamageError{What: "block", First: seq, Last: max(seq, r.Info().Last), Err: err}
	blocks.Ascend(encoding.SeqKey(seq+1), func(k, _ []byte, failed error) bool {
		w := encoding.Reader{Data: k}
		if failed != nil || len(k) != 8 {
			return true
		}
		d.Last = Seq(w.Key()) - 1
		return false
	})
	return d
}
