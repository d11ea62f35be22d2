package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/replay/report"
)

// remark is what is typed, or what the last key had to say: one line, or more
// where it says much.
func (m *Model) remark(width, most int) []string {
	text := ""
	switch {
	case m.prompt != nil:
		m.prompt.input.SetWidth(max(10, width-ansi.StringWidth(m.prompt.input.Prompt)-2))
		return []string{report.Clean(m.prompt.input.View())}
	case m.failed:
		text = "! " + m.message
	case m.message != "":
		text = m.message
	case m.filter != "":
		text = "filter: " + report.Clean(m.filter) + "  n N find it in time, esc ends"
	}
	lines := wrap([]string{text}, width)
	lines = lines[:min(len(lines), most)]
	for i := range lines {
		if lines[i] = fit(lines[i], width); m.failed {
			lines[i] = paint(red, lines[i])
		}
	}
	return lines
}

// status is the last line: when this is, and how far it can be trusted.
func (m *Model) status(width int) string {
	e := &m.envelope
	if m.inPast() {
		f := m.fact()
		left := bold(m.stamp(f.Time)) + " " + m.within(f) + " " + paint("7", " RECONSTRUCTED ") + fmt.Sprintf("  %d of %d before the recording", len(m.pasts[m.subject].facts)-m.ago+1, len(m.pasts[m.subject].facts))
		return fit(left, width)
	}
	at := m.at().In(m.zones[m.zone])
	zone, offset := "UTC", ""
	if !isUTC(at) {
		zone, offset = at.Format("MST"), at.Format(" -07:00")
	}
	age := time.Duration(e.At.EvidenceAgeMS) * time.Millisecond
	old := fmt.Sprintf("%d ms old", e.At.EvidenceAgeMS)
	if age >= time.Second {
		old = report.Duration(age) + " old"
	}
	badges := ""
	if len(m.gaps) > 0 {
		resource, _, _ := strings.Cut(m.gaps[0], ".")
		badges += " " + paint("7;"+yellow, " GAP "+report.Clean(resource)+more(len(m.gaps)-1)+" ")
	}
	if n := len(m.past); n > 0 && m.past[n-1].Rebuilt {
		badges += " " + paint("7", " RECONSTRUCTED ")
	}
	if policy := e.Recording.Redaction.Policy; policy != "" && policy != "none" {
		badges += " " + faint("REDACTED")
	}
	// Of what is too long, the badges go last.
	var left string
	for _, words := range []struct{ zone, evidence string }{{" " + zone, "evidence "}, {" " + zone, ""}, {"", ""}} {
		if offset == "" {
			words.zone = " UTC"
		}
		left = bold(at.Format("2006-01-02 15:04:05.000")+offset+words.zone) + fmt.Sprintf("  #%d/%d  %s%s", m.state.Seq(), m.timeline.Info().Last, words.evidence, old) + badges
		if ansi.StringWidth(left) <= width {
			break
		}
	}
	right := faint("? help")
	if ansi.StringWidth(left)+ansi.StringWidth(right)+1 > width {
		return fit(left, width)
	}
	return fit(left, width-ansi.StringWidth(right)) + right
}

// stamp is a time with its zone.
func (m *Model) stamp(t time.Time) string {
	t = t.In(m.zones[m.zone])
	if isUTC(t) {
		return t.Format("2006-01-02 15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 -07:00 MST")
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("+%d", n)
}
