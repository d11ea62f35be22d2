package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/store"
)

// rows moves the arrows' row, in the page or in the pane that has them.
func (m *Model) rows(n int) {
	switch {
	case m.inPast():
		m.stepPast(n)
	case m.page != nil:
		m.page.at = max(0, m.page.at+n)
	case m.pane == paneReport && m.subject.Name != "":
		m.scroll = max(0, m.scroll+n)
	case m.pane == paneEvents:
		past, next := m.shownMoments()
		m.event = max(-max(len(past)-1, 0), min(m.event+n, len(next)))
	default:
		m.pane = paneObjects
		last := len(m.shownObjects()) - 1
		if m.subject.Name == "" {
			last = len(m.list.shown(m.filter)) - 1
		}
		m.chosen = max(0, min(m.chosen+n, last))
	}
}

// enter goes into what is chosen.
func (m *Model) enter() tea.Cmd {
	switch {
	case m.inPast():
		m.seek(m.fact().Seq)
	case m.page != nil:
		chosen := m.page.chosen(m)
		if chosen.ref.Name != "" {
			m.enterSubject(chosen.ref)
			return m.compute()
		}
		if seq := chosen.seq; seq > 0 {
			m.page = nil
			if seq > m.timeline.Info().Last {
				return nil
			}
			m.seek(seq)
		}
	case m.pane == paneEvents:
		if o := m.chosenMoment(); o != nil && o.Kind == markKind {
			m.seekTime(o.At)
		} else if o != nil {
			m.seek(o.Seq)
		}
	case m.subject.Name == "":
		if r := m.list.chosen(m.filter, m.chosen); r != nil {
			m.enterSubject(refOf(r))
			return m.compute()
		}
	case m.pane == paneObjects:
		if rows := m.shownObjects(); m.chosen < len(rows) && rows[m.chosen].ref.Name != "" {
			m.enterSubject(rows[m.chosen].ref)
			return m.compute()
		}
	default:
		m.pane = paneObjects
	}
	return nil
}

// aboutOne reports whether one object is looked at; while all Services are
// listed, it enters the chosen one.
func (m *Model) aboutOne() bool {
	if m.subject.Name != "" {
		return true
	}
	r := m.list.chosen(m.filter, m.chosen)
	if r == nil {
		m.say("there is no Service to look at")
		return false
	}
	m.enterSubject(refOf(r))
	return true
}

// leave goes back by one: out of the page, the filter, the subject.
func (m *Model) leave() tea.Cmd {
	switch n := len(m.trail); {
	case m.inPast():
		m.ago = 0
	case m.page != nil:
		m.page = nil
	case m.filter != "":
		return m.setFilter("")
	case n > 0:
		back := m.trail[n-1]
		m.trail = m.trail[:n-1]
		m.turnTo(back)
		return tea.Batch(m.survey(), m.compute())
	default:
		m.say("q quits; :services lists all Services")
	}
	return nil
}

// goSubject looks at TYPE/NAME.
func (m *Model) goSubject(text string) tea.Cmd {
	if text == "" {
		return nil
	}
	ref, err := m.parseSubject(text)
	if err != nil {
		m.fail("subject", err)
		return nil
	}
	m.enterSubject(ref)
	return m.compute()
}

// toServices lists all Services.
func (m *Model) toServices() tea.Cmd {
	if m.subject.Name == "" {
		return nil
	}
	m.trail = append(m.trail, m.subject)
	m.turnTo(store.Ref{})
	return m.survey()
}

// copyCommand shows the command line that reproduces the view, and hands it to
// the terminal's clipboard (OSC 52), where it has one.
func (m *Model) copyCommand() tea.Cmd {
	if m.Command == nil {
		m.say("there is no command for this")
		return nil
	}
	line := m.Command(m.subject, m.at())
	m.say(line)
	return tea.SetClipboard(line)
}
