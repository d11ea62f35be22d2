package postmortem

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
)

// Fact is one line of what a reader must know first.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
	// Command says that the text is a command to be run.
	Command bool `json:"command,omitempty"`
}

// hero says what broke, for how long, what set it off, who wrote that, and what
// ended it.
func (s *documentBuilder) hero(p *Postmortem) []Fact {
	x := s.outage
	if x == nil {
		return []Fact{}
	}
	g := s.group
	until, long := "to "+p.moments(g.To), "("+lasting(g.To.Sub(g.From))+")"
	if g.Open {
		until = "until the end of what was looked at"
	}
	if g.Times > 1 {
		from, to := x.Course[0].From, x.Course[len(x.Course)-1].To
		long = fmt.Sprintf("%s; the worst: %s to %s (%s)", report.HowLong(g.Times, g.AtWorst, g.Down), p.moments(from), p.moments(to), lasting(to.Sub(from)))
		until += ","
	}
	when := fmt.Sprintf("%s %s %s", p.moments(g.From), until, long)
	facts := []Fact{{Name: "What", Text: report.Clean(report.Undated(x.Worst.Later.Headline.Message))}, {Name: "When", Text: when}, {Name: "At worst", Text: string(x.Worst.Report.Verdict.State) + ", with " + endpoints(&x.Worst.Later)}}
	trigger, who := "no recorded change explains it", ""
	if f := s.forerunner(); f != nil {
		trigger = "reconstructed: at " + clock(f.Time) + " " + report.Clean(f.String())
	} else if c := x.Trigger(); c != nil {
		trigger = fmt.Sprintf("at %s, %s: %s (%s)", clock(c.ObservedAt), named(c.Subject), happened(c), linkWords(c.Link))
		who = cmp.Or(report.Who(c), report.NobodyKnown)
	}
	facts = append(facts, Fact{Name: "Trigger", Text: trigger})
	if who != "" {
		facts = append(facts, Fact{Name: "Who", Text: who})
	}
	fixed := "nothing within the recording"
	if r := x.Recovery; r != nil {
		fixed = fmt.Sprintf("%s again at %s, without a recorded change", r.Report.Verdict.State, clock(r.From))
		if c := x.End(); c != nil {
			fixed = fmt.Sprintf("%s (%s)", deed(c), clock(c.ObservedAt))
		}
	}
	facts = append(facts, Fact{Name: "Fixed by", Text: fixed})
	if next := report.NextOf(x.Trigger(), x.Worst.Later.Next); len(next) > 0 {
		facts = append(facts, Fact{Name: "Next, as of then", Text: report.Clean(next[0]), Command: isCommand(next[0])},
			Fact{Name: "Now", Text: report.Clean(report.NowCommand(x.Worst.Report.Subject)), Command: true})
	}
	return append(facts, Fact{Name: "Completeness", Text: p.Completeness.Line})
}

// linkWords say how firmly a change is tied to what it explains.
func linkWords(l change.Link) string {
	switch l {
	case change.Counterfactual:
		return "proved: without it the verdict is another"
	case change.Structural:
		return "by mechanism: what fails has the change, what works does not"
	case change.Correlated:
		return "only close in time"
	}
	return string(l)
}

// mostShortRows is how many rows of the timeline the short document has.
const mostShortRows = 12

// Short prints what fits on half a page, as Markdown: what must be known first,
// the rows that explain it, and two commands.
func Short(w io.Writer, p *Postmortem) error {
	m := &markdown{w: bufio.NewWriter(w), p: p}
	m.line("# %s", escaped(p.Title))
	m.line("")
	if p.Redacted.None {
		m.line("> **Not redacted.** %s", escaped(p.Redacted.Notes[0]))
		m.line("")
	}
	m.hero()
	rows := 0
	for i := range p.Rows {
		r := &p.Rows[i]
		if weight(r) < 3 || r.Kind == "recording" {
			continue
		}
		if rows++; rows > mostShortRows {
			m.line("- …")
			break
		}
		if rows == 1 {
			m.line("")
		}
		m.line("- %s %s", r.Time.Format("15:04:05Z"), escaped(named(r.Object)+": "+r.What))
	}
	m.line("")
	for _, c := range p.Commands {
		if strings.HasPrefix(c.Run, "svcspy explain") || strings.HasPrefix(c.Run, "svcspy report") {
			m.line("- %s: %s", escaped(c.Claim), fenced(c.Run))
		}
	}
	return m.w.Flush()
}

func (m *markdown) hero() {
	for _, f := range m.p.Hero {
		text := escaped(f.Text)
		if f.Command {
			text = fenced(f.Text)
		}
		m.line("- **%s:** %s", escaped(f.Name), text)
	}
	if len(m.p.Hero) == 0 {
		for _, l := range m.p.Summary {
			m.line("- %s", escaped(l))
		}
	}
}

// slackText makes text safe in a message of Slack: nothing of it becomes a
// mention, a link or formatting.
func slackText(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "_", "_"+joiner, "`", "'", "~", "∼", "@", "@"+joiner, "#", "#"+joiner, "://", ":"+joiner+"//").Replace(report.Clean(s))
	return s
}

// slackCode shows a text as code, which nothing in it can end.
func slackCode(s string) string {
	return "`" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace(report.Clean(s)) + "`"
}

// isCommand reports whether a line can be run: some say what to look for elsewhere.
func isCommand(line string) bool {
	return strings.HasPrefix(line, "kubectl ") || strings.HasPrefix(line, "svcspy ")
}

// Slack prints one paragraph to be pasted into a chat, and the command that leads
// to the whole story.
func Slack(w io.Writer, p *Postmortem) error {
	parts := []string{"*" + slackText(p.Title) + "*"}
	for _, f := range p.Hero {
		switch f.Name {
		case "At worst", "Completeness":
		case "What":
			parts = append(parts, slackText(f.Text))
		case "Next, as of then", "Now":
			parts = append(parts, "*"+f.Name+":* "+slackCode(f.Text))
		default:
			parts = append(parts, "*"+f.Name+":* "+slackText(strings.TrimSuffix(f.Text, "."))+".")
		}
	}
	if len(p.Hero) == 0 {
		for _, l := range p.Summary {
			parts = append(parts, slackText(l))
		}
	}
	if p.Redacted.None {
		parts = append(parts, "*Not redacted: the recording may hold secrets.*")
	}
	for _, c := range p.Commands {
		if strings.HasPrefix(c.Run, "svcspy explain") {
			parts = append(parts, slackCode(c.Run))
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(parts, " "))
	return err
}

// gantt draws the picture as Mermaid does, which GitHub and GitLab render. Text in
// it is cut down to what cannot become syntax.
func (m *markdown) gantt() {
	pic := &m.p.Picture
	m.line("```mermaid")
	m.line("gantt")
	m.line("    dateFormat x")
	m.line("    axisFormat %%H:%%M:%%S")
	for i := range pic.Lanes {
		l := &pic.Lanes[i]
		if l.Kind == "endpoints" || len(l.Spans) == 0 {
			continue
		}
		m.line("    section %s", mermaidText(label(l)))
		for j := range l.Spans {
			s := &l.Spans[j]
			if j >= mostBars {
				break
			}
			tag := map[string]string{"bad": "crit, ", "poor": "crit, ", "good": "done, ", "change": "active, "}[toneOf(l, s)]
			m.line("    %s :%s%d, %d", mermaidText(s.State), tag, s.From.UnixMilli(), max(s.To.UnixMilli(), s.From.UnixMilli()+1))
		}
	}
	for _, d := range pic.Deeds {
		m.line("    %s :milestone, %d, 0ms", mermaidText(d.Text), d.Time.UnixMilli())
	}
	m.line("```")
}

// mostBars is how many bars of a lane the chart has.
const mostBars = 40

func mermaidText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" ./-_=", r) {
			return r
		}
		return ' '
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 60 {
		s = s[:60]
	}
	if s == "" {
		return "-"
	}
	return s
}
