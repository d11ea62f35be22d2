package store

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

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
