package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/index"
)

// refresh takes up what was written since the last time.
func (r *Recording) refresh() error {
	r.updating.Lock()
	defer r.updating.Unlock()
	var txid uint64
	var info Info
	var kinds []Kind
	var runs []*index.Segment
	var trails []*index.Commit
	var again bool // the runs must be read again
	// Only who holds updating changes what is read here without mu.
	if r.rebuilt {
		return nil // what is known comes from the events, and there will be no more
	}
	err := r.source().View(func(t *boltfile.Tree) (err error) {
		txid, runs, trails, again = t.TxID, nil, nil, false
		if txid == r.txid {
			return nil
		}
		if info, kinds, err = readInfo(t); err != nil {
			return err
		}
		if trails, err = index.ReadCommits(t, r.info.Last+1); err != nil {
			return err
		}
		same, err := index.SameSegments(t, r.runs)
		if err != nil {
			return err
		}
		if next := r.info.Last + 1; !same || info.Last >= next && (r.txid == 0 || len(trails) == 0 || trails[0].First != next) {
			again = true
			if runs, err = index.ReadSegments(r.source(), t); err != nil {
				return err
			}
			after := Seq(1)
			if len(runs) > 0 {
				after = runs[len(runs)-1].Last + 1
			}
			trails, err = index.ReadCommits(t, after)
		}
		return err
	})
	if err != nil || txid == r.txid {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if info.First != r.info.First {
		r.blocks.Clear() // they hold what was dropped
	}
	r.txid, r.info, r.kinds = txid, info, kinds
	if again {
		r.runs, r.tail, r.ticks, r.ledger = runs, index.NewIndex(), nil, index.Ledger{}
		for _, run := range runs {
			r.ticks = append(r.ticks, run.Ticks...)
			for _, c := range run.Ledger {
				r.ledger.Add(c)
			}
		}
	}
	for _, t := range trails {
		for i := range t.Changes {
			r.tail.Add(&t.Changes[i])
		}
		for _, c := range t.Ledger {
			r.ledger.Add(c)
		}
		r.ticks = append(r.ticks, index.Tick{Seq: t.First, Time: time.UnixMicro(t.Times[0]).UTC()})
	}
	if info.First > 1 && info.Source == nil && len(r.ticks) > 0 {
		// A ring: what was heard before its window is not there any more. A
		// cut says itself when its window begins.
		r.info.Start = r.ticks[0].Time
	}
	r.parts = []index.Part{}
	for _, run := range r.runs {
		r.parts = append(r.parts, run)
	}
	r.parts = append(r.parts, r.tail)
	return nil
}

// readInfo reads the head of the file. With an error comes what could be read.
func readInfo(t *boltfile.Tree) (Info, []Kind, error) {
	head, err := t.Bucket(encoding.BucketHead)
	if err != nil {
		return Info{}, nil, &DamageError{What: "head", Err: err}
	}
	if head == nil {
		return Info{}, nil, ErrNotRecording
	}
	read := func(key string, into func([]byte) error) error {
		v, err := t.Value(encoding.BucketHead, []byte(key))
		if v != nil && err == nil {
			err = into(v)
		}
		if err == nil || errors.Is(err, ErrNotRecording) || errors.Is(err, ErrVersion) {
			return err
		}
		return &DamageError{What: key, Err: err}
	}
	version := 0
	if err := read(encoding.KeyFormat, func(v []byte) (err error) { version, err = parseFormat(v); return err }); err != nil {
		return Info{}, nil, err
	}
	if version == 0 {
		return Info{}, nil, ErrNotRecording
	}
	var h Header
	var end ending
	var closing *seal
	err = errors.Join(
		read(encoding.KeyHeader, func(v []byte) (err error) { h, err = decodeHeader(v); return err }),
		read(encoding.KeyEnd, func(v []byte) error { return json.Unmarshal(v, &end) }),
		read(encoding.KeySeal, func(v []byte) error { return json.Unmarshal(v, &closing) }),
		readDiscovery(t, ^Seq(0), &h),
	)
	info := end.info(h)
	if closing != nil {
		info, end = closing.info(h), closing.ending
	}
	info.FormatVersion = version
	if info.First > event.MaxSeq || info.Last > event.MaxSeq {
		err = errors.Join(err, &DamageError{What: encoding.KeyEnd, Err: fmt.Errorf("positions %d to %d: %w", info.First, info.Last, encoding.ErrMalformed)})
		info.First, info.Last = 0, 0
	}
	return info, end.Kinds, err
}

// document is a discovery document and the position after which it holds.
type document struct {
	after     Seq
	resources []metav1.APIResource
}

// readDiscovery reads the discovery document that holds at a position.
func readDiscovery(t *boltfile.Tree, at Seq, h *Header) error {
	b, err := t.Bucket(encoding.BucketDiscovery)
	if err == nil && b != nil {
		var k, v []byte
		if k, v, err = b.Floor(encoding.SeqKey(at)); err == nil && k != nil {
			if v, err = encoding.TrimSum(encoding.BucketDiscovery, k, v); err == nil {
				h.Resources, err = decodeDiscovery(v)
			}
		}
	}
	if err != nil {
		return &DamageError{What: "discovery", Err: err}
	}
	return nil
}

// Resources returns the discovery document that holds at a position: what the
// cluster had then, which may be gone in the end.
func (r *Recording) Resources(at Seq) ([]metav1.APIResource, error) {
	var h Header
	err := r.source().View(func(t *boltfile.Tree) error { return readDiscovery(t, at, &h) })
	if err != nil {
		return nil, err
	}
	if h.Resources == nil {
		return r.Info().Resources, nil
	}
	return h.Resources, nil
}

// discovery returns all discovery documents in order.
func (r *Recording) discovery() (documents []document, err error) {
	err = r.source().View(func(t *boltfile.Tree) error {
		documents = nil
		return t.Values(encoding.BucketDiscovery, nil, func(k, v []byte) error {
			w := encoding.Reader{Data: k}
			resources, err := decodeDiscovery(v)
			documents = append(documents, document{Seq(w.Key()), resources})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read discovery: %w", err)
	}
	return documents, nil
}
