package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// Options say how text is shown. The zero value prints UTF-8 without colour in
// UTC. Nothing depends on colour: every state is also a word.
type Options struct {
	Color bool
	ASCII bool // for terminals without UTF-8
	Zone  *time.Location
	// Brief leaves out the evidence, and of the checklist the words of the steps
	// that do not fail: for where they are a key away.
	Brief     bool
	NoHeaders bool // lists without the names of the columns
}

// Text prints the report for a person: the headline, why, the checklist, then
// the rest. Sections with nothing in them are left out.
func Text(w io.Writer, e Envelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.At.Time}
	if e.Reconstructed {
		p.past(e)
		return p.w.Flush()
	}
	p.head(e)
	if o.Brief {
		p.marks(e.Checklist)
	}
	p.findings("because", e.Because, true)
	p.facts("before the recording (reconstructed)", e.Facts)
	if !o.Brief {
		p.checklist(e.Checklist)
	}
	p.endpoints(e.Endpoints)
	p.findings("also", e.Also, true)
	p.findings("symptoms", e.Symptoms, false)
	p.lastWords(e.LastWords)
	p.findings("risks", e.Risks, true)
	p.findings("hints", e.Hints, false)
	p.lines("undecided", e.Undecided)
	p.lines("no API object can tell", e.Unknowable)
	if e.Recording.Live {
		p.lines("next", e.Next)
	} else {
		p.thenAndNow(e.Next, e.Subject)
	}
	return p.w.Flush()
}

type printer struct {
	w  *bufio.Writer
	o  Options
	at time.Time
}

func (p *printer) head(e Envelope) {
	subject := e.Subject.Kind + " " + path(e.Subject)
	since := ""
	if !e.Verdict.Since.IsZero() {
		since = "  since " + p.clock(e.Verdict.Since) + p.ago(e.Verdict.Since)
		if e.Verdict.SinceNote != "" {
			since += ", " + e.Verdict.SinceNote
		}
	}
	state := string(e.Verdict.State)
	if e.Verdict.Intent != "" {
		state += " (" + e.Verdict.Intent + ")"
	}
	p.line("%s  %s%s", p.paint(bold, subject), p.paint(stateColor(e.Verdict.State), state), since)
	p.line("  %s", p.paint(bold, p.say(e.Headline.Message)))
	var facts []string
	if e.Headline.ID != "" {
		facts = append(facts, Clean(e.Headline.ID))
	}
	if e.Verdict.Certainty != "" {
		facts = append(facts, string(e.Verdict.Certainty))
	}
	for _, c := range e.Verdict.Classes {
		f := c.Class + " " + c.Result
		if c.Detail != "" {
			f += " (" + Clean(c.Detail) + ")"
		}
		facts = append(facts, f)
	}
	p.line("  %s", strings.Join(facts, p.dot()))
}

func (p *printer) findings(title string, list []analyzer.Finding, evidence bool) {
	if len(list) == 0 {
		return
	}
	p.title(title)
	for _, f := range list {
		id := f.ID
		if f.Variant != "" {
			id += "[" + f.Variant + "]"
		}
		p.line("  %s  %s", p.paint(bold, Clean(id)), p.say(f.Message))
		if !evidence || p.o.Brief {
			continue
		}
		for i, ev := range f.Evidence {
			if i == maxEvidence {
				p.line("      ... and %d more (-o json)", len(f.Evidence)-i)
				break
			}
			p.line("      %s", p.evidence(ev))
		}
	}
}

// maxEvidence is how many rows of evidence one finding shows; JSON has all.
const maxEvidence = 4

func (p *printer) evidence(ev analyzer.Evidence) string {
	var b strings.Builder
	if ev.Seq > 0 {
		fmt.Fprintf(&b, "%s ", p.paint(faint, fmt.Sprintf("#%d", ev.Seq)))
	}
	b.WriteString(ev.Kind + " " + Clean(slash(ev.Namespace, ev.Name)))
	if ev.Path != "" {
		b.WriteString(" " + p.paint(faint, Clean(ev.Path)))
	}
	if ev.Path == "/metadata/managedFields" { // the analyzer's words for a writer and a time
		ev.Value = p.say(ev.Value)
	}
	switch {
	case ev.Old != "" && ev.Value != "":
		fmt.Fprintf(&b, " %s %s %s", Clean(ev.Old), p.arrow(), Clean(ev.Value))
	case ev.Value != "":
		b.WriteString(" = " + Clean(ev.Value))
	case ev.Old != "":
		b.WriteString(" was " + Clean(ev.Old))
	}
	if ev.Note != "" {
		b.WriteString(" (" + Clean(ev.Note) + ")")
	}
	return b.String()
}

func (p *printer) checklist(steps []analyzer.Step) {
	if len(steps) == 0 {
		return
	}
	p.title("checklist")
	width := 0
	for _, s := range steps {
		width = max(width, len(s.Text))
	}
	for _, s := range steps {
		p.line("  %s %s  %-*s  %s", s.Step, p.mark(s.Result), width, s.Text, Clean(s.Evidence))
	}
}

// marks prints the checklist as one line of results, and the steps that fail.
func (p *printer) marks(steps []analyzer.Step) {
	if len(steps) == 0 {
		return
	}
	var all []string
	for _, s := range steps {
		all = append(all, s.Step+p.colon()+strings.ReplaceAll(p.mark(s.Result), " ", ""))
	}
	p.line("  %s", strings.Join(all, " "))
	for _, s := range steps {
		if s.Result == "no" {
			p.line("  %s %s  %s: %s", s.Step, p.mark(s.Result), s.Text, Clean(s.Evidence))
		}
	}
}

// colon parts a step from its result where that is a word.
func (p *printer) colon() string {
	if p.o.ASCII {
		return ":"
	}
	return ""
}

func (p *printer) endpoints(e analyzer.Endpoints) {
	if len(e.Items) == 0 {
		return
	}
	p.title("endpoints (" + phrase.ReadyOf(e.Ready, e.Desired) + ")")
	rows := [][]string{}
	for i, it := range e.Items {
		if i == maxEndpoints {
			break
		}
		rows = append(rows, []string{it.State, Clean(it.Address), Clean(strings.Join(it.Ports, ",")), Clean(it.Pod), Clean(it.Node), Clean(it.Reason)})
	}
	p.table(rows)
	if n := len(e.Items) - maxEndpoints; n > 0 {
		p.line("  ... and %d more (-o json)", n)
	}
}

// maxEndpoints is how many endpoints text shows; JSON has all.
const maxEndpoints = 20

func (p *printer) table(rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range r {
			if widths[i] > 0 {
				fmt.Fprintf(&b, "  %-*s", widths[i], c)
			}
		}
		p.line("%s", strings.TrimRight(b.String(), " "))
	}
}

func (p *printer) lines(title string, list []string) {
	if len(list) == 0 {
		return
	}
	p.title(title)
	for _, l := range list {
		p.line("  %s", p.say(l))
	}
}

// thenAndNow prints what to run, as of the recorded instant, and what shows whether
// that still holds: of a recording nobody knows how old it is when it is read.
func (p *printer) thenAndNow(then []string, subject analyzer.Subject) {
	if len(then) == 0 {
		return
	}
	p.title("next")
	for i, l := range then {
		p.line("  %-5s %s", map[bool]string{true: "then:"}[i == 0], p.say(l))
	}
	if subject.Name != "" {
		p.line("  now:  %s", Clean(NowCommand(subject)))
	}
}

func (p *printer) title(s string) {
	p.line("")
	p.line("%s", p.paint(faint, strings.ToUpper(s)))
}

// line writes one line. The writer keeps the first error until Flush.
func (p *printer) line(format string, args ...any) {
	fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// zone is the viewer's.
func (p *printer) zone() *time.Location {
	if p.o.Zone == nil {
		return time.UTC
	}
	return p.o.Zone
}

// event names a position.
func (p *printer) event(seq store.Seq) string { return p.paint(faint, eventID(seq)) }

func (p *printer) clock(t time.Time) string {
	zone := p.zone()
	if t, at := t.In(zone), p.at.In(zone); t.YearDay() != at.YearDay() || t.Year() != at.Year() {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.In(zone).Format("15:04:05")
}

func (p *printer) ago(t time.Time) string {
	d := p.at.Sub(t)
	if d < time.Second {
		return ""
	}
	return " (" + Duration(d) + ")"
}

// Duration prints a duration the way kubectl prints ages: its one or two
// largest units.
func Duration(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 120:
		return fmt.Sprintf("%ds", s)
	case s < 600:
		return join(s/60, "m", s%60, "s")
	case s < 3*3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 8*3600:
		return join(s/3600, "h", s%3600/60, "m")
	case s < 48*3600:
		return fmt.Sprintf("%dh", s/3600)
	case s < 8*86400:
		return join(s/86400, "d", s%86400/3600, "h")
	case s < 2*365*86400:
		return fmt.Sprintf("%dd", s/86400)
	}
	return join(s/(365*86400), "y", s%(365*86400)/86400, "d")
}

func join(a int64, au string, b int64, bu string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, au)
	}
	return fmt.Sprintf("%d%s%d%s", a, au, b, bu)
}

func path(s analyzer.Subject) string { return Clean(slash(s.Namespace, s.Name)) }

func slash(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}
