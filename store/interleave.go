package store

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"
)

// Appender takes events and coverage. *Writer and *Memory are.
type Appender interface {
	Append(Event) (Seq, error)
	Cover(Coverage) (Seq, error)
}

// Insertion appends what is to come before a position of a recording. It is
// called for each position of the window in order, with the time of the position,
// and at last for the one after the end. What it appends must have no later time.
type Insertion func(to Appender, seq Seq, at time.Time) error

// Interleave writes a recording into the new file dst, with something put between
// its positions, and seals it. What was recorded, its times and its coverage are
// the same, at later positions; the ID of h is that of a new run. If there is a
// file of that name the error is fs.ErrExist.
func Interleave(dst string, h Header, r *Recording, insert Insertion, options ...Option) (Info, error) {
	info := r.Info()
	if info.Last == 0 {
		return Info{}, fmt.Errorf("copy %s: %w", cmp.Or(r.path, info.ID), errNothing)
	}
	h.Start, h.Resources = info.Start, nil
	if info.Source != nil {
		source := *info.Source
		source.ID, source.SHA256 = h.ID, "" // positions are not those of the run it was cut from
		h.Source = &source
	}
	w, err := Create(dst, h, options...)
	if err != nil {
		return Info{}, err
	}
	j := joining{w: w, streams: map[stream]Coverage{}, insert: insert}
	info, err = j.all([]*Recording{r})
	if err != nil {
		return Info{}, errors.Join(fmt.Errorf("copy a recording: %w", err), w.Abort(), os.Remove(dst))
	}
	for _, m := range j.marks {
		if err := AddMark(dst, m.unsigned()); err != nil {
			return Info{}, errors.Join(err, os.Remove(dst))
		}
	}
	return info, nil
}
