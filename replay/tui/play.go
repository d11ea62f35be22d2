package tui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay/report"
)

// player plays the recording, many times a second.
type player struct {
	on    bool
	speed float64
	last  time.Time // when it was moved last, by the clock of the ticks
}

// beatMsg moves what moves by itself: the player, and figures of progress.
type beatMsg time.Time

// interval is how often the screen moves while it plays.
const interval = 100 * time.Millisecond

// Nothing happens for longer than idle, as the viewer sees it: then the time
// up to shortly before the next event is skipped.
const idle, lead = 2 * time.Second, 500 * time.Millisecond

// beat asks for the next tick, unless one is under way.
func (m *Model) beat() tea.Cmd {
	if m.beats > 0 {
		return nil
	}
	m.beats++
	return m.tick(interval, func(t time.Time) tea.Msg { return beatMsg(t) })
}

// onBeat does what is due, and goes on while there is more.
func (m *Model) onBeat(now time.Time) tea.Cmd {
	m.beats--
	if !m.player.on {
		if c := m.courses[m.subject]; c != nil && c.busy != nil {
			return m.beat()
		}
		return nil
	}
	passed := interval
	if !m.player.last.IsZero() {
		passed = now.Sub(m.player.last)
	}
	m.player.last = now
	m.play(passed)
	return tea.Batch(m.beat(), m.survey())
}

// play moves the cursor by what passed for the viewer.
func (m *Model) play(passed time.Duration) {
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * m.player.speed) }
	end := m.timeline.Info().End
	t := m.at().Add(scaled(passed))
	due := end
	if len(m.next) > 0 {
		due = m.next[0].At
	} else if at, err := m.timeline.TimeOf(m.horizon); err == nil && m.horizon > m.state.Seq() && m.horizon < m.timeline.Info().Last {
		due = at // nothing up to there
	}
	if due.Sub(t) > scaled(idle) {
		skipped := due.Add(-scaled(lead)).Sub(t)
		t = t.Add(skipped)
		m.say(fmt.Sprintf("skipped %s in which nothing changed", report.Duration(skipped)))
	}
	if !t.Before(end) {
		m.end()
		if !m.live {
			m.player.on = false
			m.say("played to the end")
		}
		return
	}
	m.seekTime(t)
}

// togglePlay plays or pauses; at the end it begins anew.
func (m *Model) togglePlay() tea.Cmd {
	m.player.on = !m.player.on
	m.player.last = time.Time{}
	if !m.player.on {
		return nil
	}
	if m.atEnd() && !m.live {
		m.start()
	}
	return m.beat()
}
