package replay

import (
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// Course is the verdicts on one subject.
type Course struct {
	Subject  store.Ref
	Segments []Segment // up to the end asked for, or where the computation was cut
	Cut      bool      // it was stopped before the end

	scene  *scene
	judge  analyzer.Judge
	cursor *Cursor
	at, to time.Time // the next instant to judge at, and the last
	over   bool      // there is none
}

func newCourse(h *heard, cache *Cache, subject store.Ref, from, to time.Time) *Course {
	return &Course{
		Subject: subject, scene: newScene(h), cursor: NewCursorWith(h.timeline, cache),
		at: from, to: to, over: from.After(to),
	}
}

// step judges at the next instant at which the verdict may be another.
func (c *Course) step() error {
	s, err := c.scene.heard.seek(c.cursor, c.at)
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
		c.Segments = append(c.Segments, Segment{From: c.at, To: c.to, Seq: s.Seq(), Gap: gap, Report: report})
	}
	if err := s.Err(); err != nil {
		return err
	}
	next, err := c.scene.next()
	c.at, c.over = next, next.IsZero() || next.After(c.to)
	return err
}

// stop ends the last segment where the verdicts are known up to.
func (c *Course) stop() {
	if c.Cut = !c.over; c.Cut && len(c.Segments) > 0 && c.at.Before(c.to) {
		c.Segments[len(c.Segments)-1].To = c.at
	}
}

// seek moves to an instant, but not behind the last position at which the
// recorder was listening: that it was stopped says nothing about the cluster.
func (h *heard) seek(c *Cursor, at time.Time) (*State, error) {
	return c.SeekTimeUpTo(at, h.last)
}
