package tui

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/store"
)

func (m *Model) sortMarks() {
	slices.SortStableFunc(m.Marks, func(a, b store.Mark) int { return a.Time.Compare(b.Time) })
}

// mark marks the cursor's instant, in the recording if that is possible.
func (m *Model) mark(text string) tea.Cmd {
	if m.inPast() {
		m.fail("mark", errors.New("only what was observed can be marked; . leads back to the recording"))
		return nil
	}
	if text == "" {
		text = fmt.Sprintf("mark-%d", len(m.Marks)+1)
	}
	k := store.Mark{Time: m.at(), Author: m.Author, Text: text}
	if m.Now != nil {
		k.Written = m.Now().UTC()
	}
	err := errors.New("it cannot be written to")
	if m.AddMark != nil {
		err = m.AddMark(k)
	}
	m.Marks = append(m.Marks, k)
	m.sortMarks()
	switch {
	case errors.Is(err, store.ErrInUse):
		m.unwritten = append(m.unwritten, k)
		m.fail("marked on this screen", errors.New("the recording is being written, and its recorder takes no mark; it goes in when the recorder ends, if this screen is still open"))
	case err != nil:
		m.fail("this mark goes with this screen, not in the recording", err)
	default:
		m.say(fmt.Sprintf("marked %s; g @%s comes back here", m.clock(k.Time), text))
	}
	return nil
}

// keepMarks writes the marks that could not be written while the recording was,
// and returns how many.
func (m *Model) keepMarks() (int, error) {
	n := 0
	for ; len(m.unwritten) > 0; m.unwritten = m.unwritten[1:] {
		if err := m.AddMark(m.unwritten[0]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// markMoments are the marks, as what happened.
func (m *Model) markMoments() []*moment.Moment {
	var all []*moment.Moment
	info := m.timeline.Info()
	for _, k := range m.Marks {
		seq, err := m.timeline.SeqAt(k.Time)
		if err != nil {
			continue // the recording says what is wrong with it wherever it is read
		}
		all = append(all, &moment.Moment{Seq: seq, At: k.Time.UTC(), Kind: markKind, Meant: true, Text: report.Clean(k.Text), By: report.MarkBy(&k, info.SHA256, info.End)})
	}
	return all
}

// markKind is where others have the kind of an object.
const markKind = "mark:"

// toMark moves to the next or previous mark.
func (m *Model) toMark(direction int) {
	marks := slices.Clone(m.Marks)
	if direction < 0 {
		slices.Reverse(marks)
	}
	for _, k := range marks {
		if cmp.Compare(k.Time.Sub(m.at()), 0) == direction {
			m.seekTime(k.Time)
			info := m.timeline.Info()
			by := report.MarkBy(&k, info.SHA256, info.End)
			if by != "" {
				by = " (" + by + ")"
			}
			m.say("mark: " + report.Clean(k.Text) + by)
			return
		}
	}
	m.say("no further mark; m sets one")
}
