package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/replay/report"
)

// happened is what happened around the cursor: what was last, and, faint, what
// comes next.
func (m *Model) happened(width, height int) []string {
	past, next := m.shownMoments()
	line := pick([2]string{"─", "-"}, m.ASCII)
	head := m.head(paneEvents, "WHAT JUST CHANGED")
	out := []string{head + " " + faint(strings.Repeat(line, max(0, width-ansi.StringWidth(head)-1)))}
	room := height - 1
	picked := m.chosenMoment()
	if m.pane != paneEvents && len(past) > 0 {
		picked = past[len(past)-1]
	}
	// What the eye is on is shown in full, as far as a few lines hold it.
	var whole []string
	if picked != nil {
		whole = wrap([]string{"  " + m.momentLine(picked)}, width)
		if most := max(1, room/2-room/8); len(whole) > most {
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
			case i >= from:
				text = faint(text)
			case o.seq == m.state.Seq() && o.kind != markKind:
				text = bold(text)
				if n == 0 {
					text = pick([2]string{"▶ ", "* "}, m.ASCII) + bold(strings.TrimPrefix(lines[0], "  "))
				}
			}
			out = append(out, text)
		}
	}
	if len(all) == 0 {
		out = append(out, faint("  nothing that matters to it was recorded"))
	}
	return fill(out, width, height)
}

func (m *Model) momentLine(o *moment) string {
	if o.kind == markKind {
		text := m.clockMillis(o.at) + " " + pick([2]string{"◆", "*"}, m.ASCII) + " " + o.text
		if o.by != "" {
			text += " (" + o.by + ")"
		}
		return text
	}
	name := o.kind
	if o.ref.Name != "" && o.kind != "Event" {
		name += " " + report.Clean(o.ref.Name)
		if o.ref.Namespace != "" && o.ref.Namespace != m.subject.Namespace {
			name = o.kind + " " + report.Clean(o.ref.Namespace+"/"+o.ref.Name)
		}
	}
	text := fmt.Sprintf("%s #%d %s %s", m.clockMillis(o.at), o.seq, name, o.text)
	if o.by != "" {
		text += " by " + o.by
	}
	if o.rebuilt {
		text += " (noticed later)"
	}
	return text
}

// shownMoments are those that pass the filter, and the marks among them.
func (m *Model) shownMoments() (past, next []*moment) {
	past, next = slices.Clone(m.past), slices.Clone(m.next)
	for _, k := range m.markMoments() {
		switch {
		case !k.at.After(m.at()):
			if len(m.past) == 0 || !k.at.Before(m.past[0].at) {
				past = append(past, k)
			}
		case len(m.next) == 0 || !k.at.After(m.next[len(m.next)-1].at):
			next = append(next, k)
		}
	}
	inOrder := func(a, b *moment) int { return a.at.Compare(b.at) }
	slices.SortStableFunc(past, inOrder)
	slices.SortStableFunc(next, inOrder)
	other := func(o *moment) bool { return !mentions(m.momentLine(o), m.filter) }
	return slices.DeleteFunc(past, other), slices.DeleteFunc(next, other)
}

// chosenMoment is the one that has the arrows, nil if there is none.
func (m *Model) chosenMoment() *moment {
	past, next := m.shownMoments()
	all := append(past, next...)
	i := len(past) - 1 + m.event
	if i < 0 || i >= len(all) {
		return nil
	}
	return all[i]
}
