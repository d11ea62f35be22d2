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

// Skew is by how much the API server's clock was ahead of the recorder's when the
// recording began: something between the two.
type Skew struct{ Low, High time.Duration }

const (
	trusted  = 16                     // samples that are looked at: later ones say nothing about the beginning
	inFlight = 500 * time.Millisecond // how long an answer may have been under way
)

// SkewOf compares the clocks. Each sample has the server's time cut to the
// second, so several of them narrow it down. Nothing is known without samples;
// then the clocks are taken to agree.
func SkewOf(samples []store.Clock) Skew {
	var found Skew
	n := 0
	for i, s := range samples {
		set := s.Time.Sub(samples[0].Time) - (s.Monotonic - samples[0].Monotonic)
		if n == trusted || i > 0 && set.Abs() > time.Second {
			break // the recorder's own clock was set
		}
		if s.ServerDate.IsZero() {
			continue
		}
		low := s.ServerDate.Sub(s.Time)
		high := low + time.Second + inFlight
		if n++; n > 1 {
			low, high = max(low, found.Low), min(high, found.High)
		}
		if low > high {
			break // the server's clock was set
		}
		found = Skew{low, high}
	}
	return found
}

// Ahead is what to take off the server's times: nothing where the clocks may
// well agree.
func (s Skew) Ahead() time.Duration {
	if s.Low <= 0 && s.High >= 0 {
		return 0
	}
	return ((s.Low + s.High) / 2).Round(100 * time.Millisecond)
}

// skewed is how far the clocks must be apart for times in objects to be corrected: less
// is within what they are cut to.
const skewed = 2 * time.Second

// clock is by how much the times in the objects of a timeline are ahead. Until the first
// sample is there they are taken to agree.
type clock struct {
	known bool
	ahead time.Duration
	asked int
}

// aheadIn asks a timeline until it has samples, not at each object. Clocks that cannot
// be read, as the file is damaged there, are no reason not to show an object that can.
func (c *clock) aheadIn(t Timeline) time.Duration {
	if c.known || c.asked > 0 {
		c.asked--
		return c.ahead
	}
	c.asked = 256
	samples, err := t.Clocks()
	if err != nil {
		return c.ahead
	}
	for _, s := range samples {
		c.known = c.known || !s.ServerDate.IsZero()
	}
	// Of what the samples leave open the end with which no time lies after it was seen.
	if skew := SkewOf(samples); skew.Ahead().Abs() >= skewed {
		c.ahead = skew.High
	}
	return c.ahead
}
