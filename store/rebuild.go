package store

import (
	"errors"
	"fmt"
)

// mended calls read, and once more if it failed for a damage there is a way
// around.
func (r *Recording) mended(read func() error) error {
	damaged := func(err error) bool { return errors.Is(err, errPage) || errors.Is(err, errIndex) }
	err := read()
	if !damaged(err) {
		return err
	}
	r.mu.RLock()
	live := r.live
	r.mu.RUnlock()
	if live && r.refresh() == nil {
		// The writer put the index together anew, or dropped what left its window.
		if err = read(); !damaged(err) {
			return err
		}
	}
	if err := r.mend(err); err != nil {
		return err
	}
	return read()
}

// mend makes anew what is damaged, once.
func (r *Recording) mend(cause error) error {
	r.updating.Lock()
	defer r.updating.Unlock()
	switch {
	case errors.Is(cause, errPage) && r.broken == nil:
		return r.salvage(cause)
	case !r.rebuilt:
		r.rebuild()
	}
	return nil
}

// salvage gives up on the file's tree for the given cause: values are looked
// for on its pages. updating must be held, if others know the Recording.
func (r *Recording) salvage(cause error) error {
	if errors.Is(cause, ErrVersion) || errors.Is(cause, ErrInUse) {
		return cause
	}
	size, err := r.size()
	if err != nil {
		return err
	}
	t := salvage(r.file, size)
	info, kinds, err := readInfo(t)
	blocks := t.salvaged[bucketBlocks]
	if errors.Is(err, ErrVersion) || len(blocks) == 0 && (err != nil || len(t.salvaged[bucketHead]) == 0) {
		if errors.Is(cause, errPage) {
			cause = fmt.Errorf("%w: %w", ErrNotRecording, cause)
		}
		return cause
	}
	if n := len(blocks); n > 0 {
		// The end that was found may be old, or none; the last block says how
		// far it goes.
		if _, v, err := blocks[n-1].read(r.file); err == nil {
			if b, err := parseBlock(v[:len(v)-4]); err == nil {
				info.First, info.Last = max(info.First, 1), max(info.Last, b.last())
			}
		}
	}
	r.mu.Lock()
	r.at.salvaged, r.info, r.kinds, r.broken = t, info, kinds, cause
	r.mu.Unlock()
	r.rebuild()
	return nil
}

// rebuild makes the index anew from what can be read of the events. updating
// must be held, if others know the Recording.
func (r *Recording) rebuild() {
	read := func(seq Seq) (*block, error) {
		if b := r.blocks.holding(seq); b != nil {
			return b, nil
		}
		b, err := r.readBlock(seq)
		if err == nil {
			r.blocks.keep(b, r.blocks.cleared())
		}
		return b, err
	}
	tail, track, ticks := newIndex(), newTracker(), []tick(nil)
	var ledger ledger
	last := r.Info().Last
	for from := Seq(1); from <= last; {
		b, err := read(from)
		if err != nil {
			from = r.behind(from, err)
			continue
		}
		i, _ := b.place(from)
		if b.first >= r.Info().First {
			ticks = append(ticks, tick{b.entries[i].seq, b.timeOf(i)})
		}
		d := decoding{read: read, made: &r.made, large: &r.large}
		for ; i < len(b.entries); i++ {
			e := b.entries[i]
			if e.tag&tagType == tagCoverage {
				if c, err := b.coverage(i); err == nil {
					ledger.add(c)
				}
				continue
			}
			event, err := d.eventIn(b, e.seq)
			if err != nil {
				continue // whoever reads it will be told
			}
			id, _ := scan(event.Resource, event.Object)
			for _, c := range track.observe(nil, &event, &id) {
				tail.add(&c)
			}
		}
		from = b.last() + 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs, r.tail, r.ledger, r.ticks, r.parts, r.rebuilt = nil, tail, ledger, ticks, []part{tail}, true
}
