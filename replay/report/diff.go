package report

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/story"
)

// DiffEnvelope is what is different between two instants and can matter to a
// subject.
type DiffEnvelope struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"` // Diff
	Recording  Recording          `json:"recording"`
	Subject    analyzer.Subject   `json:"subject"`
	From       Instant            `json:"from"`
	To         Instant            `json:"to"`
	Items      []story.Difference `json:"items"`
}

// Instant is one side of a diff with the verdict there.
type Instant struct {
	At
	State    analyzer.State    `json:"state"`
	Headline analyzer.Headline `json:"headline"`
}

// NewDiff puts the differences into their envelope.
func NewDiff(from, to Envelope, items []story.Difference) DiffEnvelope {
	side := func(e Envelope) Instant { return Instant{At: e.At, State: e.Verdict.State, Headline: e.Headline} }
	if items == nil {
		items = []story.Difference{}
	}
	return DiffEnvelope{
		APIVersion: APIVersion, Kind: "Diff", Recording: to.Recording, Subject: to.Subject,
		From: side(from), To: side(to), Items: items,
	}
}

// maxFields is how many fields of an object a diff shows; JSON has all.
const maxFields = 8

// DiffText prints the differences, object by object.
func DiffText(w io.Writer, e DiffEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.To.Time}
	p.side("-", e.Subject, &e.From)
	p.side("+", e.Subject, &e.To)
	if len(e.Items) == 0 {
		p.line("nothing that can matter to it is different")
	}
	for i := range e.Items {
		p.difference(&e.Items[i])
	}
	return p.w.Flush()
}

func (p *printer) side(sign string, s analyzer.Subject, at *Instant) {
	p.line("%s %s %s  %s  %s", sign, at.Time.UTC().Format(time.RFC3339), s.Kind+" "+path(s), p.paint(stateColor(at.State), string(at.State)), Clean(at.Headline.Message))
}

func (p *printer) difference(d *story.Difference) {
	p.line("")
	p.line("%s %s", p.paint(bold, d.Subject.Kind+" "+path(d.Subject)), d.Verb)
	for i := range d.Fields {
		if i == maxFields {
			p.line("  ... and %d more (-o json)", len(d.Fields)-i)
			break
		}
		p.line("  %s", p.field(&d.Fields[i]))
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		if c.Origin == change.Intent || d.Verb != change.Updated {
			p.line("  %s", p.paint(faint, fmt.Sprintf("%s #%d%s", p.clock(c.ObservedAt), c.Seq, by(c))))
		}
	}
}

// ChangesText prints every change to one object: when, its event, who, and each
// field.
func ChangesText(w io.Writer, changes []change.Change, at time.Time, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: at}
	for i := range changes {
		c := &changes[i]
		p.line("%s %s %s %s%s", p.clock(c.ObservedAt), p.paint(faint, fmt.Sprintf("#%d", c.Seq)), p.paint(bold, c.Subject.Kind+" "+path(c.Subject)), c.Verb, by(c))
		fields := c.Fields
		if len(fields) == 0 && c.Path != "/" {
			fields = []change.Field{{Path: c.Path, Old: c.Old, New: c.New}}
		}
		for j := range fields {
			p.line("  %s", p.field(&fields[j]))
		}
	}
	return p.w.Flush()
}
