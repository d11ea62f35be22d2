package postmortem

import (
	"cmp"
	"context"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/verdict"
)

// survey looks at all Services, lists those that were hurt, worst first, and
// makes the first of them what the document is about. Without any, there is no
// subject.
func (s *documentBuilder) survey(ctx context.Context, p *Postmortem) error {
	type hurtCourse struct {
		Hurt
		course verdict.Course
	}
	var all []hurtCourse
	for c, err := range verdict.All(ctx, s.timeline, s.info.Start, s.info.End, s.Progress) {
		if err != nil {
			return err
		}
		if s.Subject.Namespace != "" && c.Subject.Namespace != s.Subject.Namespace {
			continue
		}
		c.Segments = verdict.Settle(c.Segments)
		h, hurt := hurtIn(c.Segments, s.window)
		p.Services++
		if hurt {
			all = append(all, hurtCourse{h, c})
		}
	}
	slices.SortFunc(all, func(a, b hurtCourse) int { return compareHurt(a.Hurt, b.Hurt) })
	p.MoreHurt = max(0, len(all)-maxHurt)
	for i, h := range all[:len(all)-p.MoreHurt] {
		p.Hurt = append(p.Hurt, h.Hurt)
		if i > 0 && i <= maxServiceLanes {
			s.beside = append(s.beside, s.courseLane("service", named(h.Subject), h.course.Segments))
		}
	}
	if len(all) > 0 {
		s.subject = all[0].course.Subject // its segments are outlines only: they are looked at anew
	}
	return nil
}

// hurtIn says how a Service was hurt in a window. What was absent or about to
// come up when the recording began, and was never hurt later, was not.
func hurtIn(segments []verdict.Segment, w Window) (Hurt, bool) {
	var h Hurt
	begun := len(segments) == 0 || segments[0].Report.Verdict.State != analyzer.Absent
	for i := range segments {
		g := &segments[i]
		state := g.Report.Verdict.State
		begun = begun || verdict.Healthy(state)
		if hurts := impact(state); hurts == 0 || !begun || g.Gap != "" && h.From.IsZero() || g.From.After(w.To) || !g.To.After(w.From) {
			continue
		}
		from, to := g.From, g.To
		if from.Before(w.From) {
			from = w.From
		}
		if to.After(w.To) {
			to = w.To
		}
		if h.From.IsZero() {
			h.From = from.UTC()
		}
		h.To = to.UTC()
		h.Impaired += to.Sub(from).Seconds()
		if impact(state) == 3 {
			h.Dark += to.Sub(from).Seconds()
		}
		if h.Worst == "" || impact(state) > impact(h.Worst) {
			h.Worst, h.Headline, h.Seq, h.Subject = state, g.Report.Headline, g.Event, g.Report.Subject
		}
	}
	return h, !h.From.IsZero()
}

// compareHurt orders Services by how badly they were hurt, then for how long,
// then by name.
func compareHurt(a, b Hurt) int {
	return cmp.Or(
		cmp.Compare(impact(b.Worst), impact(a.Worst)),
		cmp.Compare(b.Dark, a.Dark),
		cmp.Compare(b.Impaired, a.Impaired),
		cmp.Compare(a.Subject.Namespace, b.Subject.Namespace),
		cmp.Compare(a.Subject.Name, b.Subject.Name),
	)
}
