package store

import (
	"testing"
	"time"
)

// A wall clock that was set back by an hour does not put later samples before
// earlier ones.
func TestClockTimes(t *testing.T) {
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	sample := func(wall, monotonic time.Duration) Clock { return Clock{Time: start.Add(wall), Monotonic: monotonic} }
	samples := []Clock{
		sample(0, 0), sample(15*time.Second, 15*time.Second),
		sample(30*time.Second-time.Hour, 30*time.Second), sample(45*time.Second-time.Hour, 45*time.Second),
		sample(10*time.Minute, time.Minute), // set forward
	}
	want := []time.Duration{0, 15 * time.Second, 30 * time.Second, 45 * time.Second, 10 * time.Minute}
	for i, at := range clockTimes(samples) {
		if at.Sub(start) != want[i] {
			t.Errorf("sample %d was taken at +%s, want +%s", i, at.Sub(start), want[i])
		}
	}
}
