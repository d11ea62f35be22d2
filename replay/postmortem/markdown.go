package postmortem

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/replay/report"
)

// Markdown prints the document to be pasted where Markdown is rendered: GitHub,
// GitLab, wikis, chats. What comes from the cluster stays text there: nothing of
// it becomes markup, a link, an image, a mention or a reference to an issue.
func Markdown(w io.Writer, p *Postmortem) error {
	parts, err := p.sections()
	if err != nil {
		return err
	}
	m := &markdown{w: bufio.NewWriter(w), p: p}
	m.line("# %s", escaped(p.Title))
	m.line("")
	if p.Redacted.None {
		m.line("> **Not redacted.** %s", escaped(p.Redacted.Notes[0]))
		m.line("")
	}
	m.hero()
	for _, s := range parts {
		m.line("")
		m.line("## %s", escaped(s.Heading))
		folded := len(s.Blocks) > 0 && (s.Blocks[0].Instants || s.aside())
		if folded {
			m.line("")
			m.line("<details><summary>show</summary>")
		}
		for i := range s.Blocks {
			m.line("")
			m.block(&s.Blocks[i])
		}
		if folded {
			m.line("")
			m.line("</details>")
		}
	}
	return m.w.Flush()
}

type markdown struct {
	w *bufio.Writer
	p *Postmortem
}

// line writes a line. The writer keeps the first error until Flush.
func (m *markdown) line(format string, args ...any) {
	fmt.Fprintln(m.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

func (m *markdown) block(b *block) {
	switch {
	case b.Text != nil:
		m.line("%s", inline(b.Text))
	case b.List != nil:
		for _, t := range b.List {
			m.line("- %s", inline(t))
		}
	case b.Head != nil:
		m.table(b)
	case b.Commands != nil:
		for _, c := range b.Commands {
			m.line("- %s: %s", escaped(c.Claim), fenced(c.Run))
		}
	case b.Prompt != "":
		m.line("> _To be written by people._ %s", escaped(b.Prompt))
	case b.Picture:
		m.gantt()
		m.line("")
		m.line("<details><summary>the same in letters, with endpoints and gaps</summary>")
		m.line("")
		m.picture()
		m.line("")
		m.line("</details>")
	case b.Instants:
		m.instants()
	}
}

func (m *markdown) table(b *block) {
	cells := make([]string, len(b.Head))
	for i, h := range b.Head {
		cells[i] = escaped(h)
	}
	m.line("| %s |", strings.Join(cells, " | "))
	m.line("|%s", strings.Repeat(" --- |", len(cells)))
	for _, row := range b.Rows {
		for i, t := range row {
			cells[i] = inline(t)
		}
		m.line("| %s |", strings.Join(cells, " | "))
	}
}

// width is how many characters of the picture show the window.
const width = 60

// letters stand for the states in the picture, as there is no colour.
var letters = map[string]byte{
	string(analyzer.Serving): '=', string(analyzer.NotSelected): '=', string(analyzer.NotServing): 'X', string(analyzer.Absent): 'X', string(analyzer.PartiallyServing): 'P',
	string(analyzer.Degraded): 'd', string(analyzer.Converging): '~', string(analyzer.Unknown): '?',
	lane.Ready: '=', lane.NotReady: 'n', lane.Failing: 'f', lane.Pending: '~', lane.Terminating: 't', lane.Ended: 'X', lane.Cordoned: 'c', lane.Exists: '-', lane.ScaledToZero: '0',
}

const legend = "= serving, ready   X not serving, absent, ended   P partly serving   d degraded   ~ converging, pending\n? unknown   n not ready   t terminating   c cordoned   f failing   / nobody was listening   ^ mark"

// picture draws the lanes with one letter for each column, the worst state in
// it. Everything stands in one block of code, so that it lines up.
func (m *markdown) picture() {
	pic := &m.p.Picture
	names := make([]string, len(pic.Lanes))
	longest := 0
	for i := range pic.Lanes {
		l := &pic.Lanes[i]
		if names[i] = l.Object; l.Kind == "pod" || l.Kind == "node" {
			names[i] = l.Kind + " " + l.Object
		}
		if r := []rune(names[i]); len(r) > 40 {
			names[i] = string(r[:39]) + "…"
		}
		longest = max(longest, len([]rune(names[i])))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s %s%*s\n", longest, "", m.p.Picture.Window.From.Format("15:04:05Z"), width-9, m.p.Picture.Window.To.Format("15:04:05Z"))
	for i := range pic.Lanes {
		fmt.Fprintf(&b, "%s%s %s\n", names[i], strings.Repeat(" ", longest-len([]rune(names[i]))), m.lane(&pic.Lanes[i]))
	}
	if len(pic.Marks) > 0 {
		row := []byte(strings.Repeat(" ", width))
		for _, k := range pic.Marks {
			c, _ := m.columns(k.Window())
			row[c] = '^'
		}
		fmt.Fprintf(&b, "%*s %s\n", longest, "", strings.TrimRight(string(row), " "))
	}
	if !pic.Reconstructed.IsZero() {
		first, _ := m.columns(Window{pic.Reconstructed, pic.Reconstructed})
		fmt.Fprintf(&b, "%*s %s| observed from here on; before it, reconstructed\n", longest, "", strings.Repeat(" ", first))
	}
	if more := more(pic); more != "" {
		b.WriteString(more + "\n")
	}
	b.WriteString("\n" + legend)
	text := b.String()
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	m.line("%s", fence)
	m.line("%s", text)
	m.line("%s", fence)
}

// Window is the moment of the mark.
func (k *Mark) Window() Window { return Window{k.Time, k.Time} }

// more says what is not drawn.
func more(p *Picture) string {
	var parts []string
	if p.MorePods > 0 {
		parts = append(parts, phrase.Quantity(p.MorePods, "more Pod"))
	}
	if p.MoreNodes > 0 {
		parts = append(parts, phrase.Quantity(p.MoreNodes, "more Node"))
	}
	if parts == nil {
		return ""
	}
	return "… and " + strings.Join(parts, " and ") + " to which less happened"
}

func (m *markdown) lane(l *Lane) string {
	row := []byte(strings.Repeat(" ", width))
	shown := make([]int, width) // how bad what is drawn is
	draw := func(w Window, letter byte, bad int) {
		first, last := m.columns(w)
		for c := first; c <= last; c++ {
			if bad >= shown[c] {
				row[c], shown[c] = letter, bad
			}
		}
	}
	for i := range l.Spans {
		s := &l.Spans[i]
		w := Window{s.From, s.To}
		if l.Kind == "endpoints" {
			draw(w, digit(s.Ready), 100-min(s.Ready, 99))
			continue
		}
		letter := letters[s.State]
		if letter == 0 { // so many of so many are ready
			letter = map[string]byte{lane.Good: '=', lane.Poor: 'd', lane.Bad: 'X'}[toneOf(l, s)]
		}
		draw(w, letter, strings.IndexByte("-0=c~ntd?PfX", letter)+1)
	}
	for _, g := range l.Gaps {
		draw(g, '/', 1000)
	}
	return strings.TrimRight(string(row), " ")
}

func digit(n int) byte {
	if n > 9 {
		return '+'
	}
	return byte('0' + n)
}

// columns are the first and the last one of a stretch. One that ends where a
// column begins is not seen in it.
func (m *markdown) columns(w Window) (first, last int) {
	whole := m.p.Picture.Window.To.Sub(m.p.Picture.Window.From)
	if whole <= 0 {
		return 0, width - 1
	}
	at := func(d int64) int { return max(0, min(width-1, int(d*width/int64(whole)))) }
	first = at(int64(w.From.Sub(m.p.Picture.Window.From)))
	return first, max(first, at(int64(w.To.Sub(m.p.Picture.Window.From))-1))
}

// instants lists the reports in force, a few lines each.
func (m *markdown) instants() {
	for i := range m.p.Instants {
		in := &m.p.Instants[i]
		r := &in.Report
		m.line("- %s to %s %s **%s** (%s) %s", in.From.Format("15:04:05Z"), in.To.Format("15:04:05Z"), inline(event(in.Event)), escaped(state(r.Verdict)),
			phrase.ReadyOf(r.Endpoints.Ready, r.Endpoints.Desired), escaped(report.Clean(r.Headline.Message)))
		for _, f := range r.Because {
			m.line("  - %s: %s", fenced(report.Clean(f.ID)), escaped(report.Clean(f.Message)))
		}
		var steps []string
		for _, c := range r.Checklist {
			if c.Result == "no" || c.Result == "unknown" {
				steps = append(steps, fmt.Sprintf("%s %s: %s", c.Step, c.Text, c.Result))
			}
		}
		if len(steps) > 0 {
			m.line("  - %s", escaped(report.Clean(strings.Join(steps, "; "))))
		}
	}
	if m.p.MoreInstants > 0 {
		m.line("- … and %d more", m.p.MoreInstants)
	}
}

func inline(t text) string {
	var b strings.Builder
	for _, r := range t {
		switch {
		case r.Code:
			b.WriteString(fenced(r.Text))
		case r.Strong && r.Text != "":
			b.WriteString("**" + escaped(r.Text) + "**")
		default:
			b.WriteString(escaped(r.Text))
		}
	}
	return strings.TrimSpace(b.String())
}

// fenced writes code on one line. The fence is longer than any run of
// backticks in it; a pipe would end a cell of a table even there.
func fenced(s string) string {
	s = strings.ReplaceAll(report.Clean(s), "|", `\|`)
	if s == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence != "`" || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// joiner is a word joiner: it is not seen, and keeps a renderer from making
// a mention, a reference or a link of what stands around it, as no backslash
// does in all of them.
const joiner = "\u2060"

var (
	special = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("[\\\\`*_{}\\[\\]|~$]|^[-+=>]|^[0-9]+[.)]( |$)") })
	linking = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(://|\bwww\.|@|#|\b(?:mailto|xmpp|javascript|data|tel):|\bGH-)`)
	})
	markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// escaped writes text so that it is rendered as it is.
func escaped(s string) string {
	s = special().ReplaceAllStringFunc(s, func(m string) string {
		i := len(strings.TrimRight(m, " ")) - 1 // of a number of a list it is the dot
		return m[:i] + `\` + m[i:]
	})
	s = linking().ReplaceAllStringFunc(s, func(m string) string {
		if m == "://" {
			return ":" + joiner + "//"
		}
		return m + joiner
	})
	return markup.Replace(s)
}
