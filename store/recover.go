package store

import (
	"errors"
	"fmt"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/rawjson"
)

// mended calls read, and once more if it failed for a damage there is a way
// around.
func (r *Recording) mended(read func() error) error {
	damaged := func(err error) bool { return errors.Is(err, boltfile.ErrPage) || errors.Is(err, index.ErrDamaged) }
	err := read()
	if !damaged(err) || unread(err) {
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

// unread reports whether an error says nothing about the recording, but that what
// it is read through failed.
func unread(err error) bool { return errors.As(err, new(*boltfile.SourceError)) }

// mend makes anew what is damaged, once.
func (r *Recording) mend(cause error) error {
	r.updating.Lock()
	defer r.updating.Unlock()
	switch {
	case errors.Is(cause, boltfile.ErrPage) && r.broken == nil:
		return r.salvage(cause)
	case !r.rebuilt:
		r.rebuild()
	}
	return nil
}

// salvage gives up on the file's tree for the given cause: values are looked
// for on its pages. updating must be held, if others know the Recording.
func (r *Recording) salvage(cause error) error {
	if errors.Is(cause, ErrVersion) || errors.Is(cause, ErrInUse) || unread(cause) {
		return cause
	}
	size, err := r.size()
	if err != nil {
		return err
	}
	t := boltfile.Salvage(r.file, size)
	if err := r.SourceError(); err != nil {
		return err
	}
	info, kinds, err := readInfo(t)
	blocks := t.Salvaged[encoding.BucketBlocks]
	if errors.Is(err, ErrVersion) || len(blocks) == 0 && (err != nil || len(t.Salvaged[encoding.BucketHead]) == 0) {
		if errors.Is(cause, boltfile.ErrPage) {
			cause = fmt.Errorf("%w: %w", ErrNotRecording, cause)
		}
		return cause
	}
	if n := len(blocks); n > 0 {
		// The end that was found may be old, or none; the last block says how
		// far it goes.
		if _, v, err := blocks[n-1].Read(r.file); err == nil {
			if b, err := block.Parse(v[:len(v)-4]); err == nil {
				info.First, info.Last = max(info.First, 1), max(info.Last, b.Last())
			}
		}
	}
	r.mu.Lock()
	r.at.Salvaged, r.info, r.kinds, r.broken = t, info, kinds, cause
	r.mu.Unlock()
	r.rebuild()
	return nil
}

// rebuild makes the index anew from what can be read of the events. updating
// must be held, if others know the Recording.
func (r *Recording) rebuild() {
	read := func(seq Seq) (*block.Block, error) {
		if b := r.blocks.Holding(seq); b != nil {
			return b, nil
		}
		b, err := r.readBlock(seq)
		if err == nil {
			r.blocks.Keep(b, r.blocks.Cleared())
		}
		return b, err
	}
	tail, track, ticks := index.NewIndex(), index.NewTracker(), []index.Tick(nil)
	var ledger index.Ledger
	last := r.Info().Last
	for from := Seq(1); from <= last; {
		b, err := read(from)
		if err != nil {
			from = r.behind(from, err)
			continue
		}
		i, _ := b.Place(from)
		if b.First >= r.Info().First {
			ticks = append(ticks, index.Tick{Seq: b.Entries[i].Seq, Time: b.TimeOf(i)})
		}
		d := block.Decoder{Read: read, Objects: &r.made, Limit: &r.large}
		for ; i < len(b.Entries); i++ {
			e := b.Entries[i]
			if e.Tag&block.TagType == block.TagCoverage {
				if c, err := b.Coverage(i); err == nil {
					ledger.Add(c)
				}
				continue
			}
			ev, err := d.EventIn(b, e.Seq)
			if err != nil {
				continue // whoever reads it will be told
			}
			id, _ := rawjson.Identify(ev.Resource, ev.Object)
			for _, c := range track.Observe(nil, &ev, &id) {
				tail.Add(&c)
			}
		}
		from = b.Last() + 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs, r.tail, r.ledger, r.ticks, r.parts, r.rebuilt = nil, tail, ledger, ticks, []index.Part{tail}, true
}
