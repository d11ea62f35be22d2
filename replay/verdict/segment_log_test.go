package verdict

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// TestSegmentLogIsSettle appends segments in any portions: the log holds what
// Settle makes of all of them.
func TestSegmentLogIsSettle(t *testing.T) {
	states := []analyzer.State{analyzer.Serving, analyzer.NotServing, analyzer.Degraded, analyzer.Unknown}
	rapid.Check(t, func(t *rapid.T) {
		var raw []Segment
		at := replaytest.Start
		for range rapid.IntRange(1, 60).Draw(t, "segments") {
			to := at.Add(time.Duration(rapid.SampledFrom([]int{100, 500, 1500, 2000, 4000, 60_000}).Draw(t, "length")) * time.Millisecond)
			s := Segment{From: at, To: to, Seq: store.Seq(len(raw) + 1)}
			s.Report.Verdict.State = rapid.SampledFrom(states).Draw(t, "state")
			raw, at = join(raw, []Segment{s}), to
		}
		want := Settle(raw)
		var log SegmentLog
		for rest := raw; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "portion")
			part := append([]Segment{}, rest[:n]...)
			rest = rest[n:]
			// A computation may end within a segment, which the next one begins with.
			if last := &part[n-1]; rapid.Bool().Draw(t, "within") && last.To.Sub(last.From) > time.Second {
				head := *last
				last.To = last.From.Add(time.Second)
				head.From = last.To
				log.Append(part)
				log.Append([]Segment{head})
				continue
			}
			log.Append(part)
		}
		if diff := cmp.Diff(want, log.Segments()); diff != "" {
			t.Errorf("the log of %d segments (-settled at once +appended):\n%s", len(raw), diff)
		}
	})
}

// TestSegmentLogIsBounded appends a verdict that changes every three seconds for
// eight hours.
func TestSegmentLogIsBounded(t *testing.T) {
	var log SegmentLog
	at := replaytest.Start
	for i := range 8 * 1200 {
		s := Segment{From: at, To: at.Add(3 * time.Second), Seq: store.Seq(i + 1)}
		s.Report.Verdict.State = []analyzer.State{analyzer.Serving, analyzer.NotServing}[i%2]
		log.Append([]Segment{s})
		at = s.To
	}
	segments := log.Segments()
	if n := len(segments); n > maxSegments+2 {
		t.Errorf("the log holds %d segments, want at most %d", n, maxSegments+2)
	}
	if first, last := segments[0].From, segments[len(segments)-1].To; !first.Equal(replaytest.Start) || !last.Equal(at) {
		t.Errorf("the log covers %s to %s, want %s to %s", first, last, replaytest.Start, at)
	}
}

// TestVerdictsInPortions computes verdicts as a screen that follows a recording
// does, portion by portion: they are those of one computation.
func TestVerdictsInPortions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := replaytest.RandomRecording(t)
		info := m.Info()
		whole, err := Of(context.Background(), m, replaytest.Web, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		var alone, together SegmentLog
		follower := NewFollower(replaytest.Web)
		for from, to := info.Start, info.Start; to.Before(info.End); from = to {
			to = from.Add(time.Duration(rapid.IntRange(1, 60_000).Draw(t, "portion")) * time.Millisecond)
			if to.After(info.End) {
				to = info.End
			}
			part, err := follower.Next(context.Background(), m, from, to)
			if err != nil {
				t.Fatal(err)
			}
			alone.Append(part)
			var there []store.Ref
			if last := together.Last(); last != nil && last.Report.Verdict.State != analyzer.Absent {
				there = []store.Ref{replaytest.Web}
			}
			for c, err := range AllAnd(context.Background(), m, there, from, to, nil) {
				if err != nil {
					t.Fatal(err)
				}
				together.Append(c.Segments)
			}
			together.Extend(to)
		}
		lines := func(segments []Segment) (out []string) {
			for i := range segments {
				s := &segments[i]
				out = append(out, fmt.Sprint(s.From.Sub(info.Start), s.To.Sub(info.Start), s.Report.Verdict.State, s.Report.Headline.ID, s.Gap))
			}
			return out
		}
		if info.End.Equal(info.Start) {
			return
		}
		if diff := cmp.Diff(lines(Settle(whole)), lines(alone.Segments())); diff != "" {
			t.Errorf("verdicts (-at once +in portions):\n%s", diff)
		}
		if len(together.Segments()) == 0 {
			return // there never was a Service
		}
		last := func(segments []Segment) string { return lines(segments[len(segments)-1:])[0] }
		if got := together.Last(); got.Report.Verdict.State != whole[len(whole)-1].Report.Verdict.State {
			t.Errorf("together it ends with %s, alone with %s", last(together.Segments()), last(whole))
		}
	})
}
