package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui/moment"
)

// happened is what happened around the cursor: what was last, and, faint, what
// comes next.
func (m *Model) happened(width, height int) []string {
	past, next := m.shownMoments()
	line := pick([2]string{"─", "-"}, m.ASCII)
	head := m.head(paneEvents, "WHAT JUST CHANGED")
	out := []string{head + " " + faint(strings.Repeat(line, max(0, width-ansi.StringWidth(head)-1)))}
	c := m.trigger()
	culprit := func(o *moment.Moment) bool { return c != nil && o.Seq == c.Seq && o.Kind != markKind }
	if c != nil && height > 2 && !slices.ContainsFunc(past, culprit) && !slices.ContainsFunc(next, culprit) {
		sign := pick([2]string{"▼ ", "! "}, m.ASCII)
		out = append(out, fit(paint(yellow, sign+ansi.Strip(report.ChangeBrief(c, m.at(), m.textOptions()))), width))
	}
	room := height - len(out)
	picked := m.chosenMoment()
	if m.pane != paneEvents && len(past) > 0 {
		picked = past[len(past)-1]
	}
	// What the eye is on is shown in full, as far as a few lines hold it.
	var whole []string
	if picked != nil {
		whole = wrap([]string{"  " + m.momentLine(picked)}, width)
		if most := max(1, room/2-room/8); most == 1 {
			whole = []string{"  " + m.momentLine(picked)}
		} else if len(whole) > most {
			whole = whole[:most]
			whole[most-1] = fit(whole[most-1]+" ...", width)
		}
		room -= len(whole) - 1
	}
	ahead := min(len(next), max(1, room/4))
	behind := min(len(past), room-ahead)
	if m.pane == paneEvents {
		if m.event < 0 { // chosen from the past: keep it in sight
			behind = min(len(past), max(behind, -m.event+1))
			ahead = min(ahead, max(0, room-behind))
			past = past[:len(past)-max(0, behind-room)]
		}
		if m.event > 0 {
			ahead = min(len(next), max(ahead, m.event+1))
			behind = max(0, min(behind, room-ahead))
		}
	}
	behind = min(behind, room)
	all, from := append(past[len(past)-min(behind, len(past)):], next[:min(ahead, len(next))]...), behind
	for i, o := range all {
		if len(out) >= height {
			break
		}
		lines := []string{"  " + m.momentLine(o)}
		if o == picked {
			lines = whole
		}
		for n, text := range lines {
			text = fit(text, width)
			switch {
			case m.pane == paneEvents && o == picked:
				if text = chosen(text, width); n > 0 {
					text = reverse(fit(lines[n], width))
				}
			case culprit(o):
				text = paint(yellow, text)
			case i >= from:
				text = faint(text)
			case o.Seq == m.state.Seq() && o.Kind != markKind:
				text = bold(text)
				if n == 0 {
					text = pick([2]string{"▶ ", "* "}, m.ASCII) + bold(strings.TrimPrefix(lines[0], "  "))
				}
			}
			out = append(out, text)
		}
	}
	if len(all) == 0 && !m.noisy && len(m.past)+len(m.next) > 0 {
		out = append(out, faint("  nothing by people or tools, and no Warning; x shows what controllers wrote"))
	} else if len(all) == 0 {
		out = append(out, faint("  nothing that matters to it was recorded"))
	}
	return fill(out, width, height)
}

func (m *Model) momentLine(o *moment.Moment) string {
	if o.Kind == markKind {
		text := m.clockMillis(o.At) + " " + pick([2]string{"◆", "*"}, m.ASCII) + " " + o.Text
		if o.By != "" {
			text += " (" + o.By + ")"
		}
		return text
	}
	name := o.Kind
	if o.Ref.Name != "" && o.Kind != "Event" {
		name += " " + report.Clean(o.Ref.Name)
		if o.Ref.Namespace != "" && o.Ref.Namespace != m.subject.Namespace {
			name = o.Kind + " " + report.Clean(o.Ref.Namespace+"/"+o.Ref.Name)
		}
	}
	text := fmt.Sprintf("%s #%d %s %s", m.clockMillis(o.At), o.Seq, name, o.Text)
	if o.By != "" {
		text += " by " + o.By
	}
	if o.Rebuilt {
		text += " (noticed later)"
	}
	return text
}

// shownMoments are those that pass the filter, and the marks among them.
func (m *Model) shownMoments() (past, next []*moment.Moment) {
	past, next = slices.Clone(m.past), slices.Clone(m.next)
	for _, k := range m.markMoments() {
		switch {
		case !k.At.After(m.at()):
			if len(m.past) == 0 || !k.At.Before(m.past[0].At) {
				past = append(past, k)
			}
		case len(m.next) == 0 || !k.At.After(m.next[len(m.next)-1].At):
			next = append(next, k)
		}
	}
	inOrder := func(a, b *moment.Moment) int { return a.At.Compare(b.At) }
	slices.SortStableFunc(past, inOrder)
	slices.SortStableFunc(next, inOrder)
	other := func(o *moment.Moment) bool { return !mentions(m.momentLine(o), m.filter) }
	if !m.noisy && m.filter == "" {
		other = func(o *moment.Moment) bool { return !o.Meant && o.Seq != m.state.Seq() }
	}
	return slices.DeleteFunc(past, other), slices.DeleteFunc(next, other)
}

// chosenMoment is the one that has the arrows, nil if there is none.
func (m *Model) chosenMoment() *moment.Moment {
	past, next := m.shownMoments()
	all := append(past, next...)
	i := len(past) - 1 + m.event
	if i < 0 || i >= len(all) {
		return nil
	}
	return all[i]
}
