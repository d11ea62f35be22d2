package block

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// Decoder decodes objects that may be deltas. It may be used concurrently.
type Decoder struct {
	Read      func(event.Seq) (*Block, error)
	Objects   *ObjectCache
	Limit     *SizeLimit // nil: objects may together be as large as they are
	WithBases bool       // also what is kept only as a base
}

func (d *Decoder) Event(seq event.Seq) (event.Event, error) {
	b, err := d.Read(seq)
	if err != nil {
		return event.Event{}, err
	}
	return d.EventIn(b, seq)
}

// EventIn returns the event at seq, which is in b if anywhere.
func (d *Decoder) EventIn(b *Block, seq event.Seq) (event.Event, error) {
	i, ok := b.Place(seq)
	if !ok || !b.Entries[i].IsEvent() && !(d.WithBases && b.Entries[i].Tag&TagBase != 0) {
		return event.Event{}, event.ErrNotEvent
	}
	if d.Limit != nil {
		if err := d.Limit.check(b, i); err != nil {
			return event.Event{}, err
		}
	}
	raw, err := d.raw(b, i)
	if err != nil {
		return event.Event{}, err
	}
	e, err := b.event(i, raw)
	if err == nil && d.Limit != nil {
		err = d.Limit.admit(&e)
	}
	if err != nil {
		return event.Event{}, err
	}
	return e, nil
}

// raw returns the whole object of an entry.
func (d *Decoder) raw(b *Block, i int) ([]byte, error) {
	// Down to a version that is whole, or known, then up again.
	type step struct {
		b *Block
		i int
	}
	var steps []step
	var raw []byte
	for {
		e := b.Entries[i]
		if raw = d.Objects.version(e.Seq); raw != nil {
			break
		}
		steps = append(steps, step{b, i})
		if e.Tag&TagDelta == 0 {
			break
		}
		if len(steps) > 4*maxHops {
			return nil, fmt.Errorf("chain without end: %w", encoding.ErrMalformed)
		}
		base := e.Seq - event.Seq(e.Back)
		var ok bool
		if i, ok = b.Place(base); ok {
			continue
		}
		var err error
		if b, err = d.Read(base); err != nil {
			return nil, fmt.Errorf("its base at %d: %w", base, err)
		}
		if i, ok = b.Place(base); !ok {
			return nil, fmt.Errorf("its base at %d is missing: %w", base, encoding.ErrMalformed)
		}
	}
	for _, s := range slices.Backward(steps) {
		_, body, err := s.b.body(s.i)
		e := s.b.Entries[s.i]
		switch {
		case err != nil:
		case e.Tag&TagDelta != 0:
			raw, err = patch(raw, body)
		case len(body) > MaxObject:
			err = fmt.Errorf("object of %d bytes: %w", len(body), encoding.ErrMalformed)
		default:
			raw = bytes.Clone(body) // who keeps the object must not keep the block
		}
		if err != nil {
			return nil, err
		}
		d.Objects.keep(e.Seq, raw)
	}
	return raw, nil
}

// ObjectCache keeps versions that were decoded, so that what builds on them need not
// decode them anew: at least the latest of them, in two generations of which
// the older is dropped when the younger is full.
type ObjectCache struct {
	mu          sync.Mutex
	young, aged map[event.Seq][]byte
	size        int // of young
}

const madeBytes = 12 << 20 // of a generation

// version returns a version, nil if it is not kept.
func (m *ObjectCache) version(seq event.Seq) []byte {
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

func (m *ObjectCache) keep(seq event.Seq, raw []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(seq, raw)
}

func (m *ObjectCache) add(seq event.Seq, raw []byte) {
	if m.young == nil || m.size+len(raw) > madeBytes {
		m.young, m.aged, m.size = map[event.Seq][]byte{}, m.young, 0
	}
	m.young[seq] = raw
	m.size += len(raw)
}
