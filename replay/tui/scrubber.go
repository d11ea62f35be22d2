package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
)

// scrubber draws the recording as one line, a column for each share of it, and
// under it the cursor, the marks and where it begins and ends. Where verdicts
// are not known yet there are dots; where the recorder was not listening it is
// hatched.
func (m *Model) scrubber(width int) []string {
	if width < 1 {
		return []string{"", ""}
	}
	info := m.timeline.Info()
	length := info.End.Sub(info.Start)
	column := func(t time.Time) int {
		if length <= 0 {
			return 0
		}
		return min(max(int(float64(width)*float64(t.Sub(info.Start))/float64(length)), 0), width-1)
	}
	cells := make([]string, width)
	for i := range cells {
		cells[i] = faint(pick([2]string{"·", "."}, m.ASCII))
	}
	worst := make([]*replay.Segment, width)
	for i, segments := 0, m.segments(); i < len(segments); i++ {
		s := &segments[i]
		to := s.To
		if i == len(segments)-1 {
			to = info.End
		}
		for c := column(s.From); c <= column(to); c++ {
			if c > column(s.From) && c == column(to) && i < len(segments)-1 {
				break // belongs to what follows, unless that is only a part of it
			}
			if w := worst[c]; w == nil || badness(s.Report.Verdict.State) > badness(w.Report.Verdict.State) || w.Gap == "" && s.Gap != "" && badness(s.Report.Verdict.State) == badness(w.Report.Verdict.State) {
				worst[c] = s
			}
		}
	}
	for c, s := range worst {
		if s == nil {
			continue
		}
		state := s.Report.Verdict.State
		glyph := glyphOf(state, m.ASCII)
		if s.Gap != "" && badness(state) < badness(analyzer.NotServing) {
			glyph = pick([2]string{"╱", "/"}, m.ASCII)
		}
		cells[c] = paint(colorOf(state), glyph)
	}
	at := column(m.at())
	cells[at] = reverse(ansi.Strip(cells[at]))

	return []string{strings.Join(cells, ""), m.scale(width, at, column)}
}

// scale is the line below: where the recording begins and ends, the marks, and
// the cursor, which the times give way to.
func (m *Model) scale(width, at int, column func(time.Time) int) string {
	info := m.timeline.Info()
	left, right := m.clock(info.Start), m.clock(info.End)
	if m.live {
		right += " ..."
	}
	below := []rune(strings.Repeat(" ", width))
	place := func(c int, text string) {
		if c >= 0 && c+len(text) <= width {
			copy(below[c:], []rune(text))
		}
	}
	from, to := 0, width-len(right)
	if at <= len(left) {
		from = at + 2
	}
	if at >= to-1 {
		to = at - 1 - len(right)
	}
	if from+len(left) < to {
		place(from, left)
		place(to, right)
	}
	for _, k := range m.Marks {
		below[column(k.Time)] = []rune(pick([2]string{"◆", "*"}, m.ASCII))[0]
	}
	below[at] = []rune(pick([2]string{"▲", "^"}, m.ASCII))[0]
	return string(below)
}
