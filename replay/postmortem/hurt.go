package postmortem

import (
	"context"
	"slices"
	"time"

	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
)

// survey looks at all Services, lists those that were hurt, worst first, and
// makes the first of them what the document is about. Without any, there is no
// subject.
func (s *documentBuilder) survey(ctx context.Context, p *Postmortem) error {
	type hurtCourse struct {
		Hurt
		course verdict.Course
		worst  story.Outage
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
		p.Services++
		if found := story.Outages(c.Subject, within(c.Segments, s.window)); len(found) > 0 {
			worst := slices.MinFunc(found, func(a, b story.Outage) int { return story.CompareOutages(&a, &b) })
			all = append(all, hurtCourse{hurtIn(found, &worst, c.Segments, s.window), c, worst})
		}
	}
	slices.SortFunc(all, func(a, b hurtCourse) int { return story.CompareOutages(&a.worst, &b.worst) })
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

// hurtIn says how a Service was hurt by its outages in a window, in order.
func hurtIn(outages []story.Outage, worst *story.Outage, segments []verdict.Segment, w Window) Hurt {
	r := &worst.Worst.Report
	h := Hurt{
		Subject: r.Subject, Worst: r.Verdict.State, Headline: r.Headline, Seq: worst.Worst.Event,
		From: w.clip(outages[0].From).UTC(), To: w.clip(outages[len(outages)-1].To).UTC(),
	}
	for i := range segments {
		g := &segments[i]
		if !slices.ContainsFunc(outages, func(o story.Outage) bool { return !g.From.Before(o.From) && g.From.Before(o.To) }) {
			continue
		}
		seconds := w.clip(g.To).Sub(w.clip(g.From)).Seconds()
		switch impact(g.Report.Verdict.State) {
		case 3:
			h.Dark, h.Impaired = h.Dark+seconds, h.Impaired+seconds
		case 1, 2:
			h.Impaired += seconds
		}
	}
	return h
}

// clip returns the instant of a window that is nearest to another.
func (w Window) clip(t time.Time) time.Time {
	if t.Before(w.From) {
		return w.From
	}
	if t.After(w.To) {
		return w.To
	}
	return t
}
