package recorder

import (
	"sync"
	"time"

	"github.com/svcspy/svcspy/store"
)

// clock gives the Time of events. It never runs backwards: it follows the wall
// clock forwards, but where that is stepped back it goes on counting as if
// nothing had happened, so that durations stay right.
type clock struct {
	wall    func() time.Time // with a monotonic reading, where there is one
	started time.Time

	mu    sync.Mutex
	since time.Time // wall clock when ...
	base  time.Time // ... this was our time, without a monotonic reading
	last  time.Time
}

// stepped is by how much the wall clock must disagree with its own monotonic
// reading to be believed to have been set. Suspended laptops look the same.
const stepped = time.Second

func newClock(wall func() time.Time) *clock {
	now := wall()
	return &clock{wall: wall, started: now, since: now, base: now.Round(0), last: now.Round(0)}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall := c.wall()
	t := c.base.Add(wall.Sub(c.since))
	if ahead := wall.Round(0).Sub(t); ahead > stepped {
		c.since, c.base = wall, wall.Round(0)
		t = c.base
	}
	if t.Before(c.last) {
		t = c.last // a wall clock without a monotonic reading
	}
	c.last = t
	return t
}

// look returns the recorder's clocks as they are.
func (c *clock) look() store.Clock {
	wall := c.wall()
	return store.Clock{Time: wall.Round(0), Monotonic: wall.Sub(c.started)}
}
