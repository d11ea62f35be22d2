package story

import (
	"context"
	"fmt"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Bisect finds the first change after which a subject was broken: the
// transition from a verdict that is as good as the one at good, or better, to a
// worse one that lasts until bad. No guess is made that there was only one: the
// last such transition counts.
func Bisect(ctx context.Context, t replay.Timeline, subject store.Ref, good, bad time.Time) (*Transition, error) {
	if !good.Before(bad) {
		return nil, &replay.SubjectError{Problem: "the good instant is not before the bad one", Usage: true}
	}
	segments, err := verdict.Of(ctx, t, subject, good, bad)
	if err != nil {
		return nil, err
	}
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
	x, err := newExplainer(t, subject)
	if err != nil {
		return nil, err
	}
	tr, err := x.transition(segments, at, worst)
	if err != nil {
		return nil, err
	}
	tr.Segment.From, tr.Segment.Seq = segments[at].From, segments[at].Seq
	return &tr, nil
}
