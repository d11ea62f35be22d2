package postmortem

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// What the ledger and the clocks say is told in a line, gap by gap.
func TestCompleteness(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	current := []store.Coverage{
		{Time: at(0), Resource: pods, Status: store.Current},
		{Time: at(0), Resource: replay.Services, Status: store.Current},
	}
	gap := func(from, to float64, reason string, resumed bool) []store.Coverage {
		return []store.Coverage{
			{Time: at(from), Resource: pods, Status: store.Gap, Reason: reason},
			{Time: at(from + .5), Resource: replay.Services, Status: store.Gap, Reason: reason},
			{Time: at(to), Resource: pods, Status: store.Current, Resumed: resumed},
			{Time: at(to + .5), Resource: replay.Services, Status: store.Current, Resumed: resumed},
		}
	}
	for _, tt := range []struct {
		name   string
		ledger []store.Coverage
		clocks []store.Clock
		window Window
		line   string
		gaps   []string
		notes  []string // beginnings
	}{
		{name: "nothing missed", line: "no gaps"},
		{
			name: "two streams interrupted together", ledger: gap(10, 20, "410 Gone", false),
			line: "1 gap: what happened in it may be missing", gaps: []string{"pods,services 12:00:10 12:00:20 410 Gone lost"},
		},
		{
			name: "resumed", ledger: gap(10, 20, "EOF", true),
			line: "no gaps (1 interruption resumed without loss)", gaps: []string{"pods,services 12:00:10 12:00:20 EOF late"},
		},
		{
			name: "resumed, of a selection", ledger: []store.Coverage{
				{Time: at(10), Resource: pods, Status: store.Gap, Reason: "EOF"},
				{Time: at(20), Resource: pods, Status: store.Partial, Reason: "only app=web", Resumed: true},
			},
			line: "no gaps (1 interruption resumed without loss)", gaps: []string{"pods 12:00:10 12:00:20 EOF late"},
		},
		{
			name: "twice", ledger: append(gap(10, 20, "EOF", false), gap(40, 50, "EOF", false)...),
			line: "2 gaps: what happened in them may be missing",
			gaps: []string{"pods,services 12:00:10 12:00:20 EOF lost", "pods,services 12:00:40 12:00:50 EOF lost"},
		},
		{name: "outside of the window", ledger: gap(10, 20, "EOF", false), window: Window{at(30), at(60)}, line: "no gaps"},
		{
			name: "the end is no gap", ledger: []store.Coverage{{Time: at(59), Resource: pods, Status: store.Gap, Reason: store.Stopped}},
			line: "no gaps",
		},
		{
			name: "never came back", ledger: []store.Coverage{{Time: at(50), Resource: pods, Status: store.Gap, Reason: "EOF"}},
			line: "1 gap: what happened in it may be missing", gaps: []string{"pods 12:00:50 12:01:00 EOF lost"},
		},
		{
			name: "refused", ledger: []store.Coverage{{Time: at(1), Resource: nodes, Status: store.Forbidden, Reason: "no"}},
			line: "no gaps", notes: []string{"The API server refused to list nodes."},
		},
		{
			name: "clocks", line: "no gaps",
			clocks: []store.Clock{
				{Time: at(0), ServerDate: at(0)},
				{Time: at(20), Monotonic: 10 * time.Second, ServerDate: at(10)},
			},
			notes: []string{"The recorder's clock was set by +10.0 s at 2026-11-24T12:00:20Z.", "The recorder's clock was up to +10.0 s from the API server's."},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := store.NewMemory(store.Header{ID: "x", Start: start})
			for _, c := range append(current, tt.ledger...) {
				if _, err := m.Cover(c); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range tt.clocks {
				if err := m.Clock(c); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := m.Seal(at(60)); err != nil {
				t.Fatal(err)
			}
			if tt.window.To.IsZero() {
				tt.window = Window{start, at(60)}
			}
			c, err := CompletenessIn(m, tt.window)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.line, c.Line); diff != "" {
				t.Error(diff)
			}
			var gaps []string
			for _, g := range c.Gaps {
				how := "late"
				if g.Lost {
					how = "lost"
				}
				gaps = append(gaps, strings.Join([]string{strings.Join(g.Resources, ","), g.From.Format("15:04:05"), g.To.Truncate(time.Second).Format("15:04:05"), g.Reason, how}, " "))
			}
			if diff := cmp.Diff(tt.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			for _, want := range tt.notes {
				if !strings.Contains(strings.Join(c.Notes, "\n"), want) {
					t.Errorf("no note %q in %q", want, c.Notes)
				}
			}
			if len(tt.notes) == 0 && len(c.Notes) > 0 {
				t.Errorf("notes %q", c.Notes)
			}
		})
	}
}

// A recording that was not sealed says so.
func TestNotSealed(t *testing.T) {
	m := store.NewMemory(store.Header{ID: "x"})
	if _, err := m.Cover(store.Coverage{Resource: pods, Status: store.Current}); err != nil {
		t.Fatal(err)
	}
	p := build(t, m, Options{})
	if !strings.Contains(strings.Join(p.Completeness.Notes, " "), "not sealed") || !strings.Contains(printed(t, "md", p), "none, as the recording is not sealed") {
		t.Errorf("notes %q", p.Completeness.Notes)
	}
}
