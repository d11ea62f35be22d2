package index

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// Commit is what the indexes need of the positions written by one commit, so
// that whoever opens an unfinished file need not read the events for it. It
// becomes part of a run later.
type Commit struct {
	First   event.Seq
	Begin   event.Seq // the first position there is; not before first. Not written: only excerpts have others, and no trails
	Times   [2]int64  // of begin and the last position, microseconds
	Count   int       // from first to the last position
	Changes []Change  // only those that change an index
	Ledger  []event.Coverage
}

var errCommit = fmt.Errorf("malformed trail: %w", ErrDamaged)

// Encode packs the trail.
func (t *Commit) Encode(z *zstd.Encoder) []byte {
	d := encoding.NewDictionary()
	var body []byte
	body = binary.AppendUvarint(body, uint64(t.First))
	body = binary.AppendUvarint(body, uint64(t.Count))
	body = binary.AppendVarint(body, t.Times[0])
	body = binary.AppendUvarint(body, uint64(t.Times[1]-t.Times[0]))
	body = binary.AppendUvarint(body, uint64(len(t.Changes)))
	for i := range t.Changes {
		c := &t.Changes[i]
		body = append(body, byte(c.State))
		body = binary.AppendUvarint(body, uint64(c.Seq-t.First))
		body = d.AppendResource(body, c.Ref.Resource)
		body = d.AppendWord(d.AppendWord(body, c.Ref.Namespace), c.Ref.Name)
		for _, attrs := range [][]Attr{c.Added, c.Removed} {
			body = binary.AppendUvarint(body, uint64(len(attrs)))
			for _, a := range attrs {
				body = d.AppendWord(body, string(a))
			}
		}
	}
	body = appendLedger(d, body, t.Ledger, t.First, t.Times[0])
	return encoding.Pack(z, append(d.Append(nil), body...))
}

func ParseCommit(value []byte) (*Commit, error) {
	raw, err := encoding.Unpack(value, encoding.MaxSection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCommit, err)
	}
	w := encoding.Reader{Data: raw}
	words := w.Words()
	t := &Commit{First: event.Seq(w.Uvarint()), Count: int(w.Uvarint())}
	t.Begin = t.First
	attributes := 0
	t.Times[0] = w.Varint()
	t.Times[1] = t.Times[0] + int64(w.Uvarint())
	for range w.CountUpTo(maxChanges, 6) {
		c := Change{Version: Version{State: state(w.Byte())}}
		c.Seq = t.First + event.Seq(min(w.Uvarint(), event.MaxSeq))
		c.Ref = event.Ref{Resource: w.Resource(words), Namespace: w.Word(words), Name: w.Word(words)}
		for _, attrs := range []*[]Attr{&c.Added, &c.Removed} {
			n := w.Count(1)
			if attributes += n; attributes > encoding.MaxWords {
				return nil, errCommit
			}
			for range n {
				*attrs = append(*attrs, Attr(w.Word(words)))
			}
		}
		t.Changes = append(t.Changes, c)
	}
	t.Ledger = readLedger(&w, words, t.First, t.Times[0])
	if w.Bad || len(w.Data) > 0 || t.First == 0 || t.First > event.MaxSeq || t.Count <= 0 || t.Count > block.MaxCount {
		return nil, errCommit
	}
	return t, nil
}

// SameSegments reports whether the runs in the file are the given ones: a writer
// puts several together, and a ring cuts them.
func SameSegments(t *boltfile.Tree, runs []*Segment) (bool, error) {
	var ids []uint32
	err := t.Values(encoding.BucketRuns, nil, func(k, _ []byte) error {
		w := encoding.Reader{Data: k}
		ids = append(ids, w.SegmentID())
		return nil
	})
	if err != nil {
		return false, &event.DamageError{What: "index", Err: fmt.Errorf("%w: %w", ErrDamaged, err)}
	}
	return slices.EqualFunc(ids, runs, func(id uint32, r *Segment) bool { return id == r.ID }), nil
}

// ReadCommits reads the trails of the positions from one on.
func ReadCommits(t *boltfile.Tree, from event.Seq) ([]*Commit, error) {
	var trails []*Commit
	changes := 0
	err := t.Values(encoding.BucketTrail, encoding.SeqKey(from), func(_, v []byte) error {
		one, err := ParseCommit(v)
		if err != nil {
			return err
		}
		if changes += len(one.Changes) + len(one.Ledger); changes > maxChanges {
			return fmt.Errorf("more than %d changes: %w", maxChanges, errCommit)
		}
		trails = append(trails, one)
		return nil
	})
	if err != nil {
		err = &event.DamageError{What: "trail", Err: err}
	}
	return trails, err
}
