package past

import (
	"time"

	"github.com/svcspy/svcspy/replay"
)

// skew is by how much the API server's clock was ahead of the recorder's when
// the recording began: something between the two.
type skew struct{ low, high time.Duration }

const (
	trusted  = 16                     // samples that are looked at: later ones say nothing about the beginning
	inFlight = 500 * time.Millisecond // how long an answer may have been under way
)

// skewOf compares the clocks. Each sample has the server's time cut to the
// second, so several of them narrow it down. Nothing is known without samples;
// then the clocks are taken to agree.
func skewOf(t replay.Timeline) (skew, error) {
	samples, err := t.Clocks()
	if err != nil {
		return skew{}, err
	}
	var found skew
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
			low, high = max(low, found.low), min(high, found.high)
		}
		if low > high {
			break // the server's clock was set
		}
		found = skew{low, high}
	}
	return found, nil
}

// shift is what to take off the server's times: nothing where the clocks may
// well agree.
func (s skew) shift() time.Duration {
	if s.low <= 0 && s.high >= 0 {
		return 0
	}
	return ((s.low + s.high) / 2).Round(100 * time.Millisecond)
}

// misdated is by how much a time in an object may lie after it was heard and
// still be believed to come from a clock that is wrong.
const misdated = 10 * time.Minute

// date places a time that an object states, cut to the resolution, on the
// recorder's clock; false if it says nothing.
func (p *collector) date(f *Fact, stated time.Time, resolution time.Duration) bool {
	if stated.IsZero() || stated.Unix() <= 0 {
		return false
	}
	stated = stated.UTC()
	f.Time = stated.Add(-p.skew.shift())
	if f.Time.After(f.ObservedAt.Add(misdated)) {
		return false
	}
	// Where the clocks may agree they are taken to: what the samples leave open
	// is less than the second that times are cut to.
	low, high := p.skew.low, p.skew.high
	if p.skew.shift() == 0 {
		low, high = 0, 0
	}
	f.Earliest, f.Latest = stated.Add(-high), stated.Add(resolution-low)
	if !f.Time.Equal(stated) || f.Time.After(f.ObservedAt) {
		f.Stated = stated
	}
	for _, t := range []*time.Time{&f.Time, &f.Earliest, &f.Latest} {
		if t.After(f.ObservedAt) { // it was heard, so it had happened
			*t = f.ObservedAt
		}
	}
	return true
}
