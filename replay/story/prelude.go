package story

import (
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Prelude is what is known of an outage from before the recording, where that
// begins inside the outage. All of it is reconstructed.
type Prelude struct {
	// Dark is since when, at the latest, the subject had no usable endpoint;
	// zero if nothing tells.
	Dark time.Time `json:"dark,omitzero"`
	// Facts are those that explain the outage or show it, oldest first; those
	// that explain it have a Link.
	Facts []past.Fact `json:"facts"`
}

// Preludes of an outage go back so far: what was configured a day before may
// have waited for a restart; what was made an hour before has had its effect.
const (
	longAgo = 24 * time.Hour
	before  = time.Hour
)

// PreludeTo returns what is known of the time before the first segment of a
// timeline, nil if the subject was well then.
func PreludeTo(t replay.Timeline, subject store.Ref, segments []verdict.Segment) (*Prelude, error) {
	n := slices.IndexFunc(segments, func(s verdict.Segment) bool { return s.Gap == "" })
	if n < 0 || verdict.Healthy(segments[n].Report.Verdict.State) {
		return nil, nil
	}
	x, err := newExplainer(t, subject)
	if err != nil {
		return nil, err
	}
	return x.prelude(&segments[n])
}

// PreludeAt returns the facts that explain the report of an instant inside the
// recording, or show what it says, if that was so before the recording began;
// nil otherwise.
func PreludeAt(s *replay.State, subject store.Ref, r *analyzer.Report) ([]past.Fact, error) {
	v := &r.Verdict
	if s.Instant().Before(s.Start()) || !verdict.Unhealthy(v.State) || v.Since.IsZero() || !v.Since.Before(s.Start()) && v.SinceNote == "" {
		return nil, nil
	}
	x, err := newExplainer(s.Timeline(), subject)
	if err != nil {
		return nil, err
	}
	p, err := x.prelude(&verdict.Segment{From: s.Instant(), To: s.Instant(), Seq: s.Seq(), Report: *r})
	if err != nil || p == nil {
		return nil, err
	}
	return p.Facts, nil
}

// prelude collects the facts about a subject that are tied to its first verdict
// by the rules for changes.
func (x *explainer) prelude(first *verdict.Segment) (*Prelude, error) {
	b, err := past.BeginningOf(x.Timeline)
	if err != nil {
		return nil, err
	}
	facts, err := past.Of(x.Timeline, x.Subject)
	if err != nil || len(facts) == 0 {
		return nil, err
	}
	m, err := x.Case(&analyzer.Report{Verdict: analyzer.Verdict{State: analyzer.Serving}}, first)
	if err != nil {
		return nil, err
	}
	p := &Prelude{Facts: []past.Fact{}}
	if dark := b.Dark(x.Subject, facts); dark.Before(first.From) {
		p.Dark = dark
	}
	// What explains it lies before the subject went dark, and not too long
	// before anything that counts as its onset.
	dark, onset := first.From, first.From
	if !p.Dark.IsZero() {
		dark, onset = p.Dark, p.Dark
	}
	if since := m.After.Verdict.Since; !since.IsZero() && since.Before(onset) {
		onset = since
	}
	type act struct {
		ref  store.Ref
		what past.What
	}
	last := map[act]bool{} // what waits for a restart counts as it was last
	for _, f := range slices.Backward(facts) {
		within, ok := explainedBy(m, m.After.Headline.ID, &f)
		switch a := (act{f.Ref, f.What}); {
		case !ok && !f.Symptom():
		case !ok:
			p.Facts = append(p.Facts, f)
		case f.Time.After(dark), onset.Sub(f.Time) > within, within == longAgo && last[a]:
		default:
			last[a] = true
			p.Facts = append(p.Facts, f)
		}
	}
	slices.Reverse(p.Facts)
	p.Facts = firstReports(p.Facts)
	p.Facts = strongest(withoutEchoes(p.Facts))
	return p, nil
}

// explainedBy reports whether a fact can explain the verdict, and how long
// before its onset it may lie; it notes the link.
func explainedBy(m *cause.Case, id string, f *past.Fact) (within time.Duration, ok bool) {
	c := change.Change{Ref: f.Ref, Subject: f.Subject, AllFields: f.AllFields, Verb: change.Updated, Writer: f.Writer, Origin: change.Intent, ObservedAt: f.Time, Seq: f.Seq}
	switch f.What {
	case past.Creation:
		c.Verb = change.Created
	case past.DeletionAsked:
		c.Verb = change.Deleting
	case past.Rollout, past.Writing:
	case past.Condition:
		if f.Ref.Resource != replay.Nodes || f.New == "True" {
			return 0, false
		}
	case past.Tainted:
		c.AllFields = []change.Field{{Path: "/spec/taints"}}
	case past.KubernetesEvent:
		switch {
		case f.ScaledDown():
			c.AllFields = []change.Field{{Path: "/spec/replicas"}}
		case f.Reason == "RemovingNode":
			c.Verb = change.Deleted
		default:
			return 0, false
		}
	default:
		return 0, false
	}
	controlled := f.Writer != nil && slices.Contains(change.Controllers, f.Writer.Manager)
	derived := slices.Contains(change.DerivedResources, f.Ref.Resource.Resource) || f.Ref.Resource == replay.Pods
	if (f.What == past.Creation || f.What == past.Writing) && (controlled || derived) {
		return 0, false
	}
	if f.What == past.Creation && (f.Ref.Resource == replay.Nodes || f.Ref.Resource == replay.Namespaces) {
		return 0, false // there was nothing to break in them before
	}
	matter, whole, within := cause.Explains(registry.Lookup(id).Explained(), &c)
	if !whole && len(matter) == 0 {
		return 0, false
	}
	switch {
	case f.What == past.Creation && within == registry.Latent:
		within = before
	case f.What == past.Creation:
		within = min(within, registry.Soon)
	case within == registry.Latent:
		within = longAgo
	}
	if f.What == past.Writing { // only what it owns of the fields that matter
		if own, _, _ := cause.Explains(registry.Lookup(id).Changes, &c); len(own) > 0 {
			matter = own
		}
		f.Path, f.New, f.Fields = matter[0].Path, matter[0].New, nil
		if len(matter) > 1 {
			f.Path, f.New, f.Fields = past.CommonPath(matter), nil, matter
		}
	}
	f.Link = change.Correlated
	if f.Note = m.Structural(&c); f.Note != "" {
		f.Link = change.Structural
	}
	return within, true
}

// withoutEchoes leaves out what another fact says better: the writing by which a
// rollout came about.
func withoutEchoes(facts []past.Fact) []past.Fact {
	return slices.DeleteFunc(slices.Clone(facts), func(f past.Fact) bool {
		return f.What == past.Writing && slices.ContainsFunc(facts, func(r past.Fact) bool {
			return r.What == past.Rollout && r.Ref == f.Ref && r.Writer != nil && *r.Writer == *f.Writer
		})
	})
}

// firstReports keeps of Kubernetes Events that show something the first of each
// reason and kind.
func firstReports(facts []past.Fact) []past.Fact {
	type about struct{ kind, reason string }
	seen := map[about]bool{}
	return slices.DeleteFunc(facts, func(f past.Fact) bool {
		a := about{f.Subject.Kind, f.Reason}
		again := seen[a]
		if f.What != past.KubernetesEvent || f.Link != "" {
			return false
		}
		seen[a] = true
		return again
	})
}

// strongest leaves out what only came before where something is proven, and
// creations where something was changed later.
func strongest(facts []past.Fact) []past.Fact {
	changed := slices.ContainsFunc(facts, func(f past.Fact) bool { return f.Link != "" && f.What != past.Creation })
	facts = slices.DeleteFunc(facts, func(f past.Fact) bool { return changed && f.Link != "" && f.What == past.Creation })
	proven := slices.ContainsFunc(facts, func(f past.Fact) bool { return f.Link == change.Structural })
	facts = slices.DeleteFunc(facts, func(f past.Fact) bool { return proven && f.Link == change.Correlated })
	// What shows the outage lies after what explains it.
	if n := slices.IndexFunc(facts, func(f past.Fact) bool { return f.Link != "" }); changed && n > 0 {
		since := facts[n].Time.Add(-cause.OneAct)
		facts = slices.DeleteFunc(facts, func(f past.Fact) bool { return f.Time.Before(since) })
	}
	return facts
}

// Stretches are the time before the first segment of a timeline, with the facts
// of each: from the first fact the verdict is Unknown, and where the subject was
// dark it is NotServing, which is no more than possible. A nil Prelude has none.
func (p *Prelude) Stretches(first *verdict.Segment) []Transition {
	var all []Transition
	if p == nil {
		return nil
	}
	add := func(from, to time.Time, state analyzer.State, message string) {
		about := first.Report.Subject
		s := verdict.Segment{From: from, To: to, Reconstructed: true, Report: analyzer.Report{
			Subject:  about,
			Verdict:  analyzer.Verdict{State: state, Since: from, SinceNote: "reconstructed", Certainty: analyzer.Possible},
			Headline: analyzer.Headline{Subject: about, Message: "reconstructed: " + message},
		}}
		t := Transition{Segment: s}
		for _, f := range p.Facts {
			if !f.Time.Before(from) && f.Time.Before(to) {
				t.Facts = append(t.Facts, f)
			}
		}
		all = append(all, t)
	}
	end := first.From
	if !p.Dark.IsZero() {
		end = p.Dark
	}
	if len(p.Facts) > 0 && p.Facts[0].Time.Before(end) {
		add(p.Facts[0].Time, end, analyzer.Unknown, "what the verdict was is not known")
	}
	if !p.Dark.IsZero() {
		add(p.Dark, first.From, analyzer.NotServing, past.NoEndpoint(first.Report.Subject, p.Dark))
	}
	return all
}
