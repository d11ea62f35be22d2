package replay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/store"
)

func TestCompareClocks(t *testing.T) {
	zero := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	// sample is a look at the clocks after so many seconds: what the recorder's
	// said, and what the API server's did, which may say nothing.
	sample := func(elapsed, wall, server float64) store.Clock {
		at := func(s float64) time.Time { return zero.Add(time.Duration(s * float64(time.Second))) }
		c := store.Clock{Time: at(wall), Monotonic: time.Duration(elapsed * float64(time.Second))}
		if server != 0 {
			c.ServerDate = at(server).Truncate(time.Second)
		}
		return c
	}
	const second = time.Second
	for _, tt := range []struct {
		name    string
		samples []store.Clock
		want    Clocks
	}{
		{"no samples", nil, Clocks{}},
		{"an API server that says nothing", []store.Clock{sample(0, 0, 0), sample(15, 15, 0)}, Clocks{}},
		{
			"in step",
			[]store.Clock{sample(0, 0.5, 0.5), sample(15, 15.5, 15.5)},
			Clocks{Samples: 2},
		},
		{
			"API server 90 s ahead",
			[]store.Clock{sample(0, 0.5, 90.5), sample(15, 15.5, 105.5), sample(30, 30.5, 120.5)},
			Clocks{Samples: 3, Skew: 90 * second, Least: 90 * second, Most: 90 * second},
		},
		{
			// Times go on as if nothing had happened, so the skew stays.
			"set back by an hour",
			[]store.Clock{sample(0, 3600.5, 3690.5), sample(15, 15.5, 3705.5), sample(30, 30.5, 3720.5)},
			Clocks{Samples: 3, Skew: 90 * second, Least: 90 * second, Most: 90 * second, Steps: []ClockStep{{zero.Add(3615*second + second/2), -time.Hour}}},
		},
		{
			// Times follow, so the skew is another.
			"set forward by a minute",
			[]store.Clock{sample(0, 0.5, 60.5), sample(15, 75.5, 75.5), sample(30, 90.5, 90.5)},
			Clocks{Samples: 3, Least: 0, Most: 60 * second, Steps: []ClockStep{{zero.Add(75*second + second/2), time.Minute}}},
		},
		{
			"back and forward again",
			[]store.Clock{sample(0, 600.5, 600.5), sample(10, 10.5, 610.5), sample(20, 620.5, 620.5)},
			Clocks{Samples: 3, Steps: []ClockStep{{zero.Add(610*second + second/2), -600 * second}, {zero.Add(620*second + second/2), 600 * second}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, CompareClocks(tt.samples)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
