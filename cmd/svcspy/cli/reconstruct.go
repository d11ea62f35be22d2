package cli

import (
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// reconstruct answers for an instant before the recording, from what objects
// still told when it began. That nobody was listening is a gap.
func (l *Query) reconstruct(s *replay.State, words []string) error {
	t := s.Timeline()
	if len(words) == 0 {
		return l.reconstructAll(s)
	}
	ref, err := l.Subject(t, words, t.Info().Last)
	if err != nil {
		return err
	}
	known, err := past.Reconstruct(t, ref, s.Instant())
	if err != nil {
		return err
	}
	e, err := report.New(s, known.Report)
	if err != nil {
		return err
	}
	e.Facts = known.Facts
	if err := l.show(e); err != nil {
		return err
	}
	if l.ExitCode && e.Verdict.State == analyzer.NotServing {
		return ErrCondition
	}
	return ErrGap
}

func (l *Query) reconstructAll(s *replay.State) error {
	reports, facts, err := past.ReconstructAll(s.Timeline(), s.Instant())
	if err != nil {
		return err
	}
	list, err := report.NewList(s, reports)
	if err != nil {
		return err
	}
	list.Facts = facts
	if l.Output == "text" {
		err = report.ListText(l.Out, list, l.Text())
	} else {
		err = report.Document(l.Out, l.Output, list)
	}
	if err != nil {
		return err
	}
	return ErrGap
}

// reach is how far back the past of what is asked about is known.
func (l *Query) reach(t replay.Timeline) (time.Time, error) {
	facts, err := l.Before(t)
	if err != nil || len(facts) == 0 {
		return time.Time{}, err
	}
	return facts[0].Time, nil
}

// Before returns what is known of the time before the recording: of the subject
// and what matters to it, or of everything.
func (l *Query) Before(t replay.Timeline) ([]past.Fact, error) {
	if l.facts != nil {
		return l.facts, nil
	}
	var err error
	if len(l.Words) == 0 {
		l.facts, err = past.All(t)
		return l.facts, err
	}
	var ref store.Ref
	if ref, err = l.Subject(t, l.Words, t.Info().Last); err != nil {
		return nil, err
	}
	l.facts, err = past.Of(t, ref)
	return l.facts, err
}
