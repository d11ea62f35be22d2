package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// ExplanationEnvelope is the story of one outage.
type ExplanationEnvelope struct {
	APIVersion  string              `json:"apiVersion"`
	Kind        string              `json:"kind"` // Explanation
	Recording   Recording           `json:"recording"`
	Subject     analyzer.Subject    `json:"subject"`
	From        time.Time           `json:"from"`
	To          time.Time           `json:"to"`
	Over        bool                `json:"over"` // false: it lasts to the end of what was looked at
	Worst       TimelineItem        `json:"worst"`
	Changes     []replay.Change     `json:"changes"`              // the trigger first
	LastChange  *replay.Change      `json:"lastChange,omitempty"` // if nothing recorded explains it
	Because     []analyzer.Finding  `json:"because"`
	Lost        []replay.Loss       `json:"lost"`
	NotReplaced *replay.NotReplaced `json:"notReplaced,omitempty"`
	Recovery    *TimelineItem       `json:"recovery,omitempty"`
	Course      []TimelineItem      `json:"course"`
	Undecided   []string            `json:"undecided"`
	// Reconstructed is the time before the recording, if that begins in the
	// outage: what is known of it, with the facts.
	Reconstructed []TimelineItem `json:"reconstructed,omitempty"`
}

// NewExplanation puts the story into its envelope.
func NewExplanation(info store.Info, x *replay.Explanation) ExplanationEnvelope {
	e := ExplanationEnvelope{
		APIVersion: APIVersion, Kind: "Explanation", Recording: RecordingOf(info),
		Subject: x.Worst.Report.Subject,
		From:    x.Course[0].From.UTC(), To: x.Course[len(x.Course)-1].To.UTC(), Over: x.Recovery != nil,
		Worst: itemOf(&x.Worst), Changes: x.Worst.Changes, LastChange: x.Worst.LastChange,
		Because: x.Worst.Later.Because, Lost: x.Worst.Lost, NotReplaced: x.Worst.Missing, Undecided: x.Worst.Later.Undecided,
	}
	e.Worst.Headline = x.Worst.Later.Headline
	if e.Changes == nil {
		e.Changes = []replay.Change{}
	}
	if e.Lost == nil {
		e.Lost = []replay.Loss{}
	}
	for i := range x.Course {
		e.Course = append(e.Course, itemOf(&replay.Transition{Segment: x.Course[i]}))
	}
	for _, t := range x.Prelude.Stretches(&x.Course[0]) {
		e.Reconstructed = append(e.Reconstructed, itemOf(&t))
	}
	if x.Recovery != nil {
		r := itemOf(x.Recovery)
		e.Recovery = &r
	}
	return e
}

// ExplanationText prints the story in a page: what happened, why, what was
// lost, why it was not replaced, and how it ended. Every line has its event.
func ExplanationText(w io.Writer, e ExplanationEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.Recording.End}
	until := "until the end of the recording"
	if e.Over {
		until = "until " + p.clock(e.To)
	}
	p.line("%s was %s from %s %s (%s).", p.paint(bold, e.Subject.Kind+" "+path(e.Subject)),
		p.paint(stateColor(e.Worst.State), string(e.Worst.State)), p.clock(e.From), until, span(e.From, e.To))
	p.line("%s", Clean(e.Worst.Headline.Message))
	p.before(e)

	p.title("what changed")
	for i := range e.Changes {
		p.line("  %s", p.change(&e.Changes[i]))
	}
	if len(e.Changes) == 0 {
		if len(e.Reconstructed) > 0 {
			p.line("  No recorded change explains this; what is reconstructed may.")
		} else {
			p.line("  No recorded change explains this: its cause is outside of what was recorded, or a load, or a dependency.")
		}
		if e.LastChange != nil {
			p.line("  The last change before it to anything it depends on: %s", p.change(e.LastChange))
		}
	}
	p.story("what that led to", e.Because)
	if lost := p.losses(e.Lost); len(lost) > 0 {
		p.lines("lost", lost)
	}
	if m := e.NotReplaced; m != nil {
		p.title("why it was not replaced")
		p.line("  %s", Clean(m.Message))
	}
	p.title("course")
	for i := range e.Reconstructed {
		it := e.Reconstructed[i]
		it.Facts = nil // they have been told
		p.item(&it)
	}
	for i := range e.Course {
		p.item(&e.Course[i])
	}
	p.recovered(e.Recovery)
	p.lines("not known", e.Undecided)
	return p.w.Flush()
}

// before prints what is known from before the recording of an outage that it
// begins in.
func (p *printer) before(e ExplanationEnvelope) {
	if len(e.Reconstructed) == 0 {
		return
	}
	var facts []replay.Fact
	for _, it := range e.Reconstructed {
		facts = append(facts, it.Facts...)
	}
	last := e.Reconstructed[len(e.Reconstructed)-1]
	p.line("The recording begins in this outage. %s", Clean(strings.ToUpper(last.Headline.Message[:1])+last.Headline.Message[1:])+".")
	p.facts("before the recording (reconstructed)", facts)
}

// story prints the chain of findings, each with the event that shows it.
func (p *printer) story(title string, chain []analyzer.Finding) {
	if len(chain) == 0 {
		return
	}
	p.title(title)
	for i, f := range chain {
		at := ""
		if len(f.Evidence) > 0 {
			ev := &f.Evidence[0]
			at = fmt.Sprintf("%s %s ", p.clock(ev.ObservedAt), p.paint(faint, fmt.Sprintf("#%d", ev.Seq)))
		}
		p.line("  %s%s%s: %s", strings.Repeat("  ", i), at, p.paint(bold, Clean(f.ID)), Clean(f.Message))
	}
}

func (p *printer) recovered(r *TimelineItem) {
	p.title("recovery")
	if r == nil {
		p.line("  None was recorded.")
		return
	}
	p.line("  %s %s %s, %d of %d ready", p.clock(r.From), p.paint(faint, fmt.Sprintf("#%d", r.Seq)), p.paint(stateColor(r.State), string(r.State)), r.Ready, r.Desired)
	for i := range r.Changes {
		p.line("  %s", p.change(&r.Changes[i]))
	}
	if len(r.Changes) == 0 {
		p.line("  Nothing that somebody changed explains it: what was lost came back by itself.")
	}
}
