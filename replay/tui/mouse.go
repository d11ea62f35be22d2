package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// layout is where the parts of the screen were drawn last, in rows and columns.
type layout struct {
	width       int
	top, bottom int // of the middle: the list, the report and the objects, or a page
	middle      int
	split       int // where the objects begin
	first       int // the first row of the list or of the objects that is shown
	rows        int // of what happened, below the middle
}

// click does what is expected of the place: the axis leads to its time, a row is
// chosen, and a chosen row is entered.
func (m *Model) click(at tea.Mouse) tea.Cmd {
	if at.Button != tea.MouseLeft || m.prompt != nil {
		return nil
	}
	l := m.layout
	switch {
	case at.Y == 1 || at.Y == 2:
		info := m.timeline.Info()
		share := (float64(at.X) + 0.5) / float64(max(l.width, 1))
		return m.carryOut(&action{name: "click", do: move(func(m *Model) {
			m.seekTime(info.Start.Add(time.Duration(share * float64(info.End.Sub(info.Start)))))
		})}, "")
	case at.Y >= l.top && at.Y < l.bottom && m.page != nil:
		return m.choose(&m.page.at, m.page.top+at.Y-l.top-1, len(m.page.shown(m, l.width-2)))
	case at.Y >= l.top && at.Y < l.bottom && m.subject.Name == "":
		m.pane = paneObjects
		return m.choose(&m.chosen, l.first+at.Y-l.top-1, len(m.list.shown(m.filter)))
	case at.Y >= l.top && at.Y < l.bottom && at.X >= l.split:
		was := m.pane == paneObjects
		m.pane = paneObjects
		if row := l.first + at.Y - l.top - 1; !was && row == m.chosen {
			return nil
		}
		return m.choose(&m.chosen, l.first+at.Y-l.top-1, len(m.shownObjects()))
	case at.Y >= l.top && at.Y < l.bottom:
		m.pane = paneReport
	case at.Y > l.bottom && at.Y < l.bottom+l.rows:
		m.pane = paneEvents
	}
	return nil
}

// choose makes a row the chosen one; if it is, it is entered.
func (m *Model) choose(chosen *int, row, rows int) tea.Cmd {
	if row < 0 || row >= rows {
		return nil
	}
	if *chosen == row {
		return m.carryOut(&action{name: "enter", do: func(m *Model, _ string) tea.Cmd { return m.enter() }}, "")
	}
	*chosen = row
	return m.survey()
}

// wheelRows is how far one notch of the wheel goes.
const wheelRows = 3

// wheel moves in time over the axis, elsewhere through the rows below the mouse.
func (m *Model) wheel(at tea.Mouse) tea.Cmd {
	direction := map[tea.MouseButton]int{tea.MouseWheelUp: -1, tea.MouseWheelDown: 1}[at.Button]
	if direction == 0 || m.prompt != nil {
		return nil
	}
	if l := m.layout; m.page == nil {
		switch {
		case at.Y == 1 || at.Y == 2:
			return m.carryOut(&action{name: "wheel", do: step(time.Duration(direction) * 5 * time.Second)}, "")
		case at.Y >= l.bottom:
			m.pane = paneEvents
		case m.subject.Name == "" || at.X >= l.split:
			m.pane = paneObjects
		default:
			m.pane = paneReport
		}
	}
	m.rows(direction * wheelRows)
	return nil
}

// toggleMouse gives the mouse to the terminal, which can then select text, or takes
// it back.
func (m *Model) toggleMouse() {
	m.unmoused = !m.unmoused
	if m.unmoused {
		m.say("the mouse is the terminal's: it selects text; M takes it back")
	} else {
		m.say("the mouse works here; M gives it to the terminal")
	}
}
