package tui

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// list is all Services at an instant, worst first.
type list struct {
	state   *replay.State // what it shows; nil while it shows nothing
	reports []analyzer.Report
	busy    bool
}

// listMsg brings the Services.
type listMsg struct {
	state   *replay.State
	reports []analyzer.Report
}

// survey begins to diagnose all Services where they are shown and not known. It
// is called after every move, so it also computes verdicts that are missing.
func (m *Model) survey() tea.Cmd {
	if m.subject.Name != "" {
		if m.player.on {
			return nil // it will be computed when there is time
		}
		return tea.Batch(m.compute(), m.recount(m.subject))
	}
	compute := m.computeAll()
	if r := m.list.chosen(m.filter, m.chosen); r != nil && m.list.state == m.state {
		compute = tea.Batch(compute, m.recount(refOf(r)))
	}
	if m.list.busy || m.list.state == m.state {
		return compute
	}
	m.list.busy = true
	s := m.state
	return tea.Batch(compute, m.jobs.do(func(context.Context) tea.Msg { return listMsg{s, verdict.Overview(s)} }))
}

// listed takes the Services up; if the cursor has moved meanwhile, they are
// looked at again.
func (m *Model) listed(msg listMsg) tea.Cmd {
	wanted := cmp.Or(m.wanted, m.chosenService())
	m.list = list{state: msg.state, reports: msg.reports}
	if m.list.state == m.state {
		m.wanted = store.Ref{}
	}
	m.arrange(wanted)
	return m.survey()
}

// chosenService is the Service that somebody chose; it stays chosen when the list
// changes. Where nobody did, the zero value: the first is, whichever that becomes.
func (m *Model) chosenService() store.Ref {
	if r := m.list.chosen(m.filter, m.chosen); r != nil && m.chosen > 0 {
		return refOf(r)
	}
	return store.Ref{}
}

// arrange completes and sorts the list by what is known of the whole recording.
func (m *Model) arrange(wanted store.Ref) {
	m.absent()
	m.sortList()
	for i, r := range m.list.shown(m.filter) {
		if refOf(r) == wanted {
			m.chosen = i
		}
	}
}

// absent adds to the list the Services that the recording has at other times.
func (m *Model) absent() {
	there := map[store.Ref]bool{}
	for i := range m.list.reports {
		there[refOf(&m.list.reports[i])] = true
	}
	for _, ref := range slices.SortedFunc(maps.Keys(m.all.of), func(a, b store.Ref) int { return cmp.Compare(fullName(a), fullName(b)) }) {
		if !there[ref] {
			r := analyzer.Report{Subject: analyzer.Subject{Kind: "Service", Namespace: ref.Namespace, Name: ref.Name}}
			r.Verdict.State = analyzer.Absent
			m.list.reports = append(m.list.reports, r)
		}
	}
}

// sortList puts what is worst at the cursor first, then what was hurt longest over
// the recording, then by name, numbers in their order.
func (m *Model) sortList() {
	hurt := map[store.Ref]time.Duration{}
	for ref, spans := range m.all.of {
		for i := range spans {
			if s := &spans[i]; !s.unborn && badness(s.state) > badness(analyzer.Unknown) {
				hurt[ref] += s.to.Sub(s.from)
			}
		}
	}
	slices.SortStableFunc(m.list.reports, func(a, b analyzer.Report) int {
		x, y := refOf(&a), refOf(&b)
		return cmp.Or(
			cmp.Compare(listRank(&a), listRank(&b)),
			cmp.Compare(hurt[y], hurt[x]), cmp.Compare(x.Namespace, y.Namespace), replay.CompareNames(x.Name, y.Name),
		)
	})
}

// listRank orders verdicts worst first, and last what is not there.
func listRank(r *analyzer.Report) int {
	if r.Verdict.State == analyzer.Absent {
		return len(r.Verdict.State) + verdict.Rank(analyzer.Serving)
	}
	return verdict.Rank(r.Verdict.State)
}

// shown are the Services that pass the filter.
func (l *list) shown(filter string) []*analyzer.Report {
	var rows []*analyzer.Report
	for i := range l.reports {
		r := &l.reports[i]
		if mentions(r.Subject.Namespace+"/"+r.Subject.Name+" "+string(r.Verdict.State)+" "+r.Headline.ID, filter) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (l *list) chosen(filter string, at int) *analyzer.Report {
	if rows := l.shown(filter); at < len(rows) {
		return rows[at]
	}
	return nil
}

func refOf(r *analyzer.Report) store.Ref {
	return store.Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "services"}, Namespace: r.Subject.Namespace, Name: r.Subject.Name}
}

// listLines are the rows of the list, the chosen one marked. Each has its course
// over the recording, on the same axis as the scrubber.
func (m *Model) listLines(width, height int) []string {
	rows := m.list.shown(m.filter)
	if m.list.state == nil {
		return []string{faint("looking at all Services ...")}
	}
	if len(rows) == 0 {
		return []string{"no Services at " + m.clock(m.at())}
	}
	wide := []int{9, 7, 7, 9}
	cells := make([][]string, len(rows))
	for i, r := range rows {
		cells[i] = []string{report.Clean(r.Subject.Namespace), report.Clean(r.Subject.Name), string(r.Verdict.State), fmt.Sprintf("%d/%d", r.Endpoints.Ready, r.Endpoints.Desired)}
		for c := range wide {
			wide[c] = max(wide[c], len([]rune(cells[i][c])))
		}
	}
	line := func(c []string, course, why string) string {
		return fmt.Sprintf("  %-*s  %-*s  %-*s  %-*s  %s  %s", wide[0], c[0], wide[1], c[1], wide[2], c[2], wide[3], c[3], course, why)
	}
	a := m.axis(max(10, width/6))
	at := a.column(m.at())
	why := "WHY"
	if len(rows) > height-1 {
		why += fmt.Sprintf("  %d of %d", min(m.chosen, len(rows)-1)+1, len(rows))
	}
	out := []string{bold(line([]string{"NAMESPACE", "SERVICE", "VERDICT", "ENDPOINTS"}, fit("COURSE", a.width), why))}
	m.chosen = min(m.chosen, len(rows)-1)
	m.layout.first = window(len(rows), m.chosen, height-1)
	for i := m.layout.first; i < len(rows) && len(out) < height; i++ {
		r := rows[i]
		strip := m.strip(a, m.all.of[refOf(r)])
		strip[at] = reverse(ansi.Strip(strip[at]))
		course, why := strings.Join(strip, ""), report.Clean(report.Why(r))
		switch {
		case r.Verdict.State == analyzer.Absent:
			why = "not there now"
		case why == "":
			why = "-"
		}
		switch color := colorOf(r.Verdict.State); {
		case i == m.chosen && m.pane == paneObjects:
			out = append(out, chosen(line(cells[i], course, why), width))
		case r.Verdict.State == analyzer.Absent:
			out = append(out, faint(strings.TrimSuffix(line(cells[i], "", ""), "  "))+course+"  "+faint(why))
		default:
			out = append(out, paint(color, strings.TrimSuffix(line(cells[i], "", ""), "  "))+course+"  "+paint(color, why))
		}
	}
	return out
}

// window is the first of the rows to show, so that the chosen one is among
// them.
func window(rows, chosen, height int) int {
	return max(0, min(chosen-height/2, rows-height))
}
