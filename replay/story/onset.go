package story

import (
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Onset is where a finding began to hold.
type Onset struct {
	ID      string           `json:"id"`
	Subject analyzer.Subject `json:"subject"`
	Seq     store.Seq        `json:"seq,omitempty"`
	At      time.Time        `json:"at,omitzero"`
}

// onsets says of each finding of a report, but for hints, with which event it
// began. What the report shows as evidence is what an object says by then, which
// may have been written again since, or long before something else made a fault
// of it: an effect does not begin before its cause.
func (x *explainer) onsets(r *analyzer.Report, course []verdict.Segment) ([]Onset, error) {
	var all []Onset
	last := Onset{}
	for _, f := range slices.Concat(r.Because, r.Also, r.Symptoms, r.Risks) {
		o, err := x.onset(&f)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 { // some evidence is written again and again
			for _, s := range course {
				if s.Report.Headline.ID == f.ID && s.Report.Headline.Subject == f.Subject && s.Seq < o.Seq {
					o.Seq, o.At = s.Seq, s.From.UTC()
				}
			}
		}
		if f.EffectOf != "" && o.At.Before(last.At) {
			o.Seq, o.At = last.Seq, last.At
		}
		if !registry.Lookup(f.ID).Is(registry.LeadsNowhere) || len(all) == 0 { // which leads to nothing
			last = o
		}
		all = append(all, o)
	}
	return all, nil
}

// onset is the first change to what the evidence shows, since the finding holds;
// without such a date, the last one.
func (x *explainer) onset(f *analyzer.Finding) (Onset, error) {
	found := Onset{ID: f.ID, Subject: f.Subject, At: f.Since.UTC()}
	for i := range f.Evidence {
		shown := &f.Evidence[i]
		c, err := x.lastChange(shown, f.Since.Truncate(time.Second)) // as objects have it
		if err != nil {
			return found, err
		}
		if c != nil {
			found.Seq, found.At = c.Seq, c.ObservedAt
			return found, nil
		}
	}
	if len(f.Evidence) > 0 && f.Since.Before(f.Evidence[0].ObservedAt) {
		found.Seq, found.At = f.Evidence[0].Seq, f.Evidence[0].ObservedAt.UTC()
		return found, nil
	}
	// What shows it had been so before: something else made a fault of it then.
	var err error
	if !f.Since.IsZero() {
		found.Seq, err = x.Timeline.SeqAt(f.Since)
	}
	return found, err
}

// lastChange returns the first change to what is shown since a moment, or, if
// that is zero, the last one; nil if there is none.
func (x *explainer) lastChange(shown *analyzer.Evidence, since time.Time) (*change.Change, error) {
	if shown.Seq == 0 || shown.Path == "" {
		return nil, nil
	}
	e, err := x.Timeline.Event(shown.Seq)
	if err != nil || !e.IsObject() {
		return nil, nil // a change of coverage, or the end of a list
	}
	all, err := change.ListWith(x.Timeline, x.Cache, e.Ref(), x.Horizon(e.Ref(), shown.Seq), shown.Seq)
	if err != nil {
		return nil, err
	}
	var found *change.Change
	for i := len(all) - 1; i >= 0; i-- {
		c := &all[i]
		if c.ObservedAt.Before(since) {
			break
		}
		if !c.Touches(shown.Path) {
			continue
		}
		if found = c; since.IsZero() {
			break
		}
	}
	return found, nil
}
