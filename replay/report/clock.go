package report

import (
	"fmt"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Clock says how far the clocks were apart.
type Clock struct {
	// Samples is how often the API server said what time it was.
	Samples int `json:"samples"`
	// SkewMs is by how much its clock was ahead of the times of events, known
	// to 500 ms: the median and the extremes.
	SkewMs      int64       `json:"skewMs"`
	SkewLeastMs int64       `json:"skewLeastMs"`
	SkewMostMs  int64       `json:"skewMostMs"`
	Steps       []ClockStep `json:"steps,omitempty"`
}

// ClockStep is the recorder's clock being set, or its machine being suspended.
type ClockStep struct {
	At   time.Time `json:"at"`
	ByMs int64     `json:"byMs"`
}

func newClock(samples []store.Clock) *Clock {
	if len(samples) == 0 {
		return nil
	}
	c := replay.CompareClocks(samples)
	out := &Clock{Samples: c.Samples, SkewMs: c.Skew.Milliseconds(), SkewLeastMs: c.Least.Milliseconds(), SkewMostMs: c.Most.Milliseconds()}
	for _, s := range c.Steps {
		out.Steps = append(out.Steps, ClockStep{s.At.UTC(), s.By.Milliseconds()})
	}
	return out
}

// words says how far the clocks were apart, a line for each thing to know.
func (c *Clock) words() []string {
	lines := []string{"that of the API server is unknown"}
	if c != nil && c.Samples > 0 {
		lines[0] = skew(c.SkewMs)
		if c.SkewMostMs-c.SkewLeastMs >= 2*agreeMs {
			lines[0] = fmt.Sprintf("API server from %s to %s", skew(c.SkewLeastMs), skew(c.SkewMostMs))
		} else if c.SkewMs < agreeMs && c.SkewMs > -agreeMs {
			lines[0] = "API server and recorder agree"
		} else {
			lines[0] = "API server " + lines[0]
		}
	}
	if c == nil {
		return lines
	}
	for i, s := range c.Steps {
		if i == maxSteps {
			lines = append(lines, fmt.Sprintf("and %d more times", len(c.Steps)-i))
			break
		}
		by, how := time.Duration(s.ByMs)*time.Millisecond, "forward (or the machine slept)"
		if by < 0 {
			by, how = -by, "back"
		}
		lines = append(lines, fmt.Sprintf("recorder's set %s by %s at %s", how, Duration(by), when.Format(s.At)))
	}
	return lines
}

const (
	agreeMs  = 1000 // less cannot be told from the whole seconds an API server says
	maxSteps = 3    // told one by one
)

func skew(ms int64) string {
	d := Duration((time.Duration(ms) * time.Millisecond).Abs().Round(time.Second))
	if ms < 0 {
		return d + " behind"
	}
	return d + " ahead"
}
