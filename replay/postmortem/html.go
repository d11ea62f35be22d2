package postmortem

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/replay/report"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// page is parsed when it is first used, as every command would pay for it.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"event": event, "named": named, "clean": report.Clean, "state": state, "mark": symbol, "tone": lane.Tone,
		"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05Z") },
		"aside":  func(s section) bool { return s.aside() },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"millis": func(t time.Time) int64 { return t.UnixMilli() },
	}).Parse(pageHTML))
})

// policy forbids everything but the style and the script that are in the page.
// Inline style attributes and event handlers are forbidden with it.
var policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", digest(pageCSS), digest(pageJS))

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// HTML prints the document as one file that stands alone: it loads nothing, and
// can be read without JavaScript.
func HTML(w io.Writer, p *Postmortem) error {
	parts, err := p.sections()
	if err != nil {
		return err
	}
	zone := ""
	if p.zone() != time.UTC {
		zone = p.Zone
	}
	return page().Execute(w, map[string]any{
		"P": p, "Zone": zone, "Policy": policy, "CSS": template.CSS(pageCSS), "JS": template.JS(pageJS),
		"Sections": parts, "Drawing": draw(p), "Instants": p.pages(),
	})
}

// sheet is the report at one instant, as the page shows it.
type sheet struct {
	Instant
	Number int
	Moment string // when it began, in all zones
	Lists  []findings
	Worst  bool // the one that is printed
}

// worst is the instant at which most was hurt, for longest.
func (p *Postmortem) worst() int {
	worst := 0
	for i := range p.Instants {
		a, b := &p.Instants[i], &p.Instants[worst]
		x, y := impact(a.Report.Verdict.State), impact(b.Report.Verdict.State)
		if x > y || x == y && a.To.Sub(a.From) > b.To.Sub(b.From) {
			worst = i
		}
	}
	return worst
}

type findings struct {
	Title string
	Items []analyzer.Finding
}

func (p *Postmortem) pages() []sheet {
	all := make([]sheet, 0, len(p.Instants))
	for i, in := range p.Instants {
		s := sheet{Instant: in, Number: i + 1, Moment: p.moments(in.From), Worst: i == p.worst()}
		r := &in.Report
		for _, l := range []findings{{"Because", r.Because}, {"Also", r.Also}, {"Symptoms", r.Symptoms}, {"Risks", r.Risks}} {
			if len(l.Items) > 0 {
				s.Lists = append(s.Lists, l)
			}
		}
		all = append(all, s)
	}
	return all
}

// symbol shows the result of a step of the checklist; the word stands beside it.
func symbol(result string) string {
	switch result {
	case "yes":
		return "✔ yes"
	case "no":
		return "✘ no"
	case "unknown":
		return "? unknown"
	}
	return "– not asked"
}

// drawing is the picture with its geometry. Everything horizontal is a
// percentage, so that it fits any page; everything vertical is in pixels.
type drawing struct {
	Window  Window
	Height  int
	Ticks   []tick
	Lanes   []drawnLane
	Marks   []drawnMark
	Past    float64 // width of the reconstructed part
	More    string
	Bottom  int
	Summary string
}

type tick struct {
	X      float64
	Anchor string
	Label  string
}

type drawnLane struct {
	Label  string
	Y      int // of the label's baseline
	Top    int // of the bar
	Boxes  []box
	Gaps   []box
	Wanted []box
	Words  string
}

type box struct {
	X, W  float64
	Y, H  int
	Tone  string
	Title string
	Label string // inside the box, if there is room
}

type drawnMark struct {
	X      float64
	Anchor string
	Glyph  string
	Text   string
	Time   time.Time
}

const (
	barHeight = 18
	laneStep  = 46
	axis      = 30
	roomy     = 16 // percent of the width in which a word fits, also on a phone
)

// roundSteps are the distances that readers expect between times on an axis.
var roundSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// mostTicks is how many times the axis has.
const mostTicks = 5

// roundTimes returns the times of the axis: full seconds, minutes or hours.
func roundTimes(w Window) (all []time.Time) {
	step := roundSteps[len(roundSteps)-1]
	for _, s := range roundSteps {
		if w.To.Sub(w.From)/s < mostTicks {
			step = s
			break
		}
	}
	for t := w.From.Truncate(step); !t.After(w.To) && len(all) < mostTicks; t = t.Add(step) {
		if !t.Before(w.From) {
			all = append(all, t)
		}
	}
	return all
}

// draw lays the picture out.
func draw(p *Postmortem) drawing {
	pic := &p.Picture
	d := drawing{Window: pic.Window, Bottom: axis + laneStep*len(pic.Lanes), More: more(pic)}
	d.Height = d.Bottom + 8
	whole := pic.Window.To.Sub(pic.Window.From)
	x := func(t time.Time) float64 {
		if whole <= 0 {
			return 0
		}
		return float64(int64(max(0, min(1, float64(t.Sub(pic.Window.From))/float64(whole)))*1e5)) / 1e3
	}
	for _, t := range roundTimes(pic.Window) {
		at := tick{x(t), "middle", t.Format("15:04:05")}
		switch {
		case at.X < 5:
			at.Anchor = "start"
		case at.X > 95:
			at.Anchor = "end"
		}
		d.Ticks = append(d.Ticks, at)
	}
	if !pic.Reconstructed.IsZero() {
		d.Past = x(pic.Reconstructed)
	}
	for i := range pic.Lanes {
		l := &pic.Lanes[i]
		top := axis + laneStep*i + 22
		out := drawnLane{Label: label(l), Y: top - 7, Top: top}
		most := 1
		for _, s := range l.Spans {
			most = max(most, s.Ready, s.Desired)
		}
		var told []string
		for _, s := range l.Spans {
			b := box{X: x(s.From), Y: top, H: barHeight, Tone: toneOf(l, &s), Title: span(&s)}
			if b.W = x(s.To) - b.X; b.W < 0.2 {
				b.W = 0.2
			}
			if b.W > roomy {
				b.Label = s.State
			}
			told = append(told, b.Title)
			if l.Kind == "endpoints" {
				want := b
				b.H = barHeight * s.Ready / most
				b.Y = top + barHeight - b.H
				b.Tone, b.Label = "count", ""
				want.H, want.Y = 2, top+barHeight-max(2, barHeight*s.Desired/most)
				if want.W > roomy/2 {
					want.Label = s.State
				}
				out.Wanted = append(out.Wanted, want)
			}
			out.Boxes = append(out.Boxes, b)
		}
		for _, g := range l.Gaps {
			out.Gaps = append(out.Gaps, box{X: x(g.From), W: max(x(g.To)-x(g.From), 0.2), Y: top - 2, H: barHeight + 4, Title: "nobody was listening from " + g.From.Format("15:04:05Z") + " to " + g.To.Format("15:04:05Z")})
			told = append(told, out.Gaps[len(out.Gaps)-1].Title)
		}
		out.Words = strings.Join(told, "; ")
		d.Lanes = append(d.Lanes, out)
	}
	mark := func(glyph, text string, at time.Time) {
		m := drawnMark{X: x(at), Anchor: "start", Glyph: glyph, Text: text, Time: at}
		if m.X > 50 {
			m.Anchor = "end"
		}
		d.Marks = append(d.Marks, m)
	}
	for _, c := range pic.Deeds {
		mark("▼", c.Text, c.Time)
	}
	for _, k := range pic.Marks {
		mark("▲", k.Text, k.Time)
	}
	if len(d.Marks) > 0 {
		d.Height += 18 * len(d.Marks)
	}
	d.Summary = fmt.Sprintf("%s from %s to %s. The table below says the same in words.", phrase.Quantity(len(d.Lanes), "lane"), pic.Window.From.Format("15:04:05Z"), pic.Window.To.Format("15:04:05Z"))
	return d
}

func label(l *Lane) string {
	switch l.Kind {
	case "pod":
		return "Pod " + l.Object
	case "node":
		return "Node " + l.Object
	}
	return l.Object
}

// span says a stay in words.
func span(s *Stay) string {
	words := fmt.Sprintf("%s to %s %s", s.From.Format("15:04:05Z"), s.To.Format("15:04:05Z"), s.State)
	if s.Note != "" {
		words += " (" + s.Note + ")"
	}
	return words
}
