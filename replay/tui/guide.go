package tui

import "github.com/charmbracelet/x/ansi"

// A lesson of the guided tour: an action worth trying, and the words for it.
type lesson struct{ action, key, words string }

// lessons are in the order in which somebody who sees an outage would ask.
var lessons = []lesson{
	{"why", "e", "why"},
	{"previous", ",", "one event back"},
	{"diff", "D", "what is different"},
	{"next-verdict", "n", "next verdict"},
	{"previous-verdict", "N", "the verdict before"},
	{"pane", "tab", "to the objects"},
	{"enter", "enter", "into one"},
	{"leave", "esc", "back"},
	{"play", "space", "play"},
	{"goto", "g", "go to a time"},
	{"mark", "m", "mark this"},
	{"copy", "C", "copy the command"},
}

// guidance is the line that says what could be pressed next: what was not tried
// yet, and how to get out of where one is.
func (m *Model) guidance(width int) []string {
	if !m.Guided {
		return nil
	}
	dot := faint(pick([2]string{" · ", "  "}, m.ASCII))
	always := dot + bold("?") + " all keys" + dot + bold("q") + " leave"
	line := faint("TRY")
	offer := func(key, text string) bool {
		sign := dot
		if line == faint("TRY") {
			sign = " "
		}
		more := line + sign + bold(key) + " " + text
		if ansi.StringWidth(more+always) > width {
			return false
		}
		line = more
		return true
	}
	if m.page != nil {
		offer("esc", "closes this")
	}
	if m.player.on {
		offer("space", "pause")
	}
	for _, l := range lessons {
		if m.tried[l.action] || l.action == "enter" && (m.pane == paneReport || m.page != nil) || l.action == "leave" && len(m.trail) == 0 {
			continue
		}
		if !offer(l.key, l.words) {
			break
		}
	}
	if line == faint("TRY") {
		return []string{fit("you have seen it all"+always, width)}
	}
	return []string{fit(line+always, width)}
}
