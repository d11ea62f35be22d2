package replay

import (
	"slices"
	"time"

	"github.com/svcspy/svcspy/store"
)

// Clocks says how the clocks of a recording were apart. Times of events are
// the recorder's, which never run backwards; what objects say of themselves was
// written by the clocks of the cluster.
type Clocks struct {
	Samples int // answers of the API server with its own time
	// Skew is by how much the API server's clock was ahead of the times of
	// events, known to half a second: the median, and the extremes.
	Skew, Least, Most time.Duration
	Steps             []ClockStep
}

// ClockStep is the recorder's wall clock being set, or the recorder's machine
// being suspended.
type ClockStep struct {
	At time.Time     // time of events when it was first seen
	By time.Duration // negative: it was set back
}

// clockStepped is by how much the wall clock must disagree with the monotonic
// one to have been set; less is drift between two looks at them.
const clockStepped = time.Second

// CompareClocks looks at samples in the order they were taken.
func CompareClocks(samples []store.Clock) Clocks {
	var c Clocks
	var skews []time.Duration
	var at time.Time // time of events
	for i, s := range samples {
		if i == 0 || s.Monotonic < samples[i-1].Monotonic { // a recorder of its own
			at = s.Time
		} else {
			last := samples[i-1]
			passed := s.Monotonic - last.Monotonic
			at = at.Add(passed)
			// As the recorder does: forwards with the wall clock, never back.
			if s.Time.Sub(at) > clockStepped {
				at = s.Time
			}
			if by := s.Time.Sub(last.Time) - passed; by.Abs() > clockStepped {
				c.Steps = append(c.Steps, ClockStep{at, by})
			}
		}
		if !s.ServerDate.IsZero() {
			// The Date header has whole seconds, rounded down.
			skews = append(skews, s.ServerDate.Add(time.Second/2).Sub(at))
		}
	}
	if c.Samples = len(skews); c.Samples > 0 {
		slices.Sort(skews)
		c.Skew, c.Least, c.Most = skews[len(skews)/2], skews[0], skews[len(skews)-1]
	}
	return c
}
