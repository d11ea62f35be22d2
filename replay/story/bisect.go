package story

import (
	"context"
	"fmt"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Bisect finds the first change after which a subject was broken: the
// transition from a verdict that is as good as the one at good, or better, to a
// worse one that lasts until bad. No guess is made that there was only one: the
// last such transition counts. It is told as Explain tells it where that begins
// in a healthy verdict. Where the verdict at bad is as good as at good, it is the
// last write after which the subject served on and was less safe.
func Bisect(ctx context.Context, t replay.Timeline, subject store.Ref, good, bad time.Time) (*Transition, error) {
	if !good.Before(bad) {
		return nil, &replay.SubjectError{Problem: "the good instant is not before the bad one", Usage: true}
	}
	info := t.Info()
	raw, err := verdict.Of(ctx, t, subject, info.Start, info.End)
	if err != nil {
		return nil, err
	}
	if segments := between(raw, good, bad); !verdict.Worse(segments[len(segments)-1].Report.Verdict.State, segments[0].Report.Verdict.State) {
		if tr, err := bisectRisk(ctx, t, subject, raw, good, bad); tr != nil || err != nil {
			return tr, err
		}
	}
	return bisect(t, subject, raw, good, bad)
}

// bisectRisk finds the last write between two instants after which the subject served
// on and was less safe; nil if there is none.
func bisectRisk(ctx context.Context, t replay.Timeline, subject store.Ref, raw []verdict.Segment, good, bad time.Time) (*Transition, error) {
	all, err := Risks(ctx, t, subject, raw)
	if err != nil {
		return nil, err
	}
	r := riskBetween(all, good, bad)
	if r == nil {
		return nil, nil
	}
	segment := between(raw, r.Change.ObservedAt, r.Change.ObservedAt)[0]
	segment.From, segment.Seq, segment.Event = r.Change.ObservedAt, r.Change.Seq, r.Change.Seq
	return &Transition{Segment: segment, Changes: []change.Change{r.Change}, Risk: r}, nil
}

// bisect is Bisect in the raw segments of the whole timeline.
func bisect(t replay.Timeline, subject store.Ref, raw []verdict.Segment, good, bad time.Time) (*Transition, error) {
	segments := between(raw, good, bad)
	first, last := &segments[0], &segments[len(segments)-1]
	fine := first.Report.Verdict.State
	if !verdict.Worse(last.Report.Verdict.State, fine) {
		return nil, &replay.SubjectError{
			Problem: fmt.Sprintf("it was not worse at %s (%s) than at %s (%s)", when.Format(bad), last.Report.Verdict.State, when.Format(good), fine),
			Hint:    "choose --good and --bad from the output of `svcspy timeline`",
			Usage:   true,
		}
	}
	at := len(segments) - 1
	for at > 0 && verdict.Worse(segments[at-1].Report.Verdict.State, fine) {
		at--
	}
	worst := at
	for i := at; i < len(segments); i++ {
		if verdict.Worse(segments[i].Report.Verdict.State, segments[worst].Report.Verdict.State) {
			worst = i
		}
	}
	broken := segments[at]
	o := outage{first: at, last: worst, worst: worst}
	if verdict.Healthy(fine) {
		if settled, told, ok := outageAt(raw, good, bad); ok {
			segments, o = settled, told
		}
	}
	x, err := newExplainer(t, subject)
	if err != nil {
		return nil, err
	}
	tr, err := x.worst(segments, o)
	if err != nil {
		return nil, err
	}
	tr.Segment.From, tr.Segment.Seq = broken.From, broken.Seq
	return &tr, nil
}

// between returns the segments from the one at an instant to the one at another.
func between(all []verdict.Segment, from, to time.Time) []verdict.Segment {
	first, last := 0, 0
	for i := range all {
		if !all[i].From.After(from) {
			first = i
		}
		if !all[i].From.After(to) {
			last = i
		}
	}
	return all[first : max(first, last)+1]
}

// outageAt returns the settled segments with the outage that Explain tells of at
// an instant, if it began after a good one and its worst verdict has begun.
func outageAt(raw []verdict.Segment, good, at time.Time) (settled []verdict.Segment, chosen outage, ok bool) {
	settled = verdict.Settle(raw)
	chosen, ok = chooseOutage(settled, outagesIn(settled), at)
	ok = ok && chosen.first > 0 && settled[chosen.first].From.After(good) && !settled[chosen.worst].From.After(at) && settled[chosen.last].To.After(at)
	return settled, chosen, ok
}
