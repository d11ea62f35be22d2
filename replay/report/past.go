package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// FactList is what is known of the time before a recording: all of it is
// reconstructed from what objects still told when it began.
type FactList struct {
	APIVersion    string      `json:"apiVersion"`
	Kind          string      `json:"kind"` // FactList
	Recording     Recording   `json:"recording"`
	Reconstructed bool        `json:"reconstructed"` // always true
	Items         []past.Fact `json:"items"`
}

// NewFactList puts facts into their envelope.
func NewFactList(info store.Info, facts []past.Fact) FactList {
	if facts == nil {
		facts = []past.Fact{}
	}
	return FactList{APIVersion: APIVersion, Kind: "FactList", Recording: RecordingOf(info), Reconstructed: true, Items: facts}
}

// FactLine is one fact as a document of its own.
type FactLine struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // Fact
	past.Fact
}

// NewFactLine puts a fact into its envelope.
func NewFactLine(f past.Fact) FactLine {
	return FactLine{APIVersion: APIVersion, Kind: "Fact", Fact: f}
}

// FactListText prints a line for each fact, oldest first.
func FactListText(w io.Writer, l FactList, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: l.Recording.Start}
	for i := range l.Items {
		p.line("%s", p.fact(&l.Items[i]))
	}
	if len(l.Items) == 0 {
		p.line("nothing is known of the time before %s", when.Format(l.Recording.Start))
	}
	return p.w.Flush()
}

// fact prints one fact on one line.
func (p *printer) fact(f *past.Fact) string { return p.acts([]*past.Fact{f}) }

// acts prints facts that differ only in their object and their moment on one
// line: when, how much later it may have been, the event it was read from, what.
func (p *printer) acts(same []*past.Fact) string {
	f, last := same[0], same[len(same)-1]
	when := p.clock(f.Time) + " " + uncertainty(f, last)
	text := Clean(f.String())
	if n := len(same); n > 1 {
		var names []string
		for _, f := range same[:min(n, 3)] {
			names = append(names, Clean(f.Subject.Name))
		}
		if n > 3 {
			names = append(names, fmt.Sprintf("%d more", n-3))
		}
		text = fmt.Sprintf("each of %d %ss %s: %s", n, Clean(f.Subject.Kind), Clean(f.Says()), strings.Join(names, ", "))
	}
	text = fmt.Sprintf("%s reconstructed %s %s", when, p.paint(faint, fmt.Sprintf("#%d", f.Seq)), text)
	if !f.Stated.IsZero() {
		text += fmt.Sprintf(" (%s by the clock of the %s)", p.clock(f.Stated), f.Clock)
	}
	if f.Link != "" {
		text += "  " + p.paint(bold, string(f.Link))
		if f.Note != "" {
			text += ": " + Clean(f.Note)
		}
	}
	return text
}

// uncertainty is how much earlier and later than the time that is shown the
// first and the last of some facts may have happened.
func uncertainty(first, last *past.Fact) string {
	text := ""
	if d := first.Time.Sub(first.Earliest); d > 0 {
		text = "-" + short(d) + "/"
	}
	return text + "+" + short(last.Latest.Sub(first.Time))
}

// short prints a duration that is mostly a second or less.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return Duration(d)
	case d < time.Millisecond:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// maxFacts is how many lines of facts text shows of one report; JSON has all.
const maxFacts = 20

// facts prints facts, those that happened to many objects at once together: the
// last ones, if there are too many.
func (p *printer) facts(title string, facts []past.Fact) {
	if len(facts) == 0 {
		return
	}
	p.title(title)
	lines := together(facts)
	if n := len(lines) - maxFacts; n > 0 {
		p.line("  ... %d earlier (-o json)", n)
		lines = lines[n:]
	}
	for _, same := range lines {
		p.line("  %s", p.acts(same))
	}
}

// together groups facts that differ only in their object and by a few seconds.
func together(facts []past.Fact) [][]*past.Fact {
	const act = 5 * time.Second
	var groups [][]*past.Fact
next:
	for i := range facts {
		f := &facts[i]
		for j, g := range groups {
			if f.Time.Sub(g[0].Time) <= act && f.Alike(g[0]) {
				groups[j] = append(g, f)
				continue next
			}
		}
		groups = append(groups, []*past.Fact{f})
	}
	return groups
}

// past prints a report of an instant before the recording.
func (p *printer) past(e Envelope) {
	p.line("%s  %s  %s", p.paint(bold, e.Subject.Kind+" "+path(e.Subject)), p.paint(stateColor(e.Verdict.State), string(e.Verdict.State)), p.paint(bold, "RECONSTRUCTED"))
	p.line("  %s", p.paint(bold, Clean(e.Headline.Message)))
	p.line("  %s", e.Verdict.Certainty)
	p.standing(e.Facts)
	p.known(e.Facts)
	p.lines("undecided", e.Undecided)
}

// known prints the facts but for what happens whenever all goes well.
func (p *printer) known(facts []past.Fact) {
	p.facts("what had happened (reconstructed)", slices.DeleteFunc(slices.Clone(facts), func(f past.Fact) bool { return f.Routine() }))
}

// standing prints what was true at the instant, because it has stayed so until
// the recording began.
func (p *printer) standing(facts []past.Fact) {
	held := slices.DeleteFunc(slices.Clone(facts), func(f past.Fact) bool {
		kind := f.Subject.Kind
		return f.What != past.Condition || kind != "Pod" && kind != "Node" || !strings.Contains(f.Path, "[type=Ready]") || f.Routine()
	})
	if len(held) == 0 {
		return
	}
	p.title("what was so (reconstructed)")
	for _, g := range together(held) {
		f := g[0]
		names := make([]string, 0, 4)
		for _, f := range g[:min(len(g), 3)] {
			names = append(names, Clean(f.Subject.Name))
		}
		if n := len(g) - 3; n > 0 {
			names = append(names, fmt.Sprintf("%d more", n))
		}
		p.line("  %s reconstructed: Ready=%s since %s %s, per status: %s", Clean(phrase.Quantity(len(g), f.Subject.Kind)), Value(f.New), p.clock(f.Time), uncertainty(f, g[len(g)-1]), strings.Join(names, ", "))
	}
}
