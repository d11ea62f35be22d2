package postmortem

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Completeness says whether everything was heard that happened in the window.
type Completeness struct {
	Complete bool     `json:"complete"` // nothing was lost
	Line     string   `json:"line"`     // "no gaps", or how many
	Gaps     []Gap    `json:"gaps"`     // in order
	Notes    []string `json:"notes"`    // what else limits the evidence: clocks, the seal, what was not recorded
}

// Gap is a stretch in which resources were not being listened to.
type Gap struct {
	Resources []string  `json:"resources"` // sorted
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Reason    string    `json:"reason"`
	Lost      bool      `json:"lost"` // false: what was missed came late, but came
	Seq       store.Seq `json:"seq"`
}

// skewed is how far the clocks may be apart before that is worth a word: the
// API server's Date has seconds, and an answer takes its time.
const skewed = 2 * time.Second

// together is how close to each other interruptions of several resources begin
// that are one gap: each stream notices by itself.
const together = 2 * time.Second

// CompletenessIn reads the ledger of a window, and the clocks.
func CompletenessIn(t replay.Timeline, w Window) (Completeness, error) {
	info := t.Info()
	ledger, err := t.Ledger(0, info.Last)
	if err != nil {
		return Completeness{}, fmt.Errorf("read the coverage: %w", err)
	}
	c := Completeness{Complete: true, Gaps: []Gap{}, Notes: []string{}}
	type stream struct{ resource, namespace string }
	open := map[stream]*Gap{}
	refused := map[string]bool{}
	imported := map[store.Status][]string{}
	var all []*Gap
	for i := range ledger {
		e := &ledger[i]
		s := stream{e.Resource.GroupResource().String(), e.Namespace}
		switch e.Status {
		case store.Gap:
			if e.Reason == store.Stopped {
				delete(open, s)
			} else if open[s] == nil {
				g := &Gap{Resources: []string{s.resource}, From: e.Since().UTC(), To: info.End.UTC(), Reason: e.Reason, Lost: true, Seq: e.Seq}
				open[s] = g
				all = append(all, g)
			}
		case store.Current, store.Partial:
			if g := open[s]; g != nil {
				g.To, g.Lost = e.Time.UTC(), !e.Resumed
				delete(open, s)
			}
		case store.Forbidden:
			refused[s.resource] = true
		case store.Revisions, store.Writes, store.Unseen, store.Instant, store.Derived:
			imported[e.Status] = append(imported[e.Status], s.resource)
		}
	}
	lost, late := 0, 0
	for _, g := range merged(all) {
		if !g.To.After(w.From) || g.From.After(w.To) {
			continue
		}
		c.Gaps = append(c.Gaps, *g)
		if g.Lost {
			lost++
		} else {
			late++
		}
	}
	c.Complete = lost == 0
	c.Line = "no gaps"
	if lost > 0 {
		c.Line = phrase.Quantity(lost, "gap") + ": what happened in it may be missing"
		if lost > 1 {
			c.Line = phrase.Quantity(lost, "gap") + ": what happened in them may be missing"
		}
	} else if late > 0 {
		c.Line = "no gaps (" + phrase.Quantity(late, "interruption") + " resumed without loss)"
	}
	if len(refused) > 0 {
		names := make([]string, 0, len(refused))
		for n := range refused {
			names = append(names, n)
		}
		slices.Sort(names)
		c.Notes = append(c.Notes, "The API server refused to list "+words(names, 6)+".")
	}
	for _, status := range []store.Status{store.Revisions, store.Writes, store.Unseen, store.Instant, store.Derived} {
		if names := imported[status]; len(names) > 0 {
			slices.Sort(names)
			c.Notes = append(c.Notes, fmt.Sprintf("Imported: %s (%s).", words(slices.Compact(names), 6), report.CoverageWords(status)))
		}
	}
	if !info.Closed {
		c.Notes = append(c.Notes, "The recording was not sealed: it ends where its recorder stopped writing, and has no digest.")
	}
	if info.First > 1 {
		c.Notes = append(c.Notes, fmt.Sprintf("The recording keeps a window: what was heard before event #%d is left out, but for the state it led to.", info.First))
	}
	clocks, err := clocksOf(t)
	if err != nil {
		return c, err
	}
	c.Notes = append(c.Notes, clocks...)
	return c, nil
}

// merged puts what was interrupted together into one gap each, in order.
func merged(all []*Gap) []*Gap {
	slices.SortStableFunc(all, func(a, b *Gap) int { return a.From.Compare(b.From) })
	var out []*Gap
	for _, g := range all {
		i := slices.IndexFunc(out, func(o *Gap) bool {
			return o.Lost == g.Lost && g.From.Sub(o.From) <= together && !g.From.After(o.To)
		})
		if i < 0 {
			out = append(out, g)
			continue
		}
		o := out[i]
		if !slices.Contains(o.Resources, g.Resources[0]) {
			o.Resources = append(o.Resources, g.Resources[0])
			slices.Sort(o.Resources)
		}
		if g.To.After(o.To) {
			o.To = g.To
		}
	}
	return out
}

// clocksOf says what the samples of the clocks tell against the times.
func clocksOf(t replay.Timeline) ([]string, error) {
	samples, err := t.Clocks()
	if err != nil {
		return nil, fmt.Errorf("read the clocks: %w", err)
	}
	var notes []string
	var skew time.Duration
	for i, c := range samples {
		if i > 0 {
			step := c.Time.Sub(samples[i-1].Time) - (c.Monotonic - samples[i-1].Monotonic)
			if step.Abs() >= time.Second {
				notes = append(notes, fmt.Sprintf("The recorder's clock was set by %s at %s.", signed(step), when.Format(c.Time.UTC())))
			}
		}
		if d := c.Time.Sub(c.ServerDate); !c.ServerDate.IsZero() && d.Abs() > skew.Abs() {
			skew = d
		}
	}
	if skew.Abs() >= skewed {
		notes = append(notes, fmt.Sprintf("The recorder's clock was up to %s from the API server's.", signed(skew)))
	}
	return notes, nil
}

func signed(d time.Duration) string {
	return fmt.Sprintf("%+.1f s", d.Seconds())
}

// words lists names, the first of them if there are many.
func words(names []string, most int) string {
	clean := make([]string, 0, min(len(names), most))
	for _, n := range names[:min(len(names), most)] {
		clean = append(clean, report.Clean(n))
	}
	text := strings.Join(clean, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
