package story

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Outage is a time in which a Service was not healthy. Outages of one Service with
// one headline that follow each other quickly are one, counted in Times.
type Outage struct {
	Subject  store.Ref
	From, To time.Time
	Down     time.Duration // without the healthy stretches between
	AtWorst  time.Duration // of Down, how long the verdict was the worst one
	Times    int
	Open     bool            // it lasts at the end of the segments
	Worst    verdict.Segment // the longest of the worst verdicts in the longest that had it

	worstDown time.Duration // Down of the one that Worst is of
}

// flapping is how close together outages count as one that comes and goes.
const flapping = 2 * time.Minute

// Outages returns the outages in the settled segments of a Service, in order. That
// a Service does not exist yet is none, and neither is how it first comes up if it
// has been healthy later.
func Outages(subject store.Ref, segments []verdict.Segment) []Outage {
	var all []Outage
	runs := outagesIn(segments)
	served := slices.ContainsFunc(segments, func(s verdict.Segment) bool { return verdict.Healthy(s.Report.Verdict.State) })
	for _, run := range runs {
		if !run.later {
			for run.first <= run.last && segments[run.first].Report.Verdict.State == analyzer.Absent {
				run.first++ // it does not exist yet
			}
			if run.first > run.last || served && run.first > 0 {
				continue
			}
			run.worst = run.first
			for i := run.first; i <= run.last; i++ {
				a, b := &segments[run.worst], &segments[i]
				if verdict.Worse(b.Report.Verdict.State, a.Report.Verdict.State) || a.Report.Verdict.State == b.Report.Verdict.State && b.To.Sub(b.From) > a.To.Sub(a.From) {
					run.worst = i
				}
			}
			if segments[run.worst].Report.Verdict.State == analyzer.Converging {
				continue
			}
		}
		o := Outage{
			Subject: subject, From: segments[run.first].From, To: segments[run.last].To, Times: 1,
			Open: run.last == len(segments)-1, Worst: segments[run.worst],
		}
		o.Down = o.To.Sub(o.From)
		o.worstDown = o.Down
		for _, s := range segments[run.first : run.last+1] {
			if s.Report.Verdict.State == o.Worst.Report.Verdict.State {
				o.AtWorst += s.To.Sub(s.From)
			}
		}
		if n := len(all); n > 0 && o.continues(&all[n-1]) {
			all[n-1].add(&o)
			continue
		}
		all = append(all, o)
	}
	return all
}

// continues reports whether an outage comes so soon after another, and for the same
// reason, that both are one.
func (o *Outage) continues(before *Outage) bool {
	return o.From.Sub(before.To) <= flapping && o.Worst.Report.Headline.ID == before.Worst.Report.Headline.ID
}

func (o *Outage) add(next *Outage) {
	o.Times++
	switch a, b := o.Worst.Report.Verdict.State, next.Worst.Report.Verdict.State; {
	case a == b:
		o.AtWorst += next.AtWorst
	case verdict.Worse(b, a):
		o.AtWorst = next.AtWorst
	}
	o.To, o.Open, o.Down = next.To, next.Open, o.Down+next.Down
	if a, b := o.Worst.Report.Verdict.State, next.Worst.Report.Verdict.State; verdict.Worse(b, a) || a == b && next.Down > o.worstDown {
		o.Worst, o.worstDown = next.Worst, next.Down
	}
}

// Explain tells the story of an outage, of several that are one the story of the
// worst, and how the last of them ended; nil where there is nothing to tell. segments
// are all settled ones of its Service, in full: Worst becomes one of them.
func (o *Outage) Explain(ctx context.Context, t replay.Timeline, segments []verdict.Segment) (*Explanation, error) {
	for i := range segments {
		if s := &segments[i]; s.From.Equal(o.Worst.From) {
			o.Worst = *s
		}
	}
	told, err := Explain(ctx, t, o.Subject, segments, o.Worst.From)
	if err == nil && o.Times > 1 {
		err = o.end(ctx, t, segments, told)
	}
	if errors.Is(err, ErrNoOutage) {
		return nil, nil
	}
	return told, err
}

// end puts the end of the last of several outages into the story of one of them.
func (o *Outage) end(ctx context.Context, t replay.Timeline, segments []verdict.Segment, told *Explanation) error {
	switch {
	case told.Course[len(told.Course)-1].To.Equal(o.To):
		return nil
	case o.Open:
		told.Recovery, told.Replaced = nil, false
		return nil
	}
	last, err := Explain(ctx, t, o.Subject, segments, o.To.Add(-1))
	if err == nil {
		told.Recovery, told.Replaced = last.Recovery, last.Replaced
	}
	return err
}

// CompareOutages orders outages: the worst verdict first, then the longest.
func CompareOutages(a, b *Outage) int {
	return cmp.Or(
		cmp.Compare(verdict.Rank(a.Worst.Report.Verdict.State), verdict.Rank(b.Worst.Report.Verdict.State)),
		cmp.Compare(b.Down, a.Down), a.From.Compare(b.From), replay.CompareRefs(a.Subject, b.Subject),
	)
}
