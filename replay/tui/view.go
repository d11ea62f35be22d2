package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/replay/report"
)

// The least that is drawn into; on less, lines are cut.
const leastWidth, leastHeight = 40, 12

// leastRest is how many rows stay for what is below the summary.
const leastRest = 8

// View draws the screen.
func (m *Model) View() tea.View {
	lines := m.lines()
	v := tea.NewView(strings.Join(lines, "\n"))
	if m.prompt != nil {
		if v.Cursor = m.prompt.input.Cursor(); v.Cursor != nil {
			v.Cursor.Y = max(0, len(lines)-2-len(m.guidance(m.width)))
		}
	}
	v.AltScreen = true
	if !m.unmoused {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.WindowTitle = "svcspy"
	return v
}

// lines are the rows of the screen, from top to bottom.
func (m *Model) lines() []string {
	width, height := max(m.width, leastWidth), max(m.height, leastHeight)
	out := []string{m.title(width)}
	out = append(out, m.scrubber(width)...)
	below := append(m.remark(width, max(1, height/6)), m.guidance(width)...)
	below = append(below, m.status(width))
	summary := m.summary(width)
	summary = summary[:max(0, min(len(summary), height-len(out)-len(below)-leastRest))]
	if m.subject.Name != "" {
		out = append(out, summary...)
	}
	middle := height - len(out) - len(below)
	var happened []string
	if !m.inPast() && (m.page == nil || height >= 40) {
		happened = m.happened(width, max(4, min(middle/3, 14)))
	}
	middle -= len(happened)
	m.layout = layout{width: width, top: len(out), middle: middle, split: width, bottom: len(out) + middle, rows: len(happened)}
	switch {
	case m.inPast():
		out = append(out, m.pastLines(width, middle)...)
	case m.page != nil:
		out = append(out, m.page.lines(m, width, middle)...)
	case m.subject.Name == "":
		rows := m.listLines(width, max(4, middle-len(summary)-1))
		if room := middle - len(rows) - 1; len(summary) > 0 && room >= len(summary) {
			rows = append(append(rows, ""), summary...)
		}
		out = append(out, fill(rows, width, middle)...)
	default:
		out = append(out, m.sides(width, middle)...)
	}
	out = append(out, happened...)
	out = append(out, below...)
	for i := range out {
		out[i] = ansi.Truncate(out[i], max(m.width, 1), "")
	}
	return out[:min(len(out), max(m.height, 1))]
}

// fill makes rows a block of a width and height.
func fill(rows []string, width, height int) []string {
	out := make([]string, height)
	for i := range out {
		if i < len(rows) {
			out[i] = fit(rows[i], width)
		} else {
			out[i] = fit("", width)
		}
	}
	return out
}

// title says what is looked at and how it is.
func (m *Model) title(width int) string {
	left := bold("All Services")
	if m.subject.Name != "" && len(m.text) > 0 {
		left = m.text[0]
	}
	if m.inPast() {
		left = bold("Before the recording") + "  " + m.verdictThen()
	}
	right := pick([2]string{"❚❚", "||"}, m.ASCII)
	if m.player.on {
		right = pick([2]string{"▶", ">"}, m.ASCII)
	}
	right += fmt.Sprintf(" %gx", m.player.speed)
	if m.live {
		word := "LIVE"
		if m.follow {
			word = "LIVE, following"
		}
		right = paint(green, word) + " " + right
	}
	if percent, busy := m.computing(); busy {
		right = faint(fmt.Sprintf("verdicts %d%%", percent)) + " " + right
	}
	return fit(left, width-ansi.StringWidth(right)-1) + " " + right
}

// computing returns how much is known of the verdicts that are being computed
// for the first time.
func (m *Model) computing() (percent int, busy bool) {
	if m.subject.Name == "" {
		if c := &m.all; c.busy != nil && c.until.IsZero() {
			return c.busy.percent(), true
		}
		return 0, false
	}
	if c := m.courses[m.subject]; c != nil && c.busy != nil && c.until.IsZero() {
		return c.busy.percent(), true
	}
	return 0, false
}

// sides are the report and the objects next to each other.
func (m *Model) sides(width, height int) []string {
	right := max(width*2/5, 24)
	if width < 60 {
		right = 0
	}
	left := width - right
	m.layout.split = left
	bar := faint(pick([2]string{"│", "|"}, m.ASCII))
	report := m.reportLines(left-1, height)
	objects := m.objectLines(right-1, height)
	out := make([]string, height)
	for i := range out {
		if right == 0 {
			out[i] = report[i]
			continue
		}
		out[i] = report[i] + bar + objects[i]
	}
	return out
}

// reportLines is the report from where it is scrolled to.
func (m *Model) reportLines(width, height int) []string {
	var rows []string
	if len(m.text) > 2 {
		rows = wrap(m.text[2:], width) // the title and the headline stand above
	}
	m.scroll = max(0, min(m.scroll, len(rows)-height))
	shown := fill(rows[min(m.scroll, len(rows)):], width, height)
	if more := len(rows) - m.scroll - height; more > 0 && height > 1 {
		shown[height-1] = fit(faint(fmt.Sprintf("  %s %d more lines", pick([2]string{"↓", "v"}, m.ASCII), more+1)), width)
	}
	return shown
}

// objectLines are the endpoints and the other objects.
func (m *Model) objectLines(width, height int) []string {
	if width <= 0 {
		return nil
	}
	e := m.envelope.Endpoints
	head := fmt.Sprintf("ENDPOINTS %d of %d ready", e.Ready, e.Desired)
	if e.Ready > e.Desired {
		head = fmt.Sprintf("ENDPOINTS %d ready", e.Ready)
	}
	if e.Terminating > 0 {
		head += fmt.Sprintf(", %d terminating", e.Terminating)
	}
	if e.Desired == 0 && e.Ready == 0 && len(e.Items) == 0 {
		head = "OBJECTS"
	}
	out := []string{" " + m.head(paneObjects, head)}
	rows := m.shownObjects()
	m.chosen = max(0, min(m.chosen, len(rows)-1))
	m.layout.first = window(len(rows), m.chosen, height-1)
	for i := m.layout.first; i < len(rows) && len(out) < height; i++ {
		o := &rows[i]
		text := " " + o.title
		if o.state != "" {
			text = " " + m.dot(o.state) + " " + o.title
		}
		if o.detail != "" {
			text += "  " + faint(o.detail)
		}
		if o.state == "notready" || o.state == "dead" || o.state == "unlisted" {
			text += "  " + faint(o.state)
		}
		if i == m.chosen && m.pane == paneObjects {
			text = chosen(text, width)
		}
		out = append(out, text)
	}
	if len(rows) == 0 && m.filter != "" {
		out = append(out, faint(" nothing with "+report.Clean(m.filter)))
	}
	return fill(out, width, height)
}

// dot shows the state of an endpoint in one cell.
func (m *Model) dot(state string) string {
	switch state {
	case "ready":
		return paint(green, pick([2]string{"✔", "+"}, m.ASCII))
	case "terminating":
		return paint(yellow, pick([2]string{"◌", "o"}, m.ASCII))
	}
	return paint(red, pick([2]string{"✘", "x"}, m.ASCII))
}

// head is the head of a pane, marked when the pane has the arrows.
func (m *Model) head(p pane, text string) string {
	if m.pane == p {
		return bold(pick([2]string{"▸ ", "> "}, m.ASCII) + text)
	}
	return faint(text)
}

// clock is a time of day, with the date if it is far from the cursor.
func (m *Model) clock(t time.Time) string { return m.format(t, "15:04:05") }

func (m *Model) clockMillis(t time.Time) string { return m.format(t, "15:04:05.000") }

func (m *Model) format(t time.Time, layout string) string {
	if d := t.Sub(m.at()); d < -half || d > half {
		layout = "2006-01-02 " + layout
	}
	return t.In(m.zones[m.zone]).Format(layout)
}

// isUTC reports whether a time is shown in UTC, under whatever name of the zone.
func isUTC(t time.Time) bool {
	name, offset := t.Zone()
	return name == "UTC" && offset == 0
}

// half a day is how far from the cursor a time of day is clear.
const half = 12 * time.Hour

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
