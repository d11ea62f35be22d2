package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// scrubber draws the recording as one line, a column for each share of it, and
// under it the cursor, the marks and a scale.
func (m *Model) scrubber(width int) []string {
	if width < 1 {
		return []string{"", ""}
	}
	a := m.axis(width)
	cells := m.strip(a, m.spans())
	at := a.column(m.at())
	cells[at] = reverse(ansi.Strip(cells[at]))
	return []string{strings.Join(cells, ""), m.scale(a)}
}

// scale is the line below: the cursor, the marks, where the recording begins and
// ends, and round times between, as far as there is room; what comes first takes
// it.
func (m *Model) scale(a axis) string {
	below := []rune(strings.Repeat(" ", a.width))
	free := make([]bool, a.width+2) // one more at both sides
	for i := range free {
		free[i] = true
	}
	// place writes a text where a column and one on each side of it are free.
	place := func(c int, text string, around int) bool {
		r := []rune(text)
		if c < 0 || c+len(r) > a.width {
			return false
		}
		for i := c + 1 - around; i <= c+len(r)+around; i++ {
			if !free[max(0, min(i, len(free)-1))] {
				return false
			}
		}
		copy(below[c:], r)
		for i := range r {
			free[c+1+i] = false
		}
		return true
	}
	at := a.column(m.at())
	place(at, pick([2]string{"▲", "^"}, m.ASCII), 0)
	for _, k := range m.Marks {
		place(a.column(k.Time), pick([2]string{"◆", "*"}, m.ASCII), 0)
	}
	left, right := m.clock(a.start), m.clock(a.end)
	if m.live {
		right += " ..."
	}
	// Beside the cursor at the very edge is still at the edge.
	if !place(0, left, 1) && at < len(left) {
		place(at+2, left, 1)
	}
	if to := a.width - len(right); !place(to, right, 1) && at > to-2 {
		place(at-1-len(right), right, 1)
	}
	for _, t := range m.ticks(a) {
		place(a.column(t), pick([2]string{"╵", "'"}, m.ASCII)+m.clock(t), 1)
	}
	return string(below)
}

// rounds are distances between times that people call round.
var rounds = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// ticks are round times in the zone shown, far enough from each other.
func (m *Model) ticks(a axis) []time.Time {
	length := a.end.Sub(a.start)
	const apart = 16 // columns
	for _, d := range rounds {
		if float64(d)/float64(length)*float64(a.width) < apart {
			continue
		}
		var all []time.Time
		_, offset := a.start.In(m.zones[m.zone]).Zone()
		shift := time.Duration(offset) * time.Second
		for t := a.start.Add(shift).Truncate(d).Add(-shift); t.Before(a.end); t = t.Add(d) {
			if t.After(a.start) {
				all = append(all, t)
			}
		}
		return all
	}
	return nil
}
