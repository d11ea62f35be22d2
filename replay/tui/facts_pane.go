package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// past is what is known of a subject from before the recording. Nobody heard it:
// objects told of it later. It is another place than the recording, and the
// screen is in one of them only.
type factsPane struct {
	facts []past.Fact
	then  map[time.Time]string // what can be said of the subject at an instant
	busy  bool
	known bool
	enter bool // once the facts are known
}

// pastMsg brings the facts about a subject.
type pastMsg struct {
	subject store.Ref
	facts   []past.Fact
	err     error
}

// inPast reports whether a reconstructed fact is shown, and not the recording.
func (m *Model) inPast() bool { return m.ago > 0 }

// fact is the one that is shown.
func (m *Model) fact() *past.Fact {
	facts := m.pasts[m.subject].facts
	return &facts[len(facts)-m.ago]
}

// verdictThen says what the facts show of the subject when the one shown had
// happened; hardly ever that is more than that nothing is known.
func (m *Model) verdictThen() string {
	const unknown = "no verdict: nobody was listening"
	p, at := m.pasts[m.subject], m.fact().Time
	if m.subject.Name == "" {
		return unknown
	}
	if text, known := p.then[at]; known {
		return text
	}
	text := unknown
	switch r, err := past.Reconstruct(m.timeline, m.subject, at); {
	case err != nil:
		m.fail("what was before the recording", err)
	case r.Report.Verdict.State != analyzer.Unknown:
		text = fmt.Sprintf("reconstructed: %s, %s", r.Report.Verdict.State, r.Report.Verdict.Certainty)
	}
	if p.then == nil {
		p.then = map[time.Time]string{}
	}
	p.then[at] = text
	return text
}

// remember finds out what is known of before the recording.
func (m *Model) remember() tea.Cmd {
	p := m.pasts[m.subject]
	if p == nil {
		p = &factsPane{}
		m.pasts[m.subject] = p
	}
	if p.busy || p.known {
		return nil
	}
	p.busy = true
	t, subject := m.timeline, m.subject
	return m.jobs.do(func(context.Context) tea.Msg {
		msg := pastMsg{subject: subject}
		if subject.Name == "" {
			msg.facts, msg.err = past.All(t)
		} else {
			msg.facts, msg.err = past.Of(t, subject)
		}
		return msg
	})
}

func (m *Model) remembered(msg pastMsg) tea.Cmd {
	p := m.pasts[msg.subject]
	p.busy, p.known, p.facts = false, msg.err == nil, msg.facts
	enter := p.enter && msg.subject == m.subject
	p.enter = false
	switch {
	case msg.err != nil:
		m.fail("what was before the recording", msg.err)
	case enter:
		return m.enterPast()
	}
	return nil
}

// enterPast shows the last thing that is known to have happened before the
// recording.
func (m *Model) enterPast() tea.Cmd {
	cmd := m.remember()
	p := m.pasts[m.subject]
	switch {
	case !p.known:
		p.enter = true
		m.say("what was before the recording is being found out ...")
	case len(p.facts) == 0:
		m.say("nothing that matters is known to have happened before this")
	default:
		m.start()
		m.ago, m.page, m.player.on = 1, nil, false
		m.say("before the recording: nobody heard this, objects told of it later; . leads back")
	}
	return cmd
}

// reach is how far back what is known of before the recording goes, zero if
// nothing is, or not yet.
func (m *Model) reach() (time.Time, error) {
	if p := m.pasts[m.subject]; p != nil && len(p.facts) > 0 {
		return p.facts[0].Time, nil
	}
	return time.Time{}, nil
}

// enterPastAt shows the last fact of an instant before the recording.
func (m *Model) enterPastAt(t time.Time) {
	m.enterPast()
	for m.inPast() && !m.fact().Known(t) && m.ago < len(m.pasts[m.subject].facts) {
		m.ago++
	}
}

// stepPast moves between facts: 1 is the next, which after the last is the
// recording; -1 the one before.
func (m *Model) stepPast(n int) {
	most := len(m.pasts[m.subject].facts)
	switch m.ago -= n; {
	case m.ago > most:
		m.ago = most
		m.say("nothing older is known")
	case m.ago <= 0:
		m.ago = 0
		m.say("the recording starts here")
	}
}

// pastLines are the facts, the one shown in the middle.
func (m *Model) pastLines(width, height int) []string {
	facts := m.pasts[m.subject].facts
	at := len(facts) - m.ago
	out := []string{bold("BEFORE THE RECORDING") + faint("  reconstructed: objects told of it later")}
	var rows []string
	first, last := 0, 0 // rows of the fact that is shown
	for i := range facts {
		lines := wrap([]string{"  " + m.factLine(&facts[i])}, width)
		if i == at {
			first, last = len(rows), len(rows)+len(lines)+1
			for n := range lines {
				lines[n] = reverse(fit(lines[n], width))
			}
			lines[0] = chosen(lines[0], width)
			lines = append(lines, faint(fit("    "+m.source(&facts[i]), width)))
		}
		rows = append(rows, lines...)
	}
	room := height - 1
	top := max(0, min((first+last)/2-room/2, len(rows)-room))
	return append(out, fill(rows[top:], width, room)...)
}

func (m *Model) factLine(f *past.Fact) string {
	return report.Clean(m.clock(f.Time) + " " + m.within(f) + " " + f.String())
}

// within says how exactly the time of a fact is known.
func (m *Model) within(f *past.Fact) string {
	if d := f.Uncertainty(); d > 0 {
		return fmt.Sprintf("(+%s)", d)
	}
	return "(exact)"
}

// source says how a fact is known.
func (m *Model) source(f *past.Fact) string {
	text := fmt.Sprintf("told by #%d, heard at %s; the clock was that of the %s", f.Seq, m.clockMillis(f.ObservedAt), f.Clock)
	if f.Path != "" {
		text += "; " + f.Path
	}
	return report.Clean(text) + "  enter goes there"
}
