package replay

import (
	"fmt"
	"time"

	"github.com/svcspy/svcspy/store"
)

// Cursor is a place on a timeline. A new cursor stands before the first
// position. Moving it is cheap in both directions: a State reads what it is
// asked for at its position, nothing is folded. A Cursor is not safe for
// concurrent use; the States it returns are.
type Cursor struct {
	timeline Timeline
	objects  *Cache
	seq      store.Seq
}

// NewCursor returns a cursor before the first position.
func NewCursor(t Timeline) *Cursor {
	return NewCursorWith(t, &Cache{})
}

// NewCursorWith returns a cursor before the first position whose States share the
// cache with others of the same timeline.
func NewCursorWith(t Timeline, cache *Cache) *Cursor {
	return &Cursor{timeline: t, objects: cache}
}

// BoundMemory has the cursor and its States hold no more decoded objects than
// such that take about so many bytes; without it that is 512 MiB. It must be
// called before the cursor is moved.
func (c *Cursor) BoundMemory(bytes int) { c.objects.bytes = bytes / decodedBytes / 2 }

// decodedBytes is about how many bytes a byte of JSON takes as a decoded object.
const decodedBytes = 4

// First moves to the first position.
func (c *Cursor) First() (*State, error) { return c.Seek(c.timeline.Info().First) }

// Last moves to the last position there is now.
func (c *Cursor) Last() (*State, error) { return c.Seek(c.timeline.Info().Last) }

// Next moves one position on; at the end it stays.
func (c *Cursor) Next() (*State, error) {
	return c.Seek(min(c.seq+1, c.timeline.Info().Last))
}

// Prev moves one position back; before the first it stays. Where not
// everything from the beginning on was kept, it stays at the first.
func (c *Cursor) Prev() (*State, error) {
	first := c.timeline.Info().First
	if c.seq == 0 || first > 1 && c.seq <= first {
		return c.Seek(c.seq)
	}
	return c.Seek(c.seq - 1)
}

// End moves to the last position at which the recorder was still listening: the
// ledger closes every stream when it is stopped, and the state before that is
// the last that is known. Its instant is the end of the recording.
func (c *Cursor) End() (*State, error) {
	info := c.timeline.Info()
	seq := info.Last
	for seq > 0 {
		ledger, err := c.timeline.Ledger(seq, seq)
		if err != nil {
			return nil, fmt.Errorf("seek the end: %w", err)
		}
		if len(ledger) == 0 || ledger[0].Reason != store.Stopped {
			break
		}
		seq--
	}
	c.seq = seq
	return c.state(info.End), nil
}

// Seek moves to a position; its instant is when that was heard.
func (c *Cursor) Seek(seq store.Seq) (*State, error) {
	info := c.timeline.Info()
	if seq > info.Last {
		return nil, fmt.Errorf("seek #%d: the recording ends at #%d", seq, info.Last)
	}
	if seq > 0 && seq < info.First {
		return nil, fmt.Errorf("seek #%d: full history starts at #%[2]d; before that only the state at #%[2]d is known", seq, info.First)
	}
	instant := info.Start
	if seq > 0 {
		var err error
		if instant, err = c.timeline.TimeOf(seq); err != nil {
			return nil, fmt.Errorf("seek #%d: %w", seq, err)
		}
	}
	c.seq = seq
	return c.state(instant), nil
}

// SeekTime moves to the last position at or before t. The state's instant is t
// itself: ages and graces count up to it. t is neither checked against the
// range nor moved into it; ParseWhen has done that.
func (c *Cursor) SeekTime(t time.Time) (*State, error) {
	seq, err := c.timeline.SeqAt(t)
	if err != nil {
		return nil, fmt.Errorf("seek %s: %w", t.UTC().Format(time.RFC3339Nano), err)
	}
	c.seq = seq
	return c.state(t), nil
}

// SeekTimeUpTo is SeekTime, but the state is never of a later position than last.
func (c *Cursor) SeekTimeUpTo(t time.Time, last store.Seq) (*State, error) {
	s, err := c.SeekTime(t)
	if err == nil {
		s.seq = min(s.seq, last)
	}
	return s, err
}

func (c *Cursor) state(instant time.Time) *State {
	return &State{timeline: c.timeline, objects: c.objects, seq: c.seq, instant: instant.UTC()}
}
