package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// trail is what the indexes need of the positions written by one commit, so
// that whoever opens an unfinished file need not read the events for it. It
// becomes part of a run later.
type trail struct {
	first   Seq
	begin   Seq      // the first position there is; not before first. Not written: only excerpts have others, and no trails
	times   [2]int64 // of begin and the last position, microseconds
	count   int      // from first to the last position
	changes []change // only those that change an index
	ledger  []Coverage
}

var errTrail = fmt.Errorf("malformed trail: %w", errIndex)

// encode packs the trail.
func (t *trail) encode(z *zstd.Encoder) []byte {
	d := newDictionary()
	var body []byte
	body = binary.AppendUvarint(body, uint64(t.first))
	body = binary.AppendUvarint(body, uint64(t.count))
	body = binary.AppendVarint(body, t.times[0])
	body = binary.AppendUvarint(body, uint64(t.times[1]-t.times[0]))
	body = binary.AppendUvarint(body, uint64(len(t.changes)))
	for i := range t.changes {
		c := &t.changes[i]
		body = append(body, byte(c.state))
		body = binary.AppendUvarint(body, uint64(c.seq-t.first))
		body = d.appendResource(body, c.ref.Resource)
		body = d.appendWord(d.appendWord(body, c.ref.Namespace), c.ref.Name)
		for _, attrs := range [][]attr{c.added, c.removed} {
			body = binary.AppendUvarint(body, uint64(len(attrs)))
			for _, a := range attrs {
				body = d.appendWord(body, string(a))
			}
		}
	}
	body = appendLedger(d, body, t.ledger, t.first, t.times[0])
	return pack(z, append(d.append(nil), body...))
}

func parseTrail(value []byte) (*trail, error) {
	raw, err := unpackSized(value, maxSection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTrail, err)
	}
	w := wire{data: raw}
	words := w.words()
	t := &trail{first: Seq(w.uvarint()), count: int(w.uvarint())}
	t.begin = t.first
	attributes := 0
	t.times[0] = w.varint()
	t.times[1] = t.times[0] + int64(w.uvarint())
	for range w.countUpTo(maxChanges, 6) {
		c := change{version: version{state: state(w.byte())}}
		c.seq = t.first + Seq(min(w.uvarint(), maxSeq))
		c.ref = Ref{w.resource(words), w.word(words), w.word(words)}
		for _, attrs := range []*[]attr{&c.added, &c.removed} {
			n := w.count(1)
			if attributes += n; attributes > maxWords {
				return nil, errTrail
			}
			for range n {
				*attrs = append(*attrs, attr(w.word(words)))
			}
		}
		t.changes = append(t.changes, c)
	}
	t.ledger = readLedger(&w, words, t.first, t.times[0])
	if w.bad || len(w.data) > 0 || t.first == 0 || t.first > maxSeq || t.count <= 0 || t.count > maxCount {
		return nil, errTrail
	}
	return t, nil
}

// sameRuns reports whether the runs in the file are the given ones: a writer
// puts several together, and a ring cuts them.
func sameRuns(t *tree, runs []*run) (bool, error) {
	var ids []uint32
	err := t.values(bucketRuns, nil, func(k, _ []byte) error {
		w := wire{data: k}
		ids = append(ids, w.runID())
		return nil
	})
	if err != nil {
		return false, &DamageError{What: "index", Err: fmt.Errorf("%w: %w", errIndex, err)}
	}
	return slices.EqualFunc(ids, runs, func(id uint32, r *run) bool { return id == r.id }), nil
}

// readTrails reads the trails of the positions from one on.
func readTrails(t *tree, from Seq) ([]*trail, error) {
	var trails []*trail
	changes := 0
	err := t.values(bucketTrail, seqKey(from), func(_, v []byte) error {
		one, err := parseTrail(v)
		if err != nil {
			return err
		}
		if changes += len(one.changes) + len(one.ledger); changes > maxChanges {
			return fmt.Errorf("more than %d changes: %w", maxChanges, errTrail)
		}
		trails = append(trails, one)
		return nil
	})
	if err != nil {
		err = &DamageError{What: "trail", Err: err}
	}
	return trails, err
}
