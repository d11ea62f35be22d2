package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/story"
)

// maxNews is how many rows of a kind NewsText shows.
const maxNews = 8

// NewsText prints what is new in an answer against the one before: the verdict
// and the headline, the steps and endpoints that are other ones, and what was
// written in between that can matter.
func NewsText(w io.Writer, before, after Envelope, between []story.Difference, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: after.At.Time}
	p.head(after)
	if was := before.Verdict.State; was != after.Verdict.State {
		p.line("  it was %s%s", p.paint(stateColor(was), string(was)), p.held(&before, &after))
	}
	p.rows(p.newSteps(before.Checklist, after.Checklist))
	p.newEndpoints(before.Endpoints, after.Endpoints)
	p.writes(between)
	if len(after.Next) > 0 && !slices.Equal(before.Next, after.Next) {
		p.lines("next", after.Next)
	}
	return p.w.Flush()
}

// held says for how long a verdict held until another.
func (p *printer) held(before, after *Envelope) string {
	if before.Verdict.Since.IsZero() {
		return ""
	}
	until := after.Verdict.Since
	if !until.After(before.At.Time) {
		until = after.At.Time
	}
	return " for " + Duration(until.Sub(before.Verdict.Since))
}

func (p *printer) newSteps(before, after []analyzer.Step) []string {
	was := map[string]analyzer.Step{}
	for _, s := range before {
		was[s.Step] = s
	}
	var rows []string
	for _, s := range after {
		old, known := was[s.Step]
		text := s.Text
		if s.Evidence != "" {
			text += ": " + Clean(s.Evidence)
		}
		switch {
		case known && old == s:
			continue
		case known && old.Result != s.Result:
			rows = append(rows, fmt.Sprintf("  %s %s %s %s  %s", s.Step, p.mark(old.Result), p.arrow(), p.mark(s.Result), text))
		default:
			rows = append(rows, fmt.Sprintf("  %s %s      %s", s.Step, p.mark(s.Result), text))
		}
	}
	return rows
}

// newEndpoints prints the endpoints that came, went or are in another state.
func (p *printer) newEndpoints(before, after analyzer.Endpoints) {
	key := func(e *analyzer.Endpoint) string { return cmp.Or(e.Pod, e.Address) }
	was := map[string]analyzer.Endpoint{}
	for _, e := range before.Items {
		was[key(&e)] = e
	}
	there := map[string]bool{}
	var rows []string
	say := func(sign string, e *analyzer.Endpoint, state string) {
		reason := ""
		if e.Reason != "" {
			reason = "  " + e.Reason
		}
		rows = append(rows, fmt.Sprintf("  %s %s  %s  %s%s", sign, Clean(key(e)), Clean(e.Address), state, Clean(reason)))
	}
	for _, e := range after.Items {
		there[key(&e)] = true
		switch old, known := was[key(&e)]; {
		case !known:
			say(p.paint(green, "+"), &e, e.State)
		case old.State != e.State:
			say("~", &e, old.State+" "+p.arrow()+" "+e.State)
		case old.Reason != "" && e.Reason == "":
			say("~", &e, e.State+", no longer "+Clean(old.Reason))
		case old.Reason != e.Reason:
			say("~", &e, e.State)
		}
	}
	for _, e := range before.Items {
		if !there[key(&e)] {
			say(p.paint(red, "-"), &e, "was "+e.State)
		}
	}
	if len(rows) == 0 && before.Ready == after.Ready && before.Desired == after.Desired {
		return
	}
	p.title("endpoints (" + phrase.ReadyOf(after.Ready, after.Desired) + ")")
	p.rows(rows)
}

// writes prints what was written, in order.
func (p *printer) writes(between []story.Difference) {
	var all []change.Change
	for _, d := range between {
		all = append(all, d.Changes...)
	}
	if len(all) == 0 {
		return
	}
	inOrder := func(a, b change.Change) int { return cmp.Compare(a.Seq, b.Seq) }
	slices.SortFunc(all, inOrder)
	left := 0
	if len(all) > maxNews+1 {
		// What somebody wanted tells more than what controllers made of it.
		slices.SortStableFunc(all, func(a, b change.Change) int { return cmp.Compare(told(&a), told(&b)) })
		left = len(all) - maxNews
		slices.SortFunc(all[:maxNews], inOrder)
	}
	p.title("what changed")
	for i := range all[:len(all)-left] {
		p.line("  %s", p.change(&all[i]))
	}
	if left > 0 {
		p.line("  ... and %d more", left)
	}
}

// told ranks changes by how much they tell.
func told(c *change.Change) int {
	switch {
	case c.Origin == change.Intent:
		return 0
	case c.Verb != change.Updated:
		return 1
	}
	return 2
}

// rows prints the first rows, and how many more there are.
func (p *printer) rows(rows []string) {
	for i, r := range rows {
		if i == maxNews && len(rows) > maxNews+1 {
			p.line("  ... and %d more", len(rows)-i)
			return
		}
		p.line("%s", r)
	}
}
