package tui

import (
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/store"
)

// page is what lies over the report and the objects: it is written anew for
// each state, so moving in time moves it too.
type page struct {
	name  string
	head  func(*Model) string
	rows  func(m *Model) []row
	begin func(*Model) tea.Cmd // work in the background; may be nil
	top   int                  // the first row shown
	at    int                  // the chosen row, where rows lead somewhere
}

// row is a line of a page. One with a position or an object can be gone to.
type row struct {
	text string
	seq  store.Seq
	ref  store.Ref // of the object that it leads to, instead of a position
}

func plain(lines []string) []row {
	rows := make([]row, len(lines))
	for i, l := range lines {
		rows[i].text = l
	}
	return rows
}

// shown are the rows that pass the filter, broken to a width.
func (p *page) shown(m *Model, width int) []row {
	var out []row
	for _, r := range p.rows(m) {
		if !mentions(r.text, m.filter) {
			continue
		}
		for i, text := range wrap([]string{r.text}, width) {
			if i == 0 {
				out = append(out, row{text, r.seq, r.ref})
			} else {
				out = append(out, row{text: text})
			}
		}
	}
	return out
}

// lines are the head and the rows, in a block.
func (p *page) lines(m *Model, width, height int) []string {
	rows := p.shown(m, width-2)
	room := height - 1
	p.at = max(0, min(p.at, len(rows)-1))
	if p.at < p.top {
		p.top = p.at
	}
	if p.at >= p.top+room {
		p.top = p.at - room + 1
	}
	p.top = max(0, min(p.top, len(rows)-room))
	head := bold(p.head(m))
	if len(rows) > room {
		head += faint(fmt.Sprintf("  %d-%d of %d", p.top+1, min(p.top+room, len(rows)), len(rows)))
	}
	out := []string{head + faint("  esc closes")}
	for i := p.top; i < len(rows) && len(out) < height; i++ {
		text := "  " + rows[i].text
		if i == p.at {
			if rows[i].seq > 0 || rows[i].ref.Name != "" {
				text = chosen(text, width)
			} else {
				text = faint(pick([2]string{"▏", "|"}, m.ASCII)) + " " + rows[i].text
			}
		}
		out = append(out, text)
	}
	return fill(out, width, height)
}

// chosen is the row that is chosen; the zero value if there is none.
func (p *page) chosen(m *Model) row {
	rows := p.shown(m, max(m.width, leastWidth)-2)
	if p.at < len(rows) {
		return rows[p.at]
	}
	return row{}
}

// whyPage shows all evidence of the report, and the story of the outage.
func whyPage(m *Model) *page {
	if !m.aboutOne() {
		return nil
	}
	return &page{
		name: "why",
		head: func(m *Model) string { return "WHY  enter goes to an event" },
		rows: func(m *Model) []row {
			r := &m.envelope.Report
			rows := []row{{text: bold(report.Clean(r.Headline.Message))}}
			for _, part := range []struct {
				title string
				list  []analyzer.Finding
			}{{"BECAUSE", r.Because}, {"ALSO", r.Also}, {"SYMPTOMS", r.Symptoms}, {"RISKS", r.Risks}} {
				if len(part.list) > 0 {
					rows = append(rows, row{}, row{text: faint(part.title)})
				}
				for _, f := range part.list {
					rows = append(rows, row{text: bold(report.Clean(f.ID)) + "  " + report.Clean(f.Message)})
					for _, e := range f.Evidence {
						rows = append(rows, row{text: "    " + m.evidence(&e), seq: e.Seq})
					}
				}
			}
			rows = append(rows, m.checklistRows()...)
			return append(rows, m.storyRows()...)
		},
		begin: (*Model).tell,
	}
}

// checklistRows are the steps from the client to the Pods, and what shows each.
func (m *Model) checklistRows() []row {
	steps := m.envelope.Checklist
	if len(steps) == 0 {
		return nil
	}
	rows := []row{{}, {text: faint("CHECKLIST")}}
	for _, s := range steps {
		text := fmt.Sprintf("%s %-7s %s", s.Step, s.Result, report.Clean(s.Text))
		if s.Evidence != "" {
			text += ": " + report.Clean(s.Evidence)
		}
		rows = append(rows, row{text: text})
	}
	return rows
}

// evidence is one recorded fact on one line.
func (m *Model) evidence(e *analyzer.Evidence) string {
	var b strings.Builder
	if e.Seq > 0 {
		fmt.Fprintf(&b, "%s #%d ", m.clockMillis(e.ObservedAt), e.Seq)
	}
	fmt.Fprintf(&b, "%s/%s", e.Kind, e.Name)
	if e.Path != "" {
		b.WriteString(" " + e.Path)
	}
	switch {
	case e.Old != "" && e.Value != "":
		fmt.Fprintf(&b, " %s -> %s", e.Old, e.Value)
	case e.Value != "":
		b.WriteString(" = " + e.Value)
	case e.Old != "":
		b.WriteString(" was " + e.Old)
	}
	if e.Note != "" {
		b.WriteString(" (" + e.Note + ")")
	}
	return report.Clean(b.String())
}

// diffPage shows what is different since the reference; without one, since just
// before the verdict became what it is.
func diffPage(m *Model) *page {
	if !m.aboutOne() {
		return nil
	}
	var from *replay.State
	var rows []row
	var of *replay.State // the state that rows are about
	return &page{
		name: "diff",
		head: func(m *Model) string {
			if m.reference == nil {
				return "DIFF  since before the verdict; R sets a reference"
			}
			return "DIFF  since " + m.clock(m.reference.Instant()) + ", the reference"
		},
		rows: func(m *Model) []row {
			if of == m.state {
				return rows
			}
			of = m.state
			var err error
			if from, err = m.compareWith(); err == nil {
				rows, err = m.diffRows(from)
			}
			if err != nil {
				rows = plain([]string{report.Clean(err.Error())})
			}
			return rows
		},
	}
}

// act is how long before a verdict what led to it may have begun.
const act = 2 * time.Second

// compareWith is the older side of a diff: the reference, else the state before
// the verdict became bad, or before it became good again.
func (m *Model) compareWith() (*replay.State, error) {
	if m.reference != nil {
		return m.reference, nil
	}
	cursor := replay.NewCursor(m.timeline)
	segments, i := m.segments(), m.segment()
	for i > 0 && badness(segments[i].Report.Verdict.State) > 0 && badness(segments[i-1].Report.Verdict.State) > 0 {
		i--
	}
	if i < 1 {
		first, err := Opening(m.timeline)
		if err != nil || first.Seq() >= m.state.Seq() {
			return cursor.First()
		}
		return first, nil
	}
	before := segments[i].From.Add(-act)
	if earlier := segments[i-1].From; before.Before(earlier) {
		before = earlier
	}
	return cursor.SeekTime(before)
}

func (m *Model) diffRows(from *replay.State) ([]row, error) {
	to := m.state
	if from.Seq() > to.Seq() {
		from, to = to, from // a diff reads forwards, whichever side the cursor is on
	}
	items, err := story.Diff(from, to, m.subject)
	if err != nil {
		return nil, err
	}
	side := func(s *replay.State) (report.Envelope, error) {
		r := analyzer.Diagnose(s, m.subject, analyzer.Options{})
		m.dateAt(&r, s.Instant())
		return report.New(s, r)
	}
	a, err := side(from)
	if err != nil {
		return nil, err
	}
	b, err := side(to)
	if err != nil {
		return nil, err
	}
	return plain(m.print(func(w io.Writer, o report.Options) error { return report.DiffText(w, report.NewDiff(a, b, items), o) })), nil
}

// coveragePage shows what the recorder was listening to at the instant.
func coveragePage(*Model) *page {
	return &page{
		name: "coverage",
		head: func(m *Model) string { return "COVERAGE at " + m.clock(m.at()) + ": " + m.envelope.Coverage.Status },
		rows: func(m *Model) []row {
			ledger, err := m.timeline.Ledger(0, m.state.Seq())
			if err != nil {
				return plain([]string{report.Clean(err.Error())})
			}
			var order []moment.Stream
			latest := map[moment.Stream]store.Coverage{}
			for _, c := range ledger {
				k := moment.Stream{Resource: c.Resource, Namespace: c.Namespace}
				if _, ok := latest[k]; !ok {
					order = append(order, k)
				}
				latest[k] = c
			}
			rows := []row{{text: faint("what was not listened to first; enter goes to where it began")}}
			for _, current := range []bool{false, true} {
				for _, k := range order {
					c := latest[k]
					if c.Status.AbsenceProven() != current {
						continue
					}
					name := report.Clean(c.Resource.GroupResource().String())
					if c.Namespace != "" {
						name += " in " + report.Clean(c.Namespace)
					}
					text := fmt.Sprintf("%-11s %s  since %s %s", c.Status, name, m.clock(c.Time), report.Clean(c.Reason))
					if !current {
						text = paint(yellow, text)
					}
					rows = append(rows, row{text: text, seq: c.Seq})
				}
			}
			return rows
		},
	}
}

// helpPage lists the keys.
func helpPage(*Model) *page {
	return &page{
		name: "help",
		head: func(*Model) string { return "KEYS  each is also a command: its name after :" },
		rows: func(m *Model) []row {
			rows := m.legend()
			for _, a := range m.actions {
				keys := strings.Join(a.keys, " ")
				if len(a.keys) > 4 {
					keys = a.keys[0] + " to " + a.keys[len(a.keys)-1]
				}
				rows = append(rows, row{text: fmt.Sprintf("%-14s %-17s %s", keys, a.name, a.help)})
			}
			return append(rows, row{}, row{text: "Mouse: a click on the axis goes there, on a row chooses it, again enters it; the wheel scrolls, over the axis it moves in time."}, row{text: "No key touches a cluster."})
		},
	}
}

// legend says what the signs of the axis mean.
func (m *Model) legend() []row {
	text := ""
	for _, s := range []analyzer.State{analyzer.Serving, analyzer.Converging, analyzer.Degraded, analyzer.PartiallyServing, analyzer.NotServing, analyzer.Absent, analyzer.Unknown} {
		text += paint(colorOf(s), glyphOf(s, m.ASCII)) + " " + string(s) + "  "
	}
	text += pick([2]string{"╱", "/"}, m.ASCII) + " not listening  " + pick([2]string{"◆", "*"}, m.ASCII) + " mark  " + pick([2]string{"·", "."}, m.ASCII) + " not known, or not there yet"
	return []row{{text: text}, {}}
}

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
