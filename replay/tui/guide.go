package tui

import "strings"

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

// lesson is how many are offered at once.
const lessonsShown = 4

// guidance is the line that says what could be pressed next: what was not tried
// yet, and how to get out of where one is.
func (m *Model) guidance(width int) []string {
	if !m.Guided {
		return nil
	}
	var words []string
	offer := func(key, text string) { words = append(words, bold(key)+" "+text) }
	if m.page != nil {
		offer("esc", "closes this")
	}
	if m.player.on {
		offer("space", "pause")
	}
	for _, l := range lessons {
		if len(words) == lessonsShown {
			break
		}
		if m.tried[l.action] || l.action == "enter" && (m.pane == paneReport || m.page != nil) || l.action == "leave" && len(m.trail) == 0 {
			continue
		}
		offer(l.key, l.words)
	}
	if len(words) == 0 {
		words = append(words, "you have seen it all")
	}
	offer("?", "all keys")
	offer("q", "leave")
	return []string{fit(faint("TRY ")+strings.Join(words, faint(pick([2]string{" · ", "  "}, m.ASCII))), width)}
}
