package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/store"
)

// ExplanationEnvelope is the story of one outage.
type ExplanationEnvelope struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"` // Explanation
	Recording  Recording          `json:"recording"`
	Subject    analyzer.Subject   `json:"subject"`
	From       time.Time          `json:"from"`
	To         time.Time          `json:"to"`
	Over       bool               `json:"over"` // false: it lasts to the end of what was looked at
	Worst      TimelineItem       `json:"worst"`
	Changes    []change.Change    `json:"changes"`              // the trigger first
	LastChange *change.Change     `json:"lastChange,omitempty"` // if nothing recorded explains it
	Because    []analyzer.Finding `json:"because"`
	Also       []analyzer.Finding `json:"also"`  // further causes beside the first of Because
	Began      []story.Onset      `json:"began"` // where the findings began to hold
	// Contributing is what was so besides, and made it worse or may have.
	Contributing []analyzer.Finding `json:"contributing"`
	Lost         []cause.Loss       `json:"lost"`
	NotReplaced  *story.NotReplaced `json:"notReplaced,omitempty"`
	// Drops are the losses within the outage, if there were several, and Eased is how
	// the worst of it ended while the outage went on.
	Drops     []cause.Drop       `json:"drops,omitempty"`
	Eased     *TimelineItem      `json:"eased,omitempty"`
	Recovery  *TimelineItem      `json:"recovery,omitempty"`
	Replaced  bool               `json:"replaced,omitempty"` // others serve then, not the Pods that were lost
	Left      []analyzer.Finding `json:"left,omitempty"`     // risks there are since the recovery
	Course    []TimelineItem     `json:"course"`
	Undecided []string           `json:"undecided"`
	// Reconstructed is the time before the recording, if that begins in the
	// outage: what is known of it, with the facts.
	Reconstructed []TimelineItem `json:"reconstructed,omitempty"`
	// Outages is how many there were in the recording, with this one, and
	// OutagesSeconds how long they were together.
	Outages        int     `json:"outages"`
	OutagesSeconds float64 `json:"outagesSeconds"`
	// Next is what to run, as of then: what takes a proved trigger back comes first.
	Next []string `json:"next,omitempty"`
}

// NewExplanation puts the story into its envelope.
func NewExplanation(info store.Info, x *story.Explanation) ExplanationEnvelope {
	e := ExplanationEnvelope{
		APIVersion: APIVersion, Kind: "Explanation", Recording: RecordingOf(info),
		Subject: x.Worst.Report.Subject,
		From:    x.Course[0].From.UTC(), To: x.Course[len(x.Course)-1].To.UTC(), Over: x.Recovery != nil,
		Worst: itemOf(&x.Worst), Changes: x.Worst.Changes, LastChange: x.Worst.LastChange,
		Because: x.Worst.Later.Because, Began: x.Worst.Began, Contributing: contributing(&x.Worst.Later), Also: x.Worst.Later.Also, Lost: x.Worst.Lost, NotReplaced: x.Worst.Missing, Undecided: x.Worst.Later.Undecided,
		Outages: x.Outages, OutagesSeconds: x.Lasted.Seconds(),
	}
	e.Worst.Headline = x.Worst.Later.Headline
	e.Next = NextOf(x.Trigger(), x.Worst.Later.Next)
	if e.Worst.Headline.ID != x.Worst.Report.Headline.ID {
		e.Worst.Event = 0 // a replay of it shows the headline of that instant
	}
	if e.Changes == nil {
		e.Changes = []change.Change{}
	}
	if e.Also == nil {
		e.Also = []analyzer.Finding{}
	}
	if e.Lost == nil {
		e.Lost = []cause.Loss{}
	}
	if e.Began == nil {
		e.Began = []story.Onset{}
	}
	for i := range x.Course {
		e.Course = append(e.Course, itemOf(&story.Transition{Segment: x.Course[i]}))
	}
	for _, t := range x.Prelude.Stretches(&x.Course[0]) {
		e.Reconstructed = append(e.Reconstructed, itemOf(&t))
	}
	e.Drops = x.Drops
	if x.Eased != nil {
		r := itemOf(x.Eased)
		e.Eased = &r
	}
	if x.Recovery != nil {
		r := itemOf(x.Recovery)
		e.Recovery, e.Replaced = &r, x.Replaced
		for _, f := range x.Recovery.Later.Risks {
			if !slices.ContainsFunc(e.Contributing, func(g analyzer.Finding) bool { return g.ID == f.ID && g.Subject == f.Subject }) {
				e.Left = append(e.Left, f)
			}
		}
	}
	return e
}

// contributing are the symptoms and risks of a report that its causes do not
// name already.
func contributing(r *analyzer.Report) []analyzer.Finding {
	list := []analyzer.Finding{}
	for _, f := range slices.Concat(r.Symptoms, r.Risks) {
		said := func(g analyzer.Finding) bool { return g.ID == f.ID && g.Subject == f.Subject }
		if !slices.ContainsFunc(r.Because, said) && !slices.ContainsFunc(r.Also, said) && !slices.ContainsFunc(list, said) {
			list = append(list, f)
		}
	}
	return list
}

// ExplanationText prints the story in a page: what happened, why, what was
// lost, why it was not replaced, and how it ended. Every line has its event.
func ExplanationText(w io.Writer, e ExplanationEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.To}
	from := e.From.In(p.zone())
	until := "until the recording ends"
	if e.Over {
		until = "until " + p.clock(e.To)
	}
	state, part := p.paint(stateColor(e.Worst.State), string(e.Worst.State)), ""
	if worst := e.lasted(e.Worst.State); len(e.Course) > 1 && worst < e.To.Sub(e.From) {
		state, part = "not well", fmt.Sprintf(", %s for %s of it", state, span(e.From, e.From.Add(worst)))
	}
	p.line("%s was %s on %s from %s %s %s (%s)%s.", p.paint(bold, e.Subject.Kind+" "+path(e.Subject)),
		state, from.Format(time.DateOnly), from.Format(time.TimeOnly), from.Format("MST"), until, span(e.From, e.To), part)
	when := p.clock(e.Worst.From)
	if e.Worst.Event > 0 {
		when += " " + p.event(e.Worst.Event)
	}
	p.line("The report at its worst, %s: %s", when, p.say(Undated(e.Worst.Headline.Message)))
	if e.Outages > 1 {
		p.line("It is one of %d outages in this recording, %s in all.", e.Outages, Duration(time.Duration(e.OutagesSeconds*float64(time.Second))))
	}
	p.before(e)

	p.title("what changed")
	for i := range e.Changes {
		p.line("  %s", p.change(&e.Changes[i]))
	}
	switch {
	case len(e.Changes) > 0:
	case len(e.Reconstructed) > 0:
		p.line("  No recorded change explains this; what is reconstructed may.")
	case !e.From.After(e.Recording.Start):
		p.line("  It was so when the recording began: what led to it came before.")
	case len(e.Lost) > 0 && !slices.ContainsFunc(e.Lost, func(l cause.Loss) bool { return l.Class != "evict" }):
		p.line("  No recorded write led to this: the cluster took the Pods away (%s).", Clean(e.Lost[0].Note))
	case registry.Lookup(e.Worst.Headline.ID).Is(registry.EndsByItself):
		p.line("  Nothing had to change: the containers came to their end.")
	default:
		p.line("  No recorded change explains this: the cause lies outside of what was recorded, such as load or a dependency.")
		if e.LastChange != nil {
			p.line("  The last change before it to anything it depends on: %s", p.change(e.LastChange))
		}
	}
	p.thenAndNow(e.Next, e.Subject)
	p.story(e)
	if lost := p.losses(e.Lost); len(lost) > 0 {
		p.lines("lost", lost)
	}
	if e.NotReplaced != nil {
		p.missing(e)
	}
	p.drops(e.Drops)
	p.aside("what else was so", e.Contributing, e)
	p.title("course")
	for i := range e.Reconstructed {
		it := e.Reconstructed[i]
		it.Facts = nil // they have been told
		p.item(&it)
	}
	for i := range e.Course {
		p.item(&e.Course[i])
	}
	p.recovered(e)
	p.aside("what is left", e.Left, e)
	p.lines("not known", e.Undecided)
	return p.w.Flush()
}

// lasted is for how long of the outage the verdict was a state.
func (e *ExplanationEnvelope) lasted(state analyzer.State) time.Duration {
	var d time.Duration
	for i := range e.Course {
		if e.Course[i].State == state {
			d += e.Course[i].To.Sub(e.Course[i].From)
		}
	}
	return d
}

// before prints what is known from before the recording of an outage that it
// begins in.
func (p *printer) before(e ExplanationEnvelope) {
	if len(e.Reconstructed) == 0 {
		return
	}
	var facts []past.Fact
	for _, it := range e.Reconstructed {
		facts = append(facts, it.Facts...)
	}
	last := e.Reconstructed[len(e.Reconstructed)-1]
	p.line("The recording begins in this outage. %s", Clean(strings.ToUpper(last.Headline.Message[:1])+last.Headline.Message[1:])+".")
	p.facts("before the recording (reconstructed)", facts)
}

// story prints the chain of findings, each with the event with which it began.
// What only came before, and is no effect of what stands above it, comes last,
// behind the other causes.
func (p *printer) story(e ExplanationEnvelope) {
	if len(e.Because) == 0 {
		return
	}
	p.title("what that led to")
	indent := ""
	for i := range e.Because {
		if f := &e.Because[i]; i == 0 || f.EffectOf != "" {
			p.finding(indent, f, e.began(f))
			indent += "  "
		}
	}
	for i := range e.Also {
		if i == maxEvidence {
			p.line("  and %d more causes (-o json)", len(e.Also)-i)
			break
		}
		p.finding("", &e.Also[i], e.began(&e.Also[i]))
	}
	for i := range e.Because {
		if f := &e.Because[i]; i > 0 && f.EffectOf == "" {
			p.finding("", f, e.began(f))
		}
	}
}

// finding prints one line of the story.
func (p *printer) finding(indent string, f *analyzer.Finding, began story.Onset) {
	at := ""
	if !began.At.IsZero() {
		at = p.clock(began.At) + " "
	}
	if began.Seq > 0 {
		at += p.event(began.Seq) + " "
	}
	p.line("  %s%s%s: %s", indent, at, p.paint(bold, Clean(f.ID)), p.say(f.Message))
}

// began is where a finding did.
func (e *ExplanationEnvelope) began(f *analyzer.Finding) story.Onset {
	for _, o := range e.Began {
		if o.ID == f.ID && o.Subject == f.Subject {
			return o
		}
	}
	if len(f.Evidence) == 0 {
		return story.Onset{}
	}
	return story.Onset{Seq: f.Evidence[0].Seq, At: f.Evidence[0].ObservedAt}
}

// missing says why nothing took the place of what was lost, or, if nothing was,
// why there was less than wanted; without saying again what was said.
func (p *printer) missing(e ExplanationEnvelope) {
	m := e.NotReplaced
	switch len(e.Lost) {
	case 0:
		p.title("why less was ready than wanted")
	case 1:
		p.title("why nothing took its place")
	default:
		p.title("why nothing took their place")
	}
	if len(e.Because) > 0 && e.Because[0].ID == m.ID {
		began := e.began(&e.Because[0])
		p.line("  %s %s %s, as said above", p.clock(began.At), p.event(began.Seq), p.paint(bold, Clean(m.ID)))
		return
	}
	since := ""
	if !m.Since.IsZero() {
		since = p.clock(m.Since) + " "
	}
	p.line("  %s%s: %s", since, p.paint(bold, Clean(m.ID)), p.say(Undated(m.Message)))
}

// aside prints findings that stand beside the story.
func (p *printer) aside(title string, found []analyzer.Finding, e ExplanationEnvelope) {
	if len(found) == 0 {
		return
	}
	p.title(title)
	for i := range found {
		if i == maxEvidence {
			p.line("  and %d more (-o json)", len(found)-i)
			break
		}
		p.finding("", &found[i], e.began(&found[i]))
	}
}

// drops prints the losses of an outage that had several, each with its end.
func (p *printer) drops(all []cause.Drop) {
	if len(all) == 0 {
		return
	}
	p.title("each loss")
	for i := range all {
		d := &all[i]
		until := "to the end"
		if !d.To.IsZero() {
			until = "until " + p.clock(d.To)
		}
		p.line("  %s %s from %d ready to %d, %s", p.clock(d.From), p.event(d.Seq), d.Before, d.Ready, until)
		for _, line := range p.losses(d.Lost) {
			p.line("    %s", line)
		}
		p.dropEnded(d)
	}
}

// dropEnded says what ended one loss of several.
func (p *printer) dropEnded(d *cause.Drop) {
	switch {
	case d.To.IsZero():
	case len(d.Ended) > 0:
		p.line("    ended by %s", p.change(&d.Ended[0]))
	case d.Replaced:
		p.line("    ended by itself: others took the place of what was lost")
	default:
		p.line("    ended by itself: what was lost came back")
	}
}

func (p *printer) recovered(e ExplanationEnvelope) {
	p.title("recovery")
	r, from := e.Recovery, &e.Worst.Headline
	if w := e.Eased; w != nil {
		for i := range w.Changes {
			p.line("  %s", p.change(&w.Changes[i]))
		}
		p.line("  %s %s %s, %s: the worst was over", p.clock(w.From), p.event(w.Event), p.paint(stateColor(w.State), string(w.State)), phrase.ReadyOf(w.Ready, w.Desired))
	}
	if r == nil && e.Eased != nil {
		p.line("  The outage was not over when the recording ended.")
		return
	}
	if r == nil {
		p.line("  None was recorded.")
		return
	}
	for i := range r.Changes {
		p.line("  %s", p.change(&r.Changes[i]))
	}
	if len(r.Changes) == 0 {
		what := "what was lost came back by itself"
		switch {
		case e.Replaced && len(e.Lost) == 1:
			what = "another Pod took the place of the one that was lost"
		case e.Replaced:
			what = "other Pods took the place of those that were lost"
		case from.ID != "" && from.Subject.Kind != "Service":
			what = fmt.Sprintf("%s of %s %s ended by itself", Clean(from.ID), from.Subject.Kind, path(from.Subject))
		}
		p.line("  Nothing that somebody changed explains it: %s.", what)
	}
	p.line("  %s %s %s, %s", p.clock(r.From), p.event(r.Event), p.paint(stateColor(r.State), string(r.State)), phrase.ReadyOf(r.Ready, r.Desired))
}
