package event

import (
	"strings"
	"time"
)

// A Gap is written when the recorder notices it, which may be long after the
// last proof that it heard everything. Its Reason then ends with how long
// nothing was heard before.
const (
	noAnswer     = "no answer from the API server for "
	nothingHeard = "nothing heard for "
)

// NoAnswer is the Reason of a Gap after the API server did not answer for d.
func NoAnswer(d time.Duration) string { return noAnswer + upwards(d) }

// NothingHeard ends the Reason, after "; ", of a Gap before which nothing was
// heard for d.
func NothingHeard(d time.Duration) string { return nothingHeard + upwards(d) }

// upwards rounds up to a tenth of a second, so that no instant of a silence is
// left out.
func upwards(d time.Duration) string {
	const tenth = time.Second / 10
	return ((max(d, 0) + tenth - 1) / tenth * tenth).String()
}

// longestSilence bounds what is believed of a file: a recorder notices a
// silence within minutes.
const longestSilence = 24 * time.Hour

// Since returns when the change really happened: of a Gap, the last proof that
// nothing had been missed, before which coverage was what it had been; of
// everything else, Time.
func (c *Coverage) Since() time.Time {
	if c.Status != Gap {
		return c.Time
	}
	last := c.Reason[strings.LastIndex(c.Reason, "; ")+1:]
	for _, prefix := range []string{noAnswer, nothingHeard} {
		if text, found := strings.CutPrefix(strings.TrimSpace(last), prefix); found {
			if d, err := time.ParseDuration(text); err == nil && d > 0 && d <= longestSilence {
				return c.Time.Add(-d)
			}
		}
	}
	return c.Time
}
