package verdict

import (
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Course is the verdicts on one subject.
type Course struct {
	Subject  store.Ref
	Segments []Segment // up to the end asked for, or where the computation was cut
	Cut      bool      // it was stopped before the end

	scene  *view
	judge  analyzer.Judge
	cursor *replay.Cursor
	at, to time.Time // the next instant to judge at, and the last
	Over   bool      // there is none
}

func NewCourse(h *Index, cache *replay.Cache, subject store.Ref, from, to time.Time) *Course {
	return &Course{
		Subject: subject, scene: newView(h), cursor: replay.NewCursorWith(h.timeline, cache),
		at: from, to: to, Over: from.After(to),
	}
}

// Step judges at the next instant at which the verdict may be another.
func (c *Course) Step() error {
	s, err := c.scene.heard.Seek(c.cursor, c.at)
	if err != nil {
		return err
	}
	c.scene.enter(s)
	judged := c.judge.At(c.scene, c.Subject, analyzer.Options{})
	if gap, n := c.scene.gap, len(c.Segments); n == 0 || !goesOn(&c.Segments[n-1], &judged, gap) {
		if n > 0 {
			c.Segments[n-1].To = c.at
		}
		c.scene.aside = true
		var report analyzer.Report
		if c.scene.heard.whole {
			report = judged.Outline()
		} else {
			report = analyzer.Diagnose(c.scene, c.Subject, analyzer.Options{})
		}
		began := Segment{From: c.at, To: c.to, Seq: s.Seq(), Gap: gap, Report: report}
		if began.Event, err = eventAt(s, c.at); err != nil {
			return err
		}
		c.Segments = append(c.Segments, began)
	}
	if judged.Ready > 0 {
		c.Segments[len(c.Segments)-1].Served = true
	}
	if err := s.Err(); err != nil {
		return err
	}
	next, err := c.scene.next()
	c.at, c.Over = next, next.IsZero() || next.After(c.to)
	return err
}

// eventAt returns the last position of a State if that was heard at an instant, 0
// if it was heard before.
func eventAt(s *replay.State, at time.Time) (store.Seq, error) {
	if s.Seq() == 0 {
		return 0, nil
	}
	heard, err := s.Timeline().TimeOf(s.Seq())
	if err != nil || !heard.Equal(at) {
		return 0, err
	}
	return s.Seq(), nil
}

// stop ends the last segment where the verdicts are known up to.
func (c *Course) stop() {
	if c.Cut = !c.Over; c.Cut && len(c.Segments) > 0 && c.at.Before(c.to) {
		c.Segments[len(c.Segments)-1].To = c.at
	}
}

// Seek moves to an instant, but not behind the last position at which the
// recorder was listening: that it was stopped says nothing about the cluster.
func (h *Index) Seek(c *replay.Cursor, at time.Time) (*replay.State, error) {
	return c.SeekTimeUpTo(at, h.Last)
}
