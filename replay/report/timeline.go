package report

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// TimelineEnvelope is the verdicts on one subject over time.
type TimelineEnvelope struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"` // Timeline
	Recording  Recording        `json:"recording"`
	Subject    analyzer.Subject `json:"subject"`
	Complete   bool             `json:"complete"` // false: interrupted, what follows is missing
	Items      []TimelineItem   `json:"items"`
}

// TimelineItem is a stretch of one verdict.
type TimelineItem struct {
	From        time.Time           `json:"from"`
	To          time.Time           `json:"to"`
	Seq         store.Seq           `json:"seq"`
	State       analyzer.State      `json:"state"`
	Intent      string              `json:"intent,omitempty"`
	Gap         string              `json:"gap,omitempty"` // what was not being listened to
	Headline    analyzer.Headline   `json:"headline"`
	Ready       int                 `json:"ready"`
	Desired     int                 `json:"desired"`
	Lost        []replay.Loss       `json:"lost,omitempty"`
	NotReplaced *replay.NotReplaced `json:"notReplaced,omitempty"`
	Changes     []replay.Change     `json:"changes"`
	LastChange  *replay.Change      `json:"lastChange,omitempty"` // if nothing explains it
	// Reconstructed says that the stretch lies before the recording, and Facts
	// what is known of it.
	Reconstructed bool          `json:"reconstructed,omitempty"`
	Facts         []replay.Fact `json:"facts,omitempty"`
}

// NewTimeline puts the transitions of a subject into their envelope.
func NewTimeline(info store.Info, all []replay.Transition, complete bool) TimelineEnvelope {
	e := TimelineEnvelope{APIVersion: APIVersion, Kind: "Timeline", Recording: RecordingOf(info), Complete: complete, Items: []TimelineItem{}}
	for i := range all {
		e.Subject = all[i].Report.Subject
		e.Items = append(e.Items, itemOf(&all[i]))
	}
	return e
}

func itemOf(t *replay.Transition) TimelineItem {
	r := &t.Report
	item := TimelineItem{
		From: t.From.UTC(), To: t.To.UTC(), Seq: t.Seq, State: r.Verdict.State, Intent: r.Verdict.Intent, Gap: t.Gap, Headline: r.Headline,
		Ready: r.Endpoints.Ready, Desired: r.Endpoints.Desired,
		Lost: t.Lost, NotReplaced: t.Missing, Changes: t.Changes, LastChange: t.LastChange,
	}
	item.Reconstructed, item.Facts = t.Reconstructed, t.Facts
	if item.Changes == nil {
		item.Changes = []replay.Change{}
	}
	return item
}

// TimelineText prints a line for each stretch, and under it what explains it.
func TimelineText(w io.Writer, e TimelineEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.Recording.End}
	p.line("%s", p.paint(bold, e.Subject.Kind+" "+path(e.Subject)))
	for i := range e.Items {
		p.item(&e.Items[i])
	}
	if n, dark := darkness(e.Items); n > 0 {
		p.line("")
		text := fmt.Sprintf("%d %s, %s in all", n, plural(n, "outage"), Duration(dark))
		for _, it := range e.Items {
			if it.Reconstructed && it.State == analyzer.NotServing {
				text += fmt.Sprintf(", not counting %s before the recording that are reconstructed", span(it.From, it.To))
			}
		}
		p.line("%s", text)
	}
	if !e.Complete {
		p.line("")
		p.line("interrupted: what came later was not looked at")
	}
	return p.w.Flush()
}

func (p *printer) item(it *TimelineItem) {
	state := string(it.State)
	if it.Intent != "" {
		state += " (" + it.Intent + ")"
	}
	why := Clean(it.Headline.ID)
	if why != "" {
		why += "  " + it.Headline.Subject.Kind + " " + path(it.Headline.Subject)
	}
	if it.Reconstructed {
		p.line("%s %-6s %6s  %s  -/-  reconstructed, possible", p.clock(it.From), "", span(it.From, it.To), p.paint(stateColor(it.State), fmt.Sprintf("%-16s", state)))
		for _, same := range together(it.Facts) {
			p.line("      %s", p.acts(same))
		}
		return
	}
	p.line("%s %s %6s  %s  %d/%d  %s", p.clock(it.From), p.paint(faint, fmt.Sprintf("%-6s", eventID(it.Seq))), span(it.From, it.To), p.paint(stateColor(it.State), fmt.Sprintf("%-16s", state)), it.Ready, it.Desired, why)
	if it.Gap != "" {
		p.line("      %s", p.paint(yellow, "not listening: "+Clean(it.Gap)))
	}
	for i := range it.Changes {
		p.line("      %s", p.change(&it.Changes[i]))
	}
	for _, l := range p.losses(it.Lost) {
		p.line("      lost %s", l)
	}
}

// eventID names a position, "" for none.
func eventID(seq store.Seq) string {
	if seq == 0 {
		return ""
	}
	return fmt.Sprintf("#%d", seq)
}

// darkness counts the stretches in which nothing was served, and how long they
// were together, as far as that was recorded.
func darkness(items []TimelineItem) (n int, dark time.Duration) {
	was := false
	for i := range items {
		if items[i].Reconstructed {
			continue
		}
		is := items[i].State == analyzer.NotServing || items[i].State == analyzer.Absent
		if is && !was {
			n++
		}
		if is {
			dark += items[i].To.Sub(items[i].From)
		}
		was = is
	}
	return n, dark
}

// TimelineList is the verdicts on all Services.
type TimelineList struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"` // TimelineList
	Recording  Recording          `json:"recording"`
	Complete   bool               `json:"complete"`
	Items      []TimelineEnvelope `json:"items"`
}

// TimelineListText prints the Services that had something to tell, line by
// line, and counts the others.
func TimelineListText(w io.Writer, l TimelineList, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: l.Recording.End}
	quiet := 0
	for i := range l.Items {
		e := &l.Items[i]
		if len(e.Items) == 1 && e.Items[0].State == analyzer.Serving {
			quiet++
			continue
		}
		p.line("%s", p.paint(bold, e.Subject.Kind+" "+path(e.Subject)))
		for j := range e.Items {
			p.item(&e.Items[j])
		}
		p.line("")
	}
	p.line("%d of %d Services were serving all the time", quiet, len(l.Items))
	if !l.Complete {
		p.line("interrupted: the Services after these were not looked at")
	}
	return p.w.Flush()
}
