package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
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
	// Outages is how many there were, and OutagesSeconds how long the subject was not
	// healthy in them.
	Outages        int          `json:"outages"`
	OutagesSeconds float64      `json:"outagesSeconds"`
	Marks          []store.Mark `json:"marks,omitempty"` // of the time from the first item to the last
	// Risks are the writes after which the subject served on and was less safe, or
	// safer; of bisect the one that it found.
	Risks []story.RiskChange `json:"risks,omitempty"`
}

// TimelineItem is a stretch of one verdict.
type TimelineItem struct {
	From        time.Time          `json:"from"`
	To          time.Time          `json:"to"`
	Seq         store.Seq          `json:"seq"`
	Event       store.Seq          `json:"event,omitempty"` // with which it began; none if it began as time passed
	State       analyzer.State     `json:"state"`
	Intent      string             `json:"intent,omitempty"`
	Gap         string             `json:"gap,omitempty"` // what was not being listened to
	Headline    analyzer.Headline  `json:"headline"`
	Ready       int                `json:"ready"`
	Desired     int                `json:"desired"`
	Lost        []cause.Loss       `json:"lost,omitempty"`
	NotReplaced *story.NotReplaced `json:"notReplaced,omitempty"`
	Changes     []change.Change    `json:"changes"`
	LastChange  *change.Change     `json:"lastChange,omitempty"` // if nothing explains it
	// Reconstructed says that the stretch lies before the recording, and Facts
	// what is known of it.
	Reconstructed bool        `json:"reconstructed,omitempty"`
	Facts         []past.Fact `json:"facts,omitempty"`
}

// NewTimeline puts the transitions of a subject into their envelope.
func NewTimeline(info store.Info, all []story.Transition, complete bool) TimelineEnvelope {
	e := TimelineEnvelope{APIVersion: APIVersion, Kind: "Timeline", Recording: RecordingOf(info), Complete: complete, Items: []TimelineItem{}}
	for i := range all {
		e.Subject = all[i].Report.Subject
		e.Items = append(e.Items, itemOf(&all[i]))
		if r := all[i].Risk; r != nil {
			e.Risks = append(e.Risks, *r)
		}
	}
	recorded := []verdict.Segment{}
	for i := range all {
		if !all[i].Reconstructed {
			recorded = append(recorded, all[i].Segment)
		}
	}
	for _, o := range story.Outages(store.Ref{}, recorded) {
		e.Outages += o.Times
		e.OutagesSeconds += o.Down.Seconds()
	}
	return e
}

// Risk adds the changes of risk that lie in the timeline, where they explain no
// change of verdict.
func (e *TimelineEnvelope) Risk(all []story.RiskChange) {
	for _, r := range all {
		at, told := r.Change.ObservedAt, false
		for i := range e.Items {
			told = told || slices.ContainsFunc(e.Items[i].Changes, func(c change.Change) bool { return c.Seq == r.Change.Seq })
		}
		if n := len(e.Items); n > 0 && !told && !at.Before(e.Items[0].From) && at.Before(e.Items[n-1].To) {
			e.Risks = append(e.Risks, r)
		}
	}
}

// Mark adds the marks that lie in the timeline.
func (e *TimelineEnvelope) Mark(marks []store.Mark) {
	if n := len(e.Items); n > 0 {
		e.Marks = marksBetween(marks, e.Items[0].From, e.Items[n-1].To.Add(1))
	}
}

func itemOf(t *story.Transition) TimelineItem {
	r := &t.Report
	item := TimelineItem{
		From: t.From.UTC(), To: t.To.UTC(), Seq: t.Seq, Event: t.Event, State: r.Verdict.State, Intent: r.Verdict.Intent, Gap: t.Gap, Headline: r.Headline,
		Ready: r.Endpoints.Ready, Desired: r.Endpoints.Desired,
		Lost: t.Lost, NotReplaced: t.Missing, Changes: t.Changes, LastChange: t.LastChange,
	}
	item.Reconstructed, item.Facts = t.Reconstructed, t.Facts
	if item.Changes == nil {
		item.Changes = []change.Change{}
	}
	return item
}

// TimelineText prints a line for each stretch, and under it what explains it.
func TimelineText(w io.Writer, e TimelineEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.Recording.End}
	p.line("%s", p.paint(bold, e.Subject.Kind+" "+path(e.Subject)))
	for i := range e.Items {
		it := &e.Items[i]
		p.item(it)
		for _, r := range e.Risks {
			if at := r.Change.ObservedAt; !at.Before(it.From) && at.Before(it.To) {
				p.risk(it, &r)
			}
		}
		to := it.To
		if i == len(e.Items)-1 {
			to = to.Add(1)
		}
		for _, m := range marksBetween(e.Marks, it.From, to) {
			p.line("%s %6s  %s", p.clock(m.Time), "", p.remark(&m, MarkOrigin(&m, e.Recording.SHA256, e.Recording.End)))
		}
	}
	if dark := darkness(e.Items); len(dark) > 0 || e.Outages > 0 {
		p.line("")
		text := e.sum(dark)
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
	p.line("%s %s %6s  %s  %d/%d  %s", p.clock(it.From), p.paint(faint, fmt.Sprintf("%-6s", eventID(it.Event))), span(it.From, it.To), p.paint(stateColor(it.State), fmt.Sprintf("%-16s", state)), it.Ready, it.Desired, why)
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

// risk prints a write that changed no verdict, and under it what it did to the risk.
func (p *printer) risk(it *TimelineItem, r *story.RiskChange) {
	if !slices.ContainsFunc(it.Changes, func(c change.Change) bool { return c.Seq == r.Change.Seq }) {
		p.line("      %s", p.change(&r.Change))
	}
	for _, text := range r.Worse {
		p.line("        %s %s", p.paint(yellow, "riskier:"), Clean(text))
	}
	for _, id := range r.Began {
		p.line("        %s %s: %s", p.paint(yellow, "riskier:"), Clean(id), registry.Lookup(id).Meaning)
	}
	for _, text := range r.Better {
		p.line("        safer: %s", Clean(text))
	}
	for _, id := range r.Ended {
		p.line("        safer: no %s any more", Clean(id))
	}
}

// eventID names a position, "" for none.
func eventID(seq store.Seq) string {
	if seq == 0 {
		return ""
	}
	return fmt.Sprintf("#%d", seq)
}

// dark is a recorded stretch in which nothing was served.
type dark struct{ from, to time.Time }

func darkness(items []TimelineItem) []dark {
	var all []dark
	was := false
	for i := range items {
		it := &items[i]
		if it.Reconstructed {
			continue
		}
		is := it.State == analyzer.NotServing || it.State == analyzer.Absent
		if registry.Lookup(it.Headline.ID).Is(registry.NotYetThere) && i < len(items)-1 {
			is = false // it was not there yet
		}
		switch {
		case is && !was:
			all = append(all, dark{it.From, it.To})
		case is:
			all[len(all)-1].to = it.To
		}
		was = is
	}
	return all
}

// outages says how many there were and how long: of many that are alike, how
// long each was and in what time.
func outages(all []dark) string {
	sum, least, most := time.Duration(0), all[0].to.Sub(all[0].from), time.Duration(0)
	for _, d := range all {
		length := d.to.Sub(d.from)
		sum, least, most = sum+length, min(least, length), max(most, length)
	}
	n := len(all)
	if n < 3 {
		return fmt.Sprintf("%s, %s in all", phrase.Quantity(n, "outage"), Duration(sum))
	}
	each := "of " + seconds(most)
	if seconds(least) != seconds(most) {
		each = "of " + seconds(least) + " to " + seconds(most)
	}
	return fmt.Sprintf("%d outages %s in %s, %s in all", n, each, seconds(all[n-1].to.Sub(all[0].from)), seconds(sum))
}

// sum says how many outages there were, how long they were together, and for how
// much of that nothing was served.
func (e *TimelineEnvelope) sum(nothing []dark) string {
	var sum time.Duration
	for _, d := range nothing {
		sum += d.to.Sub(d.from)
	}
	down := ofSeconds(e.OutagesSeconds)
	switch {
	case e.Outages == 0 || seconds(sum) == seconds(down):
		return outages(nothing)
	case sum == 0:
		return fmt.Sprintf("%s, %s in all; something was served all the time", phrase.Quantity(e.Outages, "outage"), Lasting(down))
	}
	return fmt.Sprintf("%s, %s in all; nothing was served for %s of it", phrase.Quantity(e.Outages, "outage"), Lasting(down), Lasting(sum))
}

// seconds prints a duration to the second.
func seconds(d time.Duration) string { return Duration(d.Round(time.Second)) }

// TimelineList is the verdicts on all Services.
type TimelineList struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"` // TimelineList
	Recording  Recording          `json:"recording"`
	Complete   bool               `json:"complete"`
	Items      []TimelineEnvelope `json:"items"`
}

// TimelineLister prints a TimelineList as it becomes known: the Services that had
// something to tell, line by line; the others are counted at the end.
type TimelineLister struct {
	p              *printer
	quiet, printed int
}

// ListTimelines begins the list.
func ListTimelines(w io.Writer, r Recording, o Options) *TimelineLister {
	return &TimelineLister{p: &printer{w: bufio.NewWriter(w), o: o, at: r.End}}
}

// Telling reports whether a Service is printed, and not only counted.
func (*TimelineLister) Telling(e *TimelineEnvelope) bool {
	return len(e.Items) != 1 || e.Items[0].State != analyzer.Serving
}

// Add prints the next Service, or counts it.
func (l *TimelineLister) Add(e *TimelineEnvelope) error {
	if !l.Telling(e) {
		l.quiet++
		return nil
	}
	l.printed++
	l.p.line("%s", l.p.paint(bold, e.Subject.Kind+" "+path(e.Subject)))
	for i := range e.Items {
		l.p.item(&e.Items[i])
	}
	l.p.line("")
	return l.p.w.Flush()
}

// End says how many there were, and whether they were all looked at to the end.
func (l *TimelineLister) End(complete bool) error {
	l.p.line("%d of %d Services were serving all the time", l.quiet, l.quiet+l.printed)
	if !complete {
		l.p.line("interrupted: each is told as far as it was looked at, further Services are not")
	}
	return l.p.w.Flush()
}
