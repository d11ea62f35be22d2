// Package verdict computes the verdicts on a subject over time.
//
// A Segment is a stretch of time with one verdict and headline; a Course has all
// segments of one subject. Of computes one course and All those of every
// Service. An Index knows where a verdict may change, so that nothing is judged
// in between. Settle merges what is too short to be looked at.
package verdict

import (
	"cmp"
	"context"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Segment is a stretch of time in which a subject's verdict and headline stayed
// the same, and so did what the recorder was listening to.
type Segment struct {
	From, To time.Time // To is the start of the next segment, or the end asked for
	Seq      store.Seq // position at From
	// Event is the position whose event the verdict began with, at which a replay
	// shows it; 0 if it began as time passed, or is that of several in a row.
	Event store.Seq
	// Shown is the first instant at which a replay shows the verdict, where that is
	// later than From: lists still came in, or the verdict is the worst of several in
	// a row. ShownAt returns it for every segment.
	Shown time.Time
	// Gap says what the recorder was not listening to although the verdict
	// rests on it; "" if it heard everything. Such a verdict may be outdated.
	Gap    string
	Report analyzer.Report // as it was at From
	// Served says that an endpoint was ready at some instant of the stretch.
	Served bool
	// Reconstructed says that the stretch lies before the recording: see Prelude.
	Reconstructed bool
}

// ShownAt returns the first instant at which a replay shows the verdict.
func (s *Segment) ShownAt() time.Time {
	if s.Shown.IsZero() {
		return s.From
	}
	return s.Shown
}

// Resolution is how exactly a recording knows time. A grace that ends at an
// instant is over that much later.
const Resolution = time.Microsecond

// Of returns the segments of a subject between two instants, in order and
// as they are, however short (Settle merges those). It judges only when
// something was heard that the last verdict looked at, or a grace in it ended;
// the outcome is that of diagnosing at every instant. It returns early, with
// what it has, when ctx is done.
func Of(ctx context.Context, t replay.Timeline, subject store.Ref, from, to time.Time) ([]Segment, error) {
	h, err := NewIndexFrom(t, from)
	if err != nil {
		return nil, err
	}
	c := NewCourse(h, &replay.Cache{}, subject, from, to)
	for !c.Over && err == nil && ctx.Err() == nil {
		err = c.Step()
	}
	if err == nil && !c.Over {
		err = ctx.Err()
	}
	c.stop()
	return c.Segments, err
}

// goesOn reports whether a segment's verdict goes on with a judgement.
func goesOn(s *Segment, j *analyzer.Judgement, gap string) bool {
	was := &s.Report
	return s.Gap == gap &&
		was.Verdict.State == j.State &&
		was.Verdict.Intent == j.Intent &&
		was.Headline.ID == j.Headline &&
		was.Headline.Subject.Kind == j.About.Kind &&
		was.Headline.Subject.Name == j.About.Name
}

// Same reports whether a segment's verdict is that of another.
func Same(a, b *Segment) bool {
	r := &b.Report
	return goesOn(a, &analyzer.Judgement{State: r.Verdict.State, Intent: r.Verdict.Intent, Headline: r.Headline.ID, About: r.Headline.Subject}, b.Gap)
}

// settled is how long a verdict must hold to be a segment of its own in a
// settled timeline.
const settled = 2 * time.Second

// Settle merges what is too short to be looked at. A stretch of short segments
// becomes part of the segment before it if it is short as a whole; else it is
// one segment, with the worst verdict that occurred in it, so that a quick
// sequence of bad verdicts is not hidden. A fault begins with the first event of
// its state, also where its reason was another for a moment.
func Settle(segments []Segment) []Segment {
	var out []Segment
	add := func(s Segment) {
		if n := len(out); n > 0 && Same(&out[n-1], &s) {
			out[n-1].To, out[n-1].Served = s.To, out[n-1].Served || s.Served
			return
		}
		out = append(out, s)
	}
	// What comes first and is short is part of what follows where a recording
	// begins and lists come in. Where a window begins it is not short: it began
	// before.
	var early, onset *Segment
	for i := 0; i < len(segments); {
		begin, s := i, segments[i]
		for i++; !long(&s) && i < len(segments) && !long(&segments[i]); i++ {
			next := segments[i]
			if Worse(next.Report.Verdict.State, s.Report.Verdict.State) {
				s.Report, s.Gap, s.Event, s.Shown = next.Report, next.Gap, 0, next.ShownAt()
			}
			s.To = next.To
		}
		if early != nil {
			s.Shown = s.ShownAt()
			s.From, s.Seq, s.Event, early = early.From, early.Seq, 0, nil
		}
		switch n := len(out); {
		case long(&s):
			if n > 0 && onset != nil && sameFault(onset, &s) && !sameFault(&out[n-1], &s) {
				out[n-1].To, s.From, s.Seq, s.Event, s.Shown = onset.From, onset.From, onset.Seq, onset.Event, onset.Shown
			}
			onset = nil
			add(s)
		case n > 0:
			out[n-1].To = s.To
			onset = &segments[i-1]
			for j := i - 1; j >= begin && sameFault(&segments[j], onset); j-- {
				onset = &segments[j]
			}
		case i < len(segments) && (s.Seq <= 1 || s.Report.Verdict.State == analyzer.Unknown):
			early = &s
		default:
			add(s)
		}
	}
	return out
}

// sameFault reports whether two segments have the same state, in which less is
// served than should be, recorded without a gap.
func sameFault(a, b *Segment) bool {
	va, vb := &a.Report.Verdict, &b.Report.Verdict
	return va.State == vb.State && va.Intent == vb.Intent && Unhealthy(va.State) && a.Gap == b.Gap
}

func long(s *Segment) bool { return s.To.Sub(s.From) >= settled }

// Worse reports whether a state is worse than another, in the order of rank.
func Worse(a, b analyzer.State) bool { return cmp.Compare(Rank(a), Rank(b)) < 0 }

// Healthy reports whether there is nothing to explain in a state.
func Healthy(s analyzer.State) bool {
	return s == analyzer.Serving || s == analyzer.NotSelected
}

// Unhealthy reports whether less is served than should be.
func Unhealthy(s analyzer.State) bool {
	switch s {
	case analyzer.Absent, analyzer.NotServing, analyzer.PartiallyServing, analyzer.Degraded:
		return true
	}
	return false
}
