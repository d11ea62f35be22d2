package verdict

import (
	"context"
	"slices"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// SegmentLog holds the settled verdicts on one subject of a timeline that grows.
// Append costs what is new, whatever the log holds, and the log keeps at most
// maxSegments segments: beyond that it merges the older half in pairs, each with
// the worse verdict. Until then Segments returns what Settle returns for all raw
// segments. The zero value is empty. A SegmentLog is not safe for concurrent use.
type SegmentLog struct {
	settled []Segment // final; the last of them is long
	open    []Segment // raw: the verdicts after those
}

// maxSegments is far more than a screen shows or an outage has.
const maxSegments = 1024

// Append adds raw segments that begin where the last ones ended.
func (l *SegmentLog) Append(more []Segment) {
	l.open = join(l.open, more)
	// No later segment changes what Settle makes of those up to a long one that
	// has ended.
	for i := len(l.open) - 2; i >= 0; i-- {
		if long(&l.open[i]) {
			l.settled = l.settle(l.open[:i+1])
			l.open = slices.Clone(l.open[i+1:])
			break
		}
	}
	if len(l.settled) > maxSegments {
		l.settled = condense(l.settled)
	}
	if len(l.open) > maxSegments {
		l.open = condense(l.open)
	}
}

// Extend says that the last verdict lasts up to an instant.
func (l *SegmentLog) Extend(to time.Time) {
	if last := l.Last(); last != nil && to.After(last.To) {
		last.To = to
	}
}

// Last returns the verdict that holds at the end, nil if there is none.
func (l *SegmentLog) Last() *Segment {
	switch {
	case len(l.open) > 0:
		return &l.open[len(l.open)-1]
	case len(l.settled) > 0:
		return &l.settled[len(l.settled)-1]
	}
	return nil
}

// Segments returns the settled segments, in order. The caller owns them.
func (l *SegmentLog) Segments() []Segment { return l.settle(l.open) }

// settle returns the settled segments followed by those of raw ones.
func (l *SegmentLog) settle(raw []Segment) []Segment {
	n := len(l.settled)
	if n == 0 {
		return Settle(raw)
	}
	tail := Settle(slices.Concat(l.settled[n-1:], raw))
	return slices.Concat(l.settled[:n-1], tail)
}

// join returns the segments of a and those of b, which begin where a ends. A
// verdict that goes on across the border is one segment.
func join(a, b []Segment) []Segment {
	if n := len(a); n > 0 && len(b) > 0 {
		a[n-1].To = b[0].From
		if Same(&a[n-1], &b[0]) {
			a[n-1].To = b[0].To
			b = b[1:]
		}
	}
	return append(a, b...)
}

// condense merges the older half of the segments in pairs.
func condense(all []Segment) []Segment {
	var out []Segment
	half := len(all) / 2 &^ 1
	for i := 0; i < half; i += 2 {
		s, next := all[i], &all[i+1]
		if Worse(next.Report.Verdict.State, s.Report.Verdict.State) {
			s.Report, s.Gap, s.Shown = next.Report, next.Gap, next.ShownAt()
		}
		s.To = next.To
		out = append(out, s)
	}
	return append(out, all[half:]...)
}

// Follower computes the verdicts on one subject portion by portion, as its timeline
// grows, and reads for a portion only what is new. It is not safe for concurrent
// use.
type Follower struct {
	subject store.Ref
	objects replay.Cache
	last    []Segment // the one that the next portion may continue, or none
}

// NewFollower returns a follower of a subject that has no verdicts yet.
func NewFollower(subject store.Ref) *Follower { return &Follower{subject: subject} }

// Next returns the raw segments of a portion, which begins where the last one
// ended. The timeline must be the same, or hold the same, in every call.
func (f *Follower) Next(ctx context.Context, t replay.Timeline, from, to time.Time) ([]Segment, error) {
	h, err := NewIndexFrom(t, from)
	if err != nil {
		return nil, err
	}
	c := NewCourse(h, &f.objects, f.subject, from, to)
	c.Segments = slices.Clone(f.last) // a verdict that goes on is not diagnosed anew
	for !c.Over && err == nil && ctx.Err() == nil {
		err = c.Step()
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || len(c.Segments) == 0 {
		return nil, err
	}
	part := c.Segments
	if part[0].From.Before(from) {
		part[0].From = from
		if len(part) > 1 && !part[1].From.After(from) {
			part = part[1:]
		}
	}
	part[len(part)-1].To = to
	f.last = slices.Clone(part[len(part)-1:])
	return part, nil
}

// Cursor returns a cursor that shares the objects the follower has decoded.
func (f *Follower) Cursor(t replay.Timeline) *replay.Cursor {
	return replay.NewCursorWith(t, &f.objects)
}
