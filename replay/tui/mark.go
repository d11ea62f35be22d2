package tui

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/store"
)

func (m *Model) sortMarks() {
	slices.SortStableFunc(m.Marks, func(a, b store.Mark) int { return a.Time.Compare(b.Time) })
}

// mark marks the cursor's instant, in the recording if that is possible.
func (m *Model) mark(text string) tea.Cmd {
	if text == "" {
		text = fmt.Sprintf("mark-%d", len(m.Marks)+1)
	}
	k := store.Mark{Time: m.at(), Text: text}
	if m.Now != nil {
		k.Written = m.Now().UTC()
	}
	err := errors.New("it cannot be written to")
	if m.AddMark != nil {
		err = m.AddMark(k)
	}
	m.Marks = append(m.Marks, k)
	m.sortMarks()
	if err != nil {
		m.fail("marked for as long as this screen is open, not in the recording", err)
		return nil
	}
	m.say(fmt.Sprintf("marked %s; g @%s comes back here", m.clock(k.Time), text))
	return nil
}

// toMark moves to the next or previous mark.
func (m *Model) toMark(direction int) {
	marks := slices.Clone(m.Marks)
	if direction < 0 {
		slices.Reverse(marks)
	}
	for _, k := range marks {
		if cmp.Compare(k.Time.Sub(m.at()), 0) == direction {
			m.seekTime(k.Time)
			m.say("mark: " + k.Text)
			return
		}
	}
	m.say("no further mark; m sets one")
}
