package replay

import (
	"cmp"
	"context"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// Segment is a stretch of time in which a subject's verdict and headline stayed
// the same, and so did what the recorder was listening to.
type Segment struct {
	From, To time.Time // To is the start of the next segment, or the end asked for
	Seq      store.Seq // position at From
	// Gap says what the recorder was not listening to although the verdict
	// rests on it; "" if it heard everything. Such a verdict may be outdated.
	Gap    string
	Report analyzer.Report // as it was at From
	// Reconstructed says that the stretch lies before the recording: see Prelude.
	Reconstructed bool
}

// resolution is how exactly a recording knows time. A grace that ends at an
// instant is over that much later.
const resolution = time.Microsecond

// Verdicts returns the segments of a subject between two instants, in order and
// as they are, however short (Settle merges those). It diagnoses only when
// something was heard that the last report looked at, or a grace in it ended;
// the outcome is that of diagnosing at every instant. It returns early, with
// what it has, when ctx is done.
func Verdicts(ctx context.Context, t Timeline, subject store.Ref, from, to time.Time) ([]Segment, error) {
	h, err := newHeard(t)
	if err != nil {
		return nil, err
	}
	return verdicts(ctx, t, h, &objects{}, subject, from, to)
}

func verdicts(ctx context.Context, t Timeline, h *heard, cache *objects, subject store.Ref, from, to time.Time) ([]Segment, error) {
	cursor := &Cursor{timeline: t, objects: cache}
	lists := map[interest][]store.Seq{}
	var segments []Segment
	for at := from; !at.After(to); {
		if ctx.Err() != nil {
			return segments, ctx.Err()
		}
		s, err := h.seek(cursor, at)
		if err != nil {
			return segments, err
		}
		w := newWitness(s)
		r := analyzer.Diagnose(w, subject, analyzer.Options{})
		if err := s.Err(); err != nil {
			return segments, err
		}
		if gap, n := w.gap, len(segments); n == 0 || !same(&segments[n-1], &r, gap) {
			if n > 0 {
				segments[n-1].To = at
			}
			segments = append(segments, Segment{From: at, To: to, Seq: s.Seq(), Gap: gap, Report: r})
		}
		next, err := h.next(w, lists, s.Seq())
		if err != nil {
			return segments, err
		}
		if next.IsZero() {
			break
		}
		at = next
	}
	return segments, nil
}

// same reports whether a report goes on with a segment.
func same(s *Segment, r *analyzer.Report, gap string) bool {
	return s.Gap == gap &&
		s.Report.Verdict.State == r.Verdict.State &&
		s.Report.Verdict.Intent == r.Verdict.Intent &&
		s.Report.Headline.ID == r.Headline.ID &&
		s.Report.Headline.Subject.Kind == r.Headline.Subject.Kind &&
		s.Report.Headline.Subject.Name == r.Headline.Subject.Name
}

// settled is how long a verdict must hold to be a segment of its own in a
// settled timeline.
const settled = 2 * time.Second

// Settle merges what is too short to be looked at. A stretch of short segments
// becomes part of the segment before it if it is short as a whole; else it is
// one segment, with the worst verdict that occurred in it, so that a quick
// sequence of bad verdicts is not hidden.
func Settle(segments []Segment) []Segment {
	var out []Segment
	add := func(s Segment) {
		if n := len(out); n > 0 && same(&out[n-1], &s.Report, s.Gap) {
			out[n-1].To = s.To
			return
		}
		out = append(out, s)
	}
	var early *Segment // what comes first and is short is part of what follows
	for i := 0; i < len(segments); {
		s := segments[i]
		for i++; !long(&s) && i < len(segments) && !long(&segments[i]); i++ {
			next := segments[i]
			if !worse(next.Report.Verdict.State, s.Report.Verdict.State) {
				next.Report, next.Gap = s.Report, s.Gap
			}
			s.To, s.Report, s.Gap = next.To, next.Report, next.Gap
		}
		if early != nil {
			s.From, s.Seq, early = early.From, early.Seq, nil
		}
		switch n := len(out); {
		case long(&s):
			add(s)
		case n > 0:
			out[n-1].To = s.To
		case i < len(segments):
			early = &s
		default:
			add(s)
		}
	}
	return out
}

func long(s *Segment) bool { return s.To.Sub(s.From) >= settled }

// worse reports whether a state is worse than another, in the order of rank.
func worse(a, b analyzer.State) bool { return cmp.Compare(rank(a), rank(b)) < 0 }

// healthy reports whether there is nothing to explain in a state.
func healthy(s analyzer.State) bool {
	return s == analyzer.Serving || s == analyzer.NotSelected
}
