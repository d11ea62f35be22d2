package tui

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// workloads are the kinds that make Pods.
var workloads = []schema.GroupVersionResource{
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
}

// listPage lists the objects of some kinds at the instant, the worst first.
func listPage(name string, kinds ...schema.GroupVersionResource) func(*Model) *page {
	return func(*Model) *page {
		var of *replay.State // the state that rows are about
		var rows []row
		return &page{
			name: name,
			head: func(*Model) string { return "LIST OF " + name + "  enter looks at one" },
			rows: func(m *Model) []row {
				if of != m.state {
					of, rows = m.state, m.objectRows(kinds)
				}
				return rows
			},
		}
	}
}

// toneRank orders conditions, the worst first.
var toneRank = map[string]int{lane.Bad: -3, lane.Poor: -2, lane.Change: -1}

// toneColor paints them.
var toneColor = map[string]string{lane.Bad: red, lane.Poor: yellow, lane.Change: blue}

func (m *Model) objectRows(kinds []schema.GroupVersionResource) []row {
	type listed struct {
		ref  store.Ref
		tone string
		text string
	}
	var all []listed
	for _, k := range kinds {
		for _, o := range m.state.List(store.Query{Resource: k}) {
			c := lane.Look(o)
			text := fmt.Sprintf("%-48s  %s", titleOf(m.state, o.Ref()), report.Clean(c.State))
			if c.Desired > 0 {
				text += fmt.Sprintf("  %d/%d", c.Ready, c.Desired)
			}
			if o.Namespace != "" {
				text = fmt.Sprintf("%-12s  %s", report.Clean(o.Namespace), text)
			}
			if c.Note != "" {
				text += "  " + report.Clean(c.Note)
			}
			all = append(all, listed{o.Ref(), c.Tone(), text})
		}
	}
	slices.SortStableFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(toneRank[a.tone], toneRank[b.tone]), cmp.Compare(a.ref.Namespace, b.ref.Namespace), replay.CompareNames(a.ref.Name, b.ref.Name))
	})
	var rows []row
	for _, o := range all {
		rows = append(rows, row{text: paint(toneColor[o.tone], o.text), ref: o.ref})
	}
	if len(rows) == 0 {
		rows = plain([]string{"none is known at this instant"})
	}
	return rows
}

// writesMsg brings what people and tools wrote.
type writesMsg struct {
	rows []row
	err  error
}

// changesPage lists what people and tools wrote in the recording.
func changesPage(*Model) *page {
	return &page{
		name: "changes",
		head: func(*Model) string { return "CHANGES by people and tools  enter goes there" },
		rows: func(m *Model) []row {
			switch {
			case m.writesErr != nil:
				return plain([]string{report.Clean(m.writesErr.Error())})
			case m.writes == nil:
				return plain([]string{"being found out ..."})
			case len(m.writes) == 0:
				return plain([]string{"none was recorded"})
			}
			return m.writes
		},
		begin: func(m *Model) tea.Cmd {
			last := m.timeline.Info().Last
			if m.writesTo == last {
				return nil
			}
			m.writesTo = last
			t, o := m.timeline, m.textOptions()
			return m.jobs.do(func(ctx context.Context) tea.Msg {
				msg := writesMsg{rows: []row{}}
				for c, err := range change.Writes(ctx, t, 0, last) {
					if msg.err = err; err != nil {
						break
					}
					msg.rows = append(msg.rows, row{text: report.ChangeBrief(&c, t.Info().End, o), seq: c.Seq})
				}
				return msg
			})
		},
	}
}
