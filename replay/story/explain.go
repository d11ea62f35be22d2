// Package story tells what happened to a subject: the account of an outage
// (Explain), the first bad change (Bisect), what differs between two instants
// (Diff), what an outage looked like before the recording (Prelude), and what of
// a timeline the answers rest on (Closure).
package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Transition is one change of a subject's verdict and what explains it.
type Transition struct {
	verdict.Segment
	// Later is the report a little after the verdict began, when what belongs
	// together had been heard.
	Later   analyzer.Report
	Began   []Onset         // of the findings of Later; only Explain tells
	Changes []change.Change // at most three, the strongest link first
	// LastChange is set if nothing explains the transition: the last thing that
	// happened before it to anything the subject depends on.
	LastChange *change.Change
	Lost       []cause.Loss // endpoints that were ready before and are not any more
	Missing    *NotReplaced // why nothing took their place; nil if nothing is missing
	Facts      []past.Fact  // of a reconstructed stretch: what is known of it
	// Risk is set by Bisect where the verdict is as good as it was and the risk is not.
	Risk *RiskChange
}

// NotReplaced is why lost endpoints are missing still: often another cause, and
// an earlier one, than that of the loss.
type NotReplaced struct {
	ID      string           `json:"id"`
	Subject analyzer.Subject `json:"subject"`
	Message string           `json:"message"`
	Units   int              `json:"units,omitempty"`
	Since   time.Time        `json:"since,omitzero"`
}

// Explanation is the story of one outage.
type Explanation struct {
	// Prelude is what is known of it from before the recording, if that begins
	// in the outage.
	Prelude  *Prelude
	Before   *verdict.Segment  // the last verdict before the outage; nil if the recording begins in it
	Course   []verdict.Segment // the outage: from the first verdict that is not healthy to the last
	Worst    Transition        // how it came to the worst of them
	Eased    *Transition       // how that ended, if the outage went on; nil if it did not
	Recovery *Transition
	// Drops are the losses of the outage, where there were several: each with what
	// was lost, and until when.
	Drops    []cause.Drop
	Replaced bool          // at the recovery none of the lost Pods serves: others do
	Outages  int           // how many there were in the timeline, with this one
	Lasted   time.Duration // how long they were together
}

// Trigger is the change that explains the outage best, nil if none was recorded.
func (e *Explanation) Trigger() *change.Change { return first(e.Worst.Changes) }

// End is the recorded change that ended the outage; nil if it lasts, or ended
// without one.
func (e *Explanation) End() *change.Change {
	if e.Recovery == nil {
		return nil
	}
	return first(e.Recovery.Changes)
}

func first(changes []change.Change) *change.Change {
	if len(changes) == 0 {
		return nil
	}
	return &changes[0]
}

// ErrNoOutage is returned where there is nothing to explain.
var ErrNoOutage = errors.New("no outage")

// Explain tells the story of the outage of a subject that lasts at an instant,
// or of the last one before it; with a zero instant, of the worst in the
// timeline. segments are settled ones of the subject, in order. That the subject did
// not exist yet at their beginning is explained only where nothing else can be.
func Explain(ctx context.Context, t replay.Timeline, subject store.Ref, segments []verdict.Segment, at time.Time) (*Explanation, error) {
	whole := segments
	segments = whole[existing(whole):]
	outages := outagesIn(segments)
	chosen, ok := chooseOutage(segments, outages, at)
	if !ok {
		segments = whole
		outages = outagesIn(segments)
		if chosen, ok = chooseOutage(segments, outages, at); !ok {
			return nil, ErrNoOutage
		}
	}
	x, err := newExplainer(t, subject)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Course: segments[chosen.first : chosen.last+1]}
	for _, o := range outages {
		if o.later == chosen.later {
			e.Outages++
			e.Lasted += segments[o.last].To.Sub(segments[o.first].From)
		}
	}
	if chosen.first > 0 {
		e.Before = &segments[chosen.first-1]
	}
	if e.Worst, err = x.worst(segments, chosen); err != nil {
		return nil, err
	}
	if e.Drops, err = x.drops(segments, chosen); err != nil {
		return nil, err
	}
	x.Causes = e.Worst.Later.Because
	if e.Worst.Began, err = x.onsets(&e.Worst.Later, e.Course); err != nil {
		return nil, err
	}
	recordedBefore := func(s verdict.Segment) bool { return s.Gap == "" }
	if !slices.ContainsFunc(whole[:len(whole)-len(segments)+chosen.first], recordedBefore) {
		if e.Prelude, err = x.prelude(&segments[chosen.first]); err != nil {
			return nil, err
		}
	}
	if n := chosen.eased(segments); n > 0 && ctx.Err() == nil {
		eased, err := x.ended(segments, chosen, n)
		if err != nil {
			return nil, err
		}
		e.Eased = &eased
	}
	if chosen.last+1 < len(segments) && ctx.Err() == nil {
		recovery, err := x.ended(segments, chosen, chosen.last+1)
		if err != nil {
			return nil, err
		}
		if !chosen.later && comesUp(e.Course, recovery.Changes) {
			return nil, ErrNoOutage
		}
		e.Recovery, e.Replaced = &recovery, replaced(e.Worst.Lost, &recovery.Later)
		if err := x.rest(e, segments, chosen); err != nil {
			return nil, err
		}
	}
	return e, ctx.Err()
}

// existing is the place of the first segment in which the subject existed; 0 if it
// never did.
func existing(segments []verdict.Segment) int {
	return max(0, slices.IndexFunc(segments, func(s verdict.Segment) bool { return s.Report.Verdict.State != analyzer.Absent }))
}

// rest tells of an outage whose worst was over before what ended the rest of it. Where
// that is the same, or nothing, it is told once.
func (x *explainer) rest(e *Explanation, segments []verdict.Segment, o outage) error {
	if e.Eased == nil {
		return nil
	}
	of := x.Causes
	x.Causes = segments[o.last].Report.Because
	left := segments[o.eased(segments) : o.last+2]
	rest, err := x.transition(left, len(left)-1, len(left)-1)
	x.Causes = of
	cure, last := first(e.Eased.Changes), first(rest.Changes)
	if cure == nil || last == nil || cure.Seq == last.Seq {
		e.Eased = nil
		return err
	}
	e.Recovery = &rest
	return err
}

// comesUp reports whether the course is that of a subject which is made, and
// whose workload comes later: nothing was taken away, and nothing had to be mended.
func comesUp(course []verdict.Segment, ended []change.Change) bool {
	return !slices.ContainsFunc(course, func(s verdict.Segment) bool {
		d := registry.Lookup(s.Report.Headline.ID)
		return s.Served || s.Report.Verdict.State != analyzer.Converging && !d.Is(registry.NotYetThere) && !d.Is(registry.ComesUp)
	}) && !slices.ContainsFunc(ended, func(c change.Change) bool { return c.Verb != change.Created })
}

// replaced reports whether Pods were lost and none of them serves again.
func replaced(lost []cause.Loss, now *analyzer.Report) bool {
	return len(lost) > 0 && !slices.ContainsFunc(now.Endpoints.Items, func(e analyzer.Endpoint) bool {
		return e.State == "ready" && slices.ContainsFunc(lost, func(l cause.Loss) bool { return l.Pod == e.Pod })
	})
}

// Transitions explains every change of verdict in a timeline, the first segment
// excepted, which nothing precedes.
func Transitions(ctx context.Context, t replay.Timeline, subject store.Ref, segments []verdict.Segment) ([]Transition, error) {
	x, err := newExplainer(t, subject)
	if err != nil {
		return nil, err
	}
	all := make([]Transition, 0, len(segments))
	for i := range segments {
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		tr := Transition{Segment: segments[i]}
		x.date(&tr.Report, segments, i, tr.From)
		if i > 0 && segments[i].Gap == "" {
			if tr, err = x.transition(segments, i, i); err != nil {
				return all, err
			}
			if !verdict.Healthy(tr.Report.Verdict.State) {
				x.Causes = tr.Later.Because
			}
		}
		all = append(all, tr)
	}
	return all, nil
}

// outage is a run of segments that are not healthy, by their places. Of several
// equally bad ones, worst is the longest.
type outage struct {
	first, last, worst int
	later              bool // the subject had been healthy before: this is not how it came up
}

// chooseOutage returns the outage that lasts at an instant, or the last one
// before it. With a zero instant it is the worst: that the subject was not there
// yet is no outage if there is another, and of equally bad ones the longest is.
func chooseOutage(segments []verdict.Segment, outages []outage, at time.Time) (chosen outage, ok bool) {
	state := func(o outage) analyzer.State { return segments[o.worst].Report.Verdict.State }
	length := func(o outage) time.Duration { return segments[o.last].To.Sub(segments[o.first].From) }
	for _, o := range outages {
		switch {
		case !at.IsZero():
			if !segments[o.first].From.After(at) {
				chosen, ok = o, true
			}
		case !ok, o.later && !chosen.later:
			chosen, ok = o, true
		case o.later == chosen.later && (verdict.Worse(state(o), state(chosen)) || state(o) == state(chosen) && length(o) > length(chosen)):
			chosen = o
		}
	}
	return chosen, ok
}

// outagesIn finds the outages. What the subject was like while the recorder was
// still listing is none.
func outagesIn(segments []verdict.Segment) []outage {
	var all []outage
	open, served := false, false
	for i := range segments {
		state := segments[i].Report.Verdict.State
		served = served || verdict.Healthy(state)
		if verdict.Healthy(state) || segments[i].Gap != "" && !open || state == analyzer.Unknown {
			open = false
			continue
		}
		if !open {
			all = append(all, outage{first: i, last: i, worst: i, later: served})
			open = true
		}
		o := &all[len(all)-1]
		o.last = i
		if worst := &segments[o.worst]; verdict.Worse(state, worst.Report.Verdict.State) ||
			state == worst.Report.Verdict.State && segments[i].To.Sub(segments[i].From) > worst.To.Sub(worst.From) {
			o.worst = i
		}
	}
	// A rollout that goes well is no outage.
	kept := all[:0]
	for _, o := range all {
		if segments[o.worst].Report.Verdict.State != analyzer.Converging {
			kept = append(kept, o)
		}
	}
	return kept
}

// fell is the segment of an outage in which fewer endpoints became ready than in the
// one before, and from which it came to the worst; the first if nothing fell since.
// What was so before that is another story.
func (o outage) fell(segments []verdict.Segment) int {
	for i := o.worst; i > o.first; i-- {
		a, b := &segments[i-1].Report, &segments[i].Report
		if verdict.Worse(a.Verdict.State, b.Verdict.State) {
			break // what it was like before it got better is no part of it
		}
		if b.Endpoints.Ready < a.Endpoints.Ready && segments[i].From.Sub(segments[o.first].From) > cause.OneAct {
			return i
		}
	}
	return o.first
}

// worst explains the worst of an outage: how it came from a verdict under which more
// was ready, or else from what was before the outage.
func (x *explainer) worst(segments []verdict.Segment, o outage) (Transition, error) {
	if from := o.fell(segments); from > o.first {
		if tr, err := x.transition(segments, from, o.worst); err != nil || len(tr.Lost) > 0 {
			return tr, err
		}
	}
	return x.transition(segments, o.first, o.worst)
}

// eased is the segment with which the worst of an outage ended, if another that was
// less bad followed in it; 0 if not.
func (o outage) eased(segments []verdict.Segment) int {
	worst := segments[o.worst].Report.Verdict.State
	for i := o.worst + 1; i <= o.last; i++ {
		switch state := segments[i].Report.Verdict.State; {
		case segments[i].Gap != "":
			return 0
		case verdict.Unhealthy(state) && verdict.Worse(worst, state):
			return i
		}
	}
	return 0
}

// ended explains a verdict after the worst of an outage, compared with that.
func (x *explainer) ended(segments []verdict.Segment, o outage, at int) (Transition, error) {
	course := slices.Concat(segments[:o.worst+1], segments[at:at+1])
	tr, err := x.transition(course, o.worst+1, o.worst+1)
	// What was done before the worst did not end it.
	tr.Changes = slices.DeleteFunc(tr.Changes, func(c change.Change) bool { return c.Seq <= segments[o.first].Seq })
	return tr, err
}

// drops returns the losses of an outage, if there were several that are not all the
// steps of a rollout.
func (x *explainer) drops(segments []verdict.Segment, o outage) ([]cause.Drop, error) {
	if x.Subject.Resource != replay.Services {
		return nil, nil
	}
	s, err := x.Index.Seek(replay.NewCursorWith(x.Timeline, x.Cache), segments[o.last].To)
	if err != nil {
		return nil, err
	}
	all := cause.RelationsOf(s, x.Subject).Drops(segments[o.first].From.Add(-cause.OneAct), segments[o.last].To)
	steps := !slices.ContainsFunc(all, func(d cause.Drop) bool {
		return slices.ContainsFunc(d.Lost, func(l cause.Loss) bool { return l.Class != "rollout" })
	})
	if len(all) < 2 || steps {
		return nil, s.Err()
	}
	for i := range all {
		if err := x.Finder.Explain(&all[i]); err != nil {
			return nil, err
		}
	}
	return all, s.Err()
}

// transition explains how the verdict of one segment came about: compared with
// the one before the first that belongs to it.
func (x *explainer) transition(segments []verdict.Segment, first, at int) (Transition, error) {
	tr := Transition{Segment: segments[at]}
	x.date(&tr.Report, segments, at, tr.From)
	// Shortly before it began: what was too short to be a segment belongs to it.
	since := segments[first].From.Add(-cause.OneAct)
	if first > 0 && since.Before(segments[first-1].From) {
		since = segments[first-1].From
	}
	before := &analyzer.Report{Verdict: analyzer.Verdict{State: analyzer.Serving}} // as it should be
	if first > 0 {
		var err error
		if before, err = x.reportAt(since); err != nil {
			return tr, err
		}
	}
	m, err := x.Case(before, &segments[at])
	if err != nil {
		return tr, err
	}
	x.date(m.After, segments, at, m.Related.State.Instant())
	tr.Later = *m.After
	m.Root, m.Floor = tr.Later.Headline.ID, 0
	if before := first - 1; before >= 0 && verdict.Unhealthy(segments[before].Report.Verdict.State) && m.After.Endpoints.Ready < m.Before.Endpoints.Ready {
		m.Fell = segments[before].Seq
	}
	if from := origins(segments[:at], m.Improved); from != nil {
		m.Floor, m.Began = from.Seq, from.Seq
		if m.Improved { // what did not end the outage within a while was not its cure
			while := min(cause.Aftermath, from.To.Sub(from.From)/2)
			if m.Floor, err = x.Timeline.SeqAt(from.From.Add(while)); err != nil {
				return tr, err
			}
		}
		if !verdict.Healthy(from.Report.Verdict.State) {
			m.Root = from.Report.Headline.ID
		}
	}
	if m.Onset, err = x.Timeline.SeqAt(since); err != nil {
		return tr, err
	}
	if m.Same = sameBefore(segments, first, at); m.Improved {
		if m.Failed, err = x.failedBefore(segments[at].From); err != nil {
			return tr, err
		}
	}
	if tr.Changes, err = x.Changes(m); err != nil {
		return tr, err
	}
	if len(tr.Changes) == 0 {
		if tr.LastChange, err = x.last(m); err != nil {
			return tr, err
		}
	}
	if verdict.Worse(m.After.Verdict.State, m.Before.Verdict.State) || m.Fell > 0 {
		tr.Lost = m.Losses()
		if h := m.After.Headline; h.ID != "" && m.After.Endpoints.Ready < m.After.Endpoints.Desired {
			tr.Missing = &NotReplaced{ID: h.ID, Subject: h.Subject, Message: h.Message, Units: h.Units, Since: m.After.Verdict.Since}
		}
	}
	if err := m.Related.State.Err(); err != nil {
		return tr, fmt.Errorf("explain what happened at %s: %w", when.Format(tr.From), err)
	}
	return tr, nil
}

// sameBefore returns where the fault of a segment was established in an earlier one of the
// same outage, with no more endpoints lost since; 0 if it was not.
func sameBefore(segments []verdict.Segment, first, at int) store.Seq {
	is := &segments[at].Report
	for i := first; i < at; i++ {
		was := &segments[i].Report
		if segments[i].Gap == "" && was.Verdict.State == is.Verdict.State && was.Headline.ID == is.Headline.ID &&
			was.Headline.Subject.Kind == is.Headline.Subject.Kind && was.Headline.Subject.Name == is.Headline.Subject.Name && was.Endpoints.Ready <= is.Endpoints.Ready {
			return segments[i].Seq
		}
	}
	return 0
}

// failedBefore names the Pods that the report just before an instant shows its first cause
// by, unless that only waits for them.
func (x *explainer) failedBefore(at time.Time) (map[string]bool, error) {
	s, err := x.Index.Seek(replay.NewCursorWith(x.Timeline, x.Cache), at.Add(-time.Second))
	if err != nil {
		return nil, err
	}
	r := analyzer.Diagnose(s, x.Subject, analyzer.Options{})
	failed := map[string]bool{}
	if len(r.Because) == 0 || r.Verdict.State == analyzer.Converging || registry.Lookup(r.Because[0].ID).Is(registry.ShowsWorkingPods) {
		return failed, s.Err()
	}
	for _, e := range r.Because[0].Evidence {
		if e.Kind == "Pod" {
			failed[e.Name] = true
		}
	}
	return failed, s.Err()
}

// date dates the report of a segment at an instant in it.
func (x *explainer) date(r *analyzer.Report, segments []verdict.Segment, at int, now time.Time) {
	verdict.DateIn(r, segments, at, x.Timeline.Info().Start, now)
}

// reportAt returns the report of one instant.
func (x *explainer) reportAt(at time.Time) (*analyzer.Report, error) {
	s, err := x.Index.Seek(replay.NewCursorWith(x.Timeline, x.Cache), at)
	if err != nil {
		return nil, err
	}
	r := analyzer.Diagnose(s, x.Subject, analyzer.Options{Brief: true})
	return &r, s.Err()
}

// origins returns the segment up to whose beginning changes have had their
// effect already: the last healthy one, or, where the verdict got better, the
// worst of the outage that ends; nil if there is none.
func origins(past []verdict.Segment, improved bool) *verdict.Segment {
	var from *verdict.Segment
	for i := range slices.Backward(past) {
		s := &past[i]
		switch state := s.Report.Verdict.State; {
		case verdict.Healthy(state):
			if from == nil {
				from = s
			}
			return from
		case improved && from != nil && s.Report.Verdict.Intent != from.Report.Verdict.Intent:
			return from // what was meant is another story
		case improved && state != analyzer.Converging && (from == nil || !verdict.Worse(from.Report.Verdict.State, state)):
			from = s
		}
	}
	return from
}

// last returns the last thing that was meant and happened to anything the
// subject depends on; nil if nothing did.
func (x *explainer) last(m *cause.Case) (*change.Change, error) {
	var found *change.Change
	for _, ref := range m.Related.Refs {
		all, err := change.ListWith(x.Timeline, x.Cache, ref, x.Horizon(ref, m.Seq), m.Seq)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if all[i].Origin == change.Intent && (found == nil || all[i].Seq > found.Seq) {
				found = &all[i]
			}
		}
	}
	return found, nil
}

// explainer finds what explains the verdicts on one subject.
type explainer struct{ *cause.Finder }

func newExplainer(t replay.Timeline, subject store.Ref) (*explainer, error) {
	x, err := cause.NewFinder(t, subject)
	return &explainer{x}, err
}
