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
	wall    func() time.Time
	elapsed func() time.Duration // since some moment; nobody sets it

	mu    sync.Mutex
	since time.Duration // elapsed when ...
	base  time.Time     // ... this was our time
	last  time.Time
}

// stepped is by how much the wall clock must disagree with what has elapsed to
// be believed to have been set. Suspended laptops look the same.
const stepped = time.Second

func newClock(wall func() time.Time, elapsed func() time.Duration) *clock {
	now := wall().Round(0)
	return &clock{wall: wall, elapsed: elapsed, since: elapsed(), base: now, last: now}
}

// stopwatch returns the time since it was started.
func stopwatch() func() time.Duration {
	started := time.Now()
	return func() time.Duration { return time.Since(started) }
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed := c.wall().Round(0), c.elapsed()
	t := c.base.Add(elapsed - c.since)
	if wall.Sub(t) > stepped {
		c.since, c.base = elapsed, wall
		t = c.base
	}
	if t.Before(c.last) {
		t = c.last
	}
	c.last = t
	return t
}

// look returns the recorder's clocks as they are.
func (c *clock) look() store.Clock {
	return store.Clock{Time: c.wall().Round(0), Monotonic: c.elapsed()}
}
