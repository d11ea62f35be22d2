package tui

import (
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/verdict"
)

// span is a stretch of time as it is drawn: what the verdict was, and whether
// the recorder was deaf then.
type span struct {
	from, to time.Time
	state    analyzer.State
	gap      bool
	unborn   bool // the subject did not exist yet
}

// spansOf keeps of verdicts what is drawn.
func spansOf(segments []verdict.Segment) []span {
	spans := make([]span, len(segments))
	for i := range segments {
		s := &segments[i]
		spans[i] = span{from: s.From, to: s.To, state: s.Report.Verdict.State, gap: s.Gap != ""}
		spans[i].unborn = spans[i].state == analyzer.Absent && (i == 0 || spans[i-1].unborn)
	}
	return spans
}

// weight orders spans by what must not be overlooked.
func (s *span) weight() int {
	if s.unborn {
		return 0
	}
	w := 2 * badness(s.state)
	if s.gap {
		w++
	}
	return w
}

// axis maps the recording to columns.
type axis struct {
	start, end time.Time
	width      int
}

func (m *Model) axis(width int) axis {
	info := m.timeline.Info()
	return axis{info.Start, info.End, width}
}

// column is where an instant is drawn; what lies outside is drawn at the edge.
func (a axis) column(t time.Time) int {
	length := a.end.Sub(a.start)
	if length <= 0 {
		return 0
	}
	return min(max(int(float64(a.width)*float64(t.Sub(a.start))/float64(length)), 0), a.width-1)
}

// worst returns for each column the span that weighs most of those that reach
// into it, nil where nothing is known. Spans may overlap. The column in which one
// ends belongs to what follows, unless the recording ends there.
func (a axis) worst(spans []span) []*span {
	columns := make([]*span, a.width)
	for i := range spans {
		s := &spans[i]
		first, last := a.column(s.from), a.column(s.to)
		if last > first && s.to.Before(a.end) {
			last--
		}
		for c := first; c <= last; c++ {
			if columns[c] == nil || s.weight() > columns[c].weight() {
				columns[c] = s
			}
		}
	}
	return columns
}

// strip draws verdicts in one line. Where none are known there are dots; where
// the recorder was not listening it is hatched.
func (m *Model) strip(a axis, spans []span) []string {
	cells := make([]string, a.width)
	for c, s := range a.worst(spans) {
		if s == nil {
			cells[c] = faint(pick([2]string{"·", "."}, m.ASCII))
			continue
		}
		glyph := glyphOf(s.state, m.ASCII)
		if s.gap && badness(s.state) < badness(analyzer.NotServing) {
			glyph = pick([2]string{"╱", "/"}, m.ASCII)
		}
		if s.unborn {
			cells[c] = faint(pick([2]string{"·", "."}, m.ASCII))
			continue
		}
		cells[c] = paint(colorOf(s.state), glyph)
	}
	return cells
}
