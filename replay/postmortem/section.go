package postmortem

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// A section is a heading with blocks under it. HTML and Markdown print
// sections, and escape in one place each.
type section struct {
	Heading string
	Blocks  []block
}

// aside reports whether a section is for those who check the document: it is folded
// in Markdown, and small on paper.
func (s section) aside() bool {
	return strings.HasPrefix(s.Heading, "Appendix") || strings.HasPrefix(s.Heading, "About")
}

// block is one of a paragraph, a list, a table, commands, a prompt for people,
// the picture or the instants.
type block struct {
	Text     text
	List     []text
	Head     []string // of the table
	Rows     [][]text
	Commands []Command
	Prompt   string
	Picture  bool
	Instants bool
}

// text is runs of words.
type text []run

type run struct {
	Text   string
	Code   bool
	Strong bool
}

func say(format string, args ...any) text { return text{{Text: fmt.Sprintf(format, args...)}} }

func code(s string) text { return text{{Text: s, Code: true}} }

func strong(s string) text { return text{{Text: s, Strong: true}} }

// event is an event's id as `svcspy replay --at` takes it.
func event(seq store.Seq) text {
	if seq == 0 {
		return nil
	}
	return code(fmt.Sprintf("#%d", seq))
}

func join(parts ...text) text {
	var all text
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// sections arranges the document as its template says. What has nothing to say
// is left out.
func (p *Postmortem) sections() ([]section, error) {
	parts, err := templateOf(p.Template)
	if err != nil {
		return nil, err
	}
	var all []section
	for _, part := range parts {
		if part.shows == human {
			all = append(all, section{part.heading, []block{{Prompt: part.prompt}}})
			continue
		}
		if blocks := p.blocks(part.shows); len(blocks) > 0 {
			all = append(all, section{part.heading, blocks})
		}
		if part.shows == causalChain && len(p.LastWords) > 0 {
			all = append(all, section{"Last words of containers", p.lastWords()})
		}
	}
	// The picture comes first, whatever the order: it is what everybody looks at.
	if i := slices.IndexFunc(all, func(s section) bool { return len(s.Blocks) > 0 && s.Blocks[0].Picture }); i > 0 {
		drawn := all[i]
		all = slices.Insert(slices.Delete(all, i, i+1), 0, drawn)
	}
	var about []text
	for _, f := range p.facts() {
		about = append(about, join(strong(f.Name), say(": "), f.Text))
	}
	return append(all, section{"About this recording", []block{{List: about}}}), nil
}

func (p *Postmortem) blocks(c content) []block {
	known := p.Subject.Name != ""
	switch c {
	case summary:
		var blocks []block
		for _, l := range p.Summary {
			blocks = append(blocks, block{Text: say("%s", l)})
		}
		return blocks
	case commands:
		return []block{
			{Text: join(say("Every id such as "), code("#8812"), say(" is a position in the recording: "), code("svcspy replay "+quotedOr(p.File)+" --at '#8812'"), say(" shows the cluster there."))},
			{Commands: p.Commands},
		}
	case redaction:
		return p.redaction()
	case hurtServices:
		return p.hurtTable()
	}
	if !known {
		return nil
	}
	switch c {
	case keyTimes:
		return p.times()
	case impactOfIt:
		return p.impact()
	case triggerOfIt:
		return p.moment("trigger")
	case resolution:
		return append(p.moment("mitigated"), p.moment("impactEnd")...)
	case detection:
		return p.moment("detected")
	case causalChain:
		return p.links(p.Chain, "Nothing was found that had to be explained.")
	case factors:
		return p.links(p.Factors, "None was recorded, which does not mean that there was none.")
	case picture:
		return []block{{Picture: true}}
	case timeline:
		return p.timeline()
	case instants:
		return []block{{Instants: true}}
	}
	return nil
}

// maxLastLines is how many lines of a container's log the document shows.
const maxLastLines = 10

func (p *Postmortem) lastWords() []block {
	var blocks []block
	for _, w := range p.LastWords {
		blocks = append(blocks, block{Text: join(event(w.Seq), say(" %s", w.Whose()))})
		if w.Error != "" {
			blocks = append(blocks, block{Text: say("No log: %s", report.Clean(w.Error))})
			continue
		}
		var lines []text
		for _, line := range w.Lines[max(0, len(w.Lines)-maxLastLines):] {
			lines = append(lines, code(report.Clean(line)))
		}
		blocks = append(blocks, block{List: lines})
	}
	return blocks
}

func quotedOr(file string) string {
	if file == "" {
		return "FILE"
	}
	return quoted(file)
}

// fact is a line of the head of the document.
type fact struct {
	Name string
	Text text
}

// facts say which recording this is, of what, and how complete.
func (p *Postmortem) facts() []fact {
	r := &p.Recording
	cluster := r.Cluster.Context
	if cluster == "" {
		cluster = "not named"
	}
	digest := say("none, as the recording is not sealed")
	if r.SHA256 != "" {
		digest = code(r.SHA256)
	}
	facts := []fact{
		{"Cluster", say("%s, Kubernetes %s", report.Clean(cluster), report.Clean(r.Cluster.Version))},
		{"Recording", code(report.Clean(r.ID))},
		{"SHA-256", digest},
		{"Window", say("%s to %s (%s)", p.moments(p.Window.From), p.moments(p.Window.To), lasting(p.Window.To.Sub(p.Window.From)))},
		{"Recorded by", say("svcspy %s", report.Clean(p.Recorder))},
		{"Redaction", say("%s, version %d", p.Redacted.Policy, p.Redacted.Version)},
		{"Completeness", strong(p.Completeness.Line)},
	}
	for _, g := range p.Completeness.Gaps {
		what := "lost"
		if !g.Lost {
			what = "resumed without loss"
		}
		facts = append(facts, fact{"Gap", join(say("%s to %s: %s (%s), %s ", g.From.Format("15:04:05Z"), g.To.Format("15:04:05Z"), words(g.Resources, 6), report.Clean(g.Reason), what), event(g.Seq))})
	}
	for _, n := range p.Completeness.Notes {
		facts = append(facts, fact{"Note", say("%s", n)})
	}
	return facts
}

// moments says a moment in UTC, and in the document's zone if that is another.
func (p *Postmortem) moments(t time.Time) string {
	utc := clock(t)
	zone := p.zone()
	if zone == time.UTC {
		return utc
	}
	local := t.In(zone)
	if local.Format(time.DateOnly) == t.UTC().Format(time.DateOnly) {
		return utc + " (" + local.Format("15:04:05 -07:00") + ")"
	}
	return utc + " (" + local.Format("2006-01-02 15:04:05 -07:00") + ")"
}

// zone is where the document's readers are.
func (p *Postmortem) zone() *time.Location {
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return time.UTC
	}
	for _, t := range []time.Time{p.Window.From, p.Window.To} {
		if _, offset := t.In(zone).Zone(); offset != 0 {
			return zone
		}
	}
	return time.UTC // also if it has another name
}

func (p *Postmortem) times() []block {
	b := block{Head: []string{"Moment", "Time", "Known how", "Event", "What"}}
	for _, k := range p.KeyTimes {
		at := "unknown"
		if !k.Time.IsZero() {
			at = p.moments(k.Time)
		}
		b.Rows = append(b.Rows, []text{strong(k.Name), say("%s", at), say("%s", k.Certainty), event(k.Seq), say("%s", k.Note)})
	}
	d := block{Head: []string{"Duration", ""}}
	for _, s := range p.Durations {
		d.Rows = append(d.Rows, []text{say("%s", s.Name), say("%s", s.Text)})
	}
	return []block{b, d}
}

// impact is what the recording tells of it.
func (p *Postmortem) impact() []block {
	var list []text
	for _, id := range []string{"impactStart", "impactEnd"} {
		list = append(list, p.keyTime(id))
	}
	for _, s := range p.Durations[3:] {
		list = append(list, say("%s: %s", s.Name, s.Text))
	}
	for _, l := range p.Chain {
		if l.ID == "traffic" || l.ID == "requests" {
			list = append(list, say("%s (%s)", l.Text, l.Certainty))
		}
	}
	return []block{{List: list}}
}

func (p *Postmortem) moment(id string) []block { return []block{{Text: p.keyTime(id)}} }

func (p *Postmortem) keyTime(id string) text {
	for _, k := range p.KeyTimes {
		if k.ID != id {
			continue
		}
		if k.Time.IsZero() {
			return join(strong(k.Name), say(": %s", k.Note))
		}
		return join(strong(k.Name), say(": %s, %s (%s) ", p.moments(k.Time), k.Note, k.Certainty), event(k.Seq))
	}
	return nil
}

func (p *Postmortem) links(links []Link, none string) []block {
	if len(links) == 0 {
		return []block{{Text: say("%s", none)}}
	}
	b := block{Head: []string{"Known how", "What", "Cause", "Event"}}
	for _, l := range links {
		what := say("%s", l.Text)
		if l.Why != "" {
			what = append(what, say(" (%s)", l.Why)...)
		}
		b.Rows = append(b.Rows, []text{strong(string(l.Certainty)), what, say("%s", l.ID), event(l.Seq)})
	}
	return []block{b}
}

func (p *Postmortem) timeline() []block {
	local := p.zone() != time.UTC
	b := block{Head: []string{"Time (UTC)", "What changed", "Object", "Field manager", "Event"}}
	if local {
		b.Head = append([]string{b.Head[0], "Local time"}, b.Head[1:]...)
	}
	var day string
	for _, r := range p.Rows {
		at := r.Time.Format("15:04:05.000")
		if d := r.Time.Format(time.DateOnly); d != day {
			day, at = d, d+" "+at
		}
		what := say("%s", r.What)
		if !r.Earliest.IsZero() {
			what = append(what, say(" It happened at some time after %s; nobody was listening.", r.Earliest.UTC().Format("15:04:05Z"))...)
		}
		if r.Link != "" {
			what = append(what, join(say(" "), strong("("+r.Link+")"))...)
		}
		if r.Kind == "verdict" {
			what = strong(r.What)
		}
		row := []text{say("%s", at), what, say("%s", named(r.Object)), say("%s", r.Manager), event(r.Seq)}
		if local {
			row = append([]text{row[0], say("%s", r.Time.In(p.zone()).Format("15:04:05 -07:00"))}, row[1:]...)
		}
		b.Rows = append(b.Rows, row)
	}
	blocks := []block{b}
	if p.MoreRows > 0 {
		blocks = append(blocks, block{Text: say("… and %d more; svcspy timeline and svcspy changes list them.", p.MoreRows)})
	}
	return blocks
}

func (p *Postmortem) hurtTable() []block {
	if len(p.Hurt) == 0 {
		return nil
	}
	b := block{Head: []string{"Service", "Worst", "From", "To", "Nothing served", "Degraded or worse", "Why", "Event"}}
	for _, h := range p.Hurt {
		b.Rows = append(b.Rows, []text{
			say("%s", named(h.Subject)), strong(string(h.Worst)), say("%s", h.From.Format("15:04:05Z")), say("%s", h.To.Format("15:04:05Z")),
			say("%s", lasting(seconds(h.Dark))), say("%s", lasting(seconds(h.Impaired))), say("%s", report.Clean(h.Headline.ID)), event(h.Seq),
		})
	}
	blocks := []block{
		{Text: say("%d of %s were hurt, worst first. The rest of this document is about the first; svcspy report FILE TYPE/NAME tells of another.", len(p.Hurt)+p.MoreHurt, phrase.Quantity(p.Services, "Service"))},
		b,
	}
	if p.MoreHurt > 0 {
		blocks = append(blocks, block{Text: say("… and %d more; svcspy timeline --all lists them.", p.MoreHurt)})
	}
	return blocks
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (p *Postmortem) redaction() []block {
	list := []text{say("Policy %s, version %d.", p.Redacted.Policy, p.Redacted.Version)}
	for _, n := range p.Redacted.Notes {
		list = append(list, say("%s", n))
	}
	for _, class := range slices.Sorted(maps.Keys(p.Redacted.Counts)) {
		list = append(list, say("In the recording, %s: %d replaced.", report.Clean(class), p.Redacted.Counts[class]))
	}
	if p.Redacted.Tokens > 0 {
		list = append(list, say("This document shows %s.", phrase.Quantity(p.Redacted.Tokens, "token")))
	}
	return []block{{List: list}}
}

// state says a state with what was intended.
func state(v analyzer.Verdict) string {
	if v.Intent == "" {
		return string(v.State)
	}
	return strings.TrimSpace(string(v.State) + " (" + report.Clean(v.Intent) + ")")
}
