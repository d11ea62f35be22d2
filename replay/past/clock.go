package past

import "time"

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
	f.Time = stated.Add(-p.skew.Ahead())
	if f.Time.After(f.ObservedAt.Add(misdated)) {
		return false
	}
	// Where the clocks may agree they are taken to: what the samples leave open
	// is less than the second that times are cut to.
	low, high := p.skew.Low, p.skew.High
	if p.skew.Ahead() == 0 {
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
