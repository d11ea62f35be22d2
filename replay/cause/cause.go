// Package cause finds the changes that explain a change of verdict.
//
// A Finder works on one subject. It makes a Case of one change of verdict, with
// the Relations of the subject: everything that can matter to it. Candidates are
// linked to the case by undoing them in a model (counterfactual), by what fails
// having them and what works not (structural), or by time alone (correlated).
// A Loss says how one endpoint was lost.
package cause

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Finder looks for what changed between two verdicts on a subject.
type Finder struct {
	Timeline replay.Timeline
	Index    *verdict.Index
	Cache    *replay.Cache
	Subject  store.Ref
	Causes   []analyzer.Finding // of the outage that was explained last
}

func NewFinder(t replay.Timeline, subject store.Ref) (*Finder, error) {
	h, err := verdict.NewIndex(t)
	return &Finder{Timeline: t, Index: h, Cache: &replay.Cache{}, Subject: subject}, err
}

const (
	maxChanges = 3               // how many changes explain one transition
	OneAct     = 5 * time.Second // writes of one manager closer than this are one act
	Aftermath  = 10 * time.Second
)

// Case is a transition from one verdict to another, looked at from both
// sides.
type Case struct {
	Before, After *analyzer.Report
	at            time.Time // when the second verdict began
	Seq           store.Seq
	Onset         store.Seq             // a position shortly before anything began
	Root          string                // the diagnosis to explain, or whose end is to be
	Floor         store.Seq             // what happened up to here had its effect in an earlier verdict
	Began         store.Seq             // of an end: the position at which began what ended; what makes Pods may do so from then on
	Fell          store.Seq             // where endpoints were lost in an outage that had begun: the position of the verdict before
	Same          store.Seq             // where the same fault was established first in the outage, 0 if not before; what came later did not bring it about
	Rose          bool                  // of an end: more endpoints are ready, and that is to be explained whatever the verdict is
	Failed        map[string]bool       // of an end: Pods that were named as failing just before it
	Improved      bool                  // the second verdict is the better one
	Related       *Relations            // at a moment when the second verdict is established
	onset         *onset                // where that is known: see Finder.onsetOf
	causes        []analyzer.Finding    // of what began, or ended
	rules         []registry.ChangeRule // for changes that can explain it
	pods          podFates
}

// podFates says which Pods work and which do not, by name, in two reports.
type podFates struct{ failing, working []*corev1.Pod }

// Changes returns what explains the transition, the strongest link first, at
// most three.
func (x *Finder) Changes(m *Case) ([]change.Change, error) {
	candidates, err := x.candidates(m)
	if err != nil {
		return nil, err
	}
	var found []change.Change
	for _, act := range group(candidates) {
		c := x.link(m, act)
		m.Related.scaled(&c)
		if c.Seq <= m.Floor && c.Link == change.Correlated && (m.Improved || !c.ChangesPods()) {
			continue // old, and nothing but its age speaks for it
		}
		if c.Seq <= m.Fell && c.Link == change.Structural && c.ChangesPods() && !m.lostToPods() {
			continue // it explains the verdict before, and took nothing away since
		}
		if c.Link == change.Correlated && ofAdmission(c.Ref) {
			continue // nothing names it
		}
		if matter, whole, _ := Explains(m.rules, &c); c.Link == change.Correlated && !whole && len(matter) == 0 {
			continue // only what the model proves of it counts
		}
		for _, other := range act {
			if other.Seq != c.Seq {
				c.With = append(c.With, other.Seq)
			}
		}
		found = append(found, c)
	}
	return m.choose(found), nil
}

// Case prepares what is known about a transition. The picture of the second
// verdict is taken a little after it began, when what belongs together has been
// heard, if it still holds then.
func (x *Finder) Case(before *analyzer.Report, after *verdict.Segment) (*Case, error) {
	cursor := replay.NewCursorWith(x.Timeline, x.Cache)
	for wait := min(Aftermath, after.To.Add(-verdict.Resolution).Sub(after.From)); ; wait /= 2 {
		if wait < time.Second/2 {
			wait = 0
		}
		s, err := x.Index.Seek(cursor, after.From.Add(wait))
		if err != nil {
			return nil, err
		}
		w := &verdict.GapView{State: s}
		report := analyzer.Diagnose(w, x.Subject, analyzer.Options{})
		if wait == 0 || verdict.Same(after, &verdict.Segment{Report: report, Gap: w.Gap}) {
			m := &Case{
				Before: before, After: &report, at: after.From, Seq: after.Seq, Related: RelationsOf(s, x.Subject),
				Improved: verdict.Worse(before.Verdict.State, report.Verdict.State),
			}
			if m.causes = report.Because; m.Improved {
				m.causes = x.Causes
			}
			m.Related.shown(m.causes)
			m.Related.remade = m.Related.remade && !m.Improved
			m.pods = m.fates()
			return m, nil
		}
	}
}

// fates sorts the Pods of the reach by how the report shows them. A Pod named
// in the evidence of the root cause fails, whatever else is said of it.
func (m *Case) fates() podFates {
	state := map[string]string{}
	for _, e := range m.After.Endpoints.Items {
		state[e.Pod[strings.LastIndexByte(e.Pod, '/')+1:]] = e.State
	}
	if !verdict.Healthy(m.After.Verdict.State) {
		for _, f := range m.After.Because[:min(1, len(m.After.Because))] {
			for _, e := range f.Evidence {
				if e.Kind == "Pod" && !registry.Lookup(f.ID).Is(registry.ShowsWorkingPods) {
					state[e.Name] = "failing"
				}
			}
		}
	}
	var found podFates
	for uid, p := range m.Related.Pods {
		o := m.Related.State.Get(m.Related.names[uid])
		if o == nil || o.UID != uid {
			continue
		}
		switch state[p.Name] {
		case "ready":
			if steady(p, m.Related.State.Instant()) {
				found.working = append(found.working, p)
			}
		case "":
		default:
			if p.DeletionTimestamp == nil {
				found.failing = append(found.failing, p)
			}
		}
	}
	return found
}

// steady reports whether a Pod that is ready has been so for a moment and was
// not restarted lately: one that crashes is ready in between, and a new one may
// yet fail.
func steady(p *corev1.Pod, now time.Time) bool {
	for i := range p.Status.ContainerStatuses {
		s := &p.Status.ContainerStatuses[i]
		if last := s.LastTerminationState.Terminated; last != nil && now.Sub(last.FinishedAt.Time) < 10*recently {
			return false
		}
	}
	return true
}

// candidates are the changes that can explain the root cause, in order.
func (x *Finder) candidates(m *Case) ([]change.Change, error) {
	onset := m.at
	if s := m.After.Verdict.Since; !s.IsZero() && s.Before(onset) && !verdict.Healthy(m.After.Verdict.State) {
		onset = s
	}
	rules := registry.Lookup(m.Root).Explained()
	for _, f := range m.causes {
		if d := registry.Lookup(f.ID); d.Is(registry.RefusesPods) || d.Is(registry.RefusesWrites) || d.Is(registry.RewritesPods) { // whatever that comes from
			rules = append(rules, d.Changes...)
		}
	}
	if !m.Improved && slices.ContainsFunc(m.Losses(), func(l Loss) bool { return l.Class == "evict" }) {
		rules = append(rules, registry.OfEviction()...)
	}
	if m.rules = rules; m.Improved {
		rules = append(slices.Clone(rules), registry.OfEnd()...)
	}
	var found []change.Change
	for _, ref := range m.Related.Refs {
		all, err := change.ListWith(x.Timeline, x.Cache, ref, x.Horizon(ref, m.Seq), m.Seq)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			matter, whole, within := Explains(rules, &c)
			if m.Related.ownerGone(&c) {
				whole, within = true, registry.Soon
			}
			if !whole && len(matter) == 0 {
				continue
			}
			if c.Verb == change.Deleting && finalized(all, &c) {
				within = registry.Latent // it took effect when the last finalizer was gone
			}
			if within != registry.Latent && (onset.Sub(c.ObservedAt) > within || c.Seq <= m.Floor && m.over(&c)) {
				continue
			}
			if !x.meant(m, &c, matter) || !m.Improved && m.Same > 0 && c.Seq > m.Same && (c.ChangesPods() || c.IsRestart()) || m.failedToo(&c) {
				continue
			}
			c.Lead(matter)
			if c.Ref.Resource == replay.Pods && c.Verb != change.Updated {
				c.Origin = change.Intent // meant has told it from what controllers do
			}
			if n := len(found); within == registry.Latent && n > 0 && found[n-1].Ref == ref {
				found[n-1] = c // the last state of a configuration is the one that counts
				continue
			}
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b change.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return found, nil
}

// failedToo reports whether a restart is no cure: of the Pods that it made some were named
// as failing just before the end.
func (m *Case) failedToo(c *change.Change) bool {
	if !m.Improved || !c.IsRestart() {
		return false
	}
	for _, p := range m.Related.Pods {
		if m.Failed[p.Name] && createdSince(p, c.ObservedAt) && m.Related.top(m.Related.names[p.UID]) == c.Ref {
			return true
		}
	}
	return false
}

// lostToPods reports whether endpoints were lost by what their Pods are made of, or
// by their being replaced.
func (m *Case) lostToPods() bool {
	return slices.ContainsFunc(m.Losses(), func(l Loss) bool { return l.Class == "rollout" || l.Class == "unready" || l.Class == "exit" })
}

// over reports whether a change from before the floor has had its effect: one that
// makes Pods takes as long as they do.
func (m *Case) over(c *change.Change) bool {
	if !m.Improved {
		return !c.ChangesPods()
	}
	makes := slices.Contains(registry.PodMakers, c.Ref.Resource.Resource) && (c.Verb == change.Created || c.Verb == change.Updated && slices.ContainsFunc(c.AllFields, func(f change.Field) bool {
		return strings.HasPrefix(f.Path, "/spec/template") || f.Path == "/spec/replicas"
	}))
	return !makes || c.Seq <= m.Began
}

// Horizon is how far back the past of an object is looked at: so many versions.
func (x *Finder) Horizon(ref store.Ref, to store.Seq) store.Seq {
	seqs, err := x.Timeline.History(ref, to)
	if err != nil || len(seqs) <= maxVersions {
		return 0
	}
	return seqs[len(seqs)-maxVersions-1]
}

// meant reports whether somebody or something outside the controllers' own work
// made the change, so that it can be a cause and not only an effect.
func (x *Finder) meant(m *Case, c *change.Change, matter []change.Field) bool {
	switch {
	case (c.Verb == change.Deleting || c.Verb == change.Deleted) && m.Related.namespaceEnds(c.Ref.Namespace, c.ObservedAt):
		return false // its namespace was deleted, and that is the change
	case c.Earliest.IsZero() && c.Verb == change.Deleted && c.Before != nil && Deleting(c.Before):
		return len(finalizers(c.Before)) > 0 // else the deletion that was asked for before is the change
	case c.Ref.Resource == replay.Pods && c.Verb != change.Updated:
		return c.Verb != change.Created && m.Related.lossOf(c) == "manual"
	case c.Origin == change.Intent:
		return true
	case c.Origin == change.Status && c.Ref.Resource == replay.Pods: // a readiness gate is opened and closed by whoever knows
		return (c.Writer == nil || !change.IsController(c.Writer)) && ofGate(c, matter) // who takes a condition away leaves no name
	case c.Origin == change.Status: // nobody's intention, but what nodes and load balancers say is the first that is known
		return c.Ref.Resource == replay.Nodes || c.Ref.Resource == replay.Services
	case c.Verb == change.Updated && len(matter) == 1 && matter[0].Path == "/spec/replicas":
		return m.Related.top(c.Ref) == c.Ref // an autoscaler, not the owner
	}
	return false
}

// ofGate reports whether one of the fields of a change to a Pod is a condition that
// a readiness gate of the Pod asks for.
func ofGate(c *change.Change, fields []change.Field) bool {
	if c.After == nil {
		return false
	}
	return slices.ContainsFunc(analyzer.As[corev1.Pod](c.After).Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool {
		return slices.ContainsFunc(fields, func(f change.Field) bool {
			return strings.HasPrefix(f.Path, "/status/conditions[type="+string(g.ConditionType)+"]")
		})
	})
}

func Deleting(o *analyzer.Object) bool {
	m, err := change.Metadata(o.Object)
	return err == nil && m.DeletionTimestamp != nil
}

// finalized reports whether the object of a change is gone by one of the others,
// after it had waited for finalizers.
func finalized(all []change.Change, c *change.Change) bool {
	return slices.ContainsFunc(all, func(d change.Change) bool {
		return d.Verb == change.Deleted && d.Seq > c.Seq && d.Subject.UID == c.Subject.UID && d.Before != nil && len(finalizers(d.Before)) > 0
	})
}

func finalizers(o *analyzer.Object) []string {
	m, err := change.Metadata(o.Object)
	if err != nil {
		return nil
	}
	return m.Finalizers
}

// group puts writes that belong to one act together: those of one manager, or
// deletions of one kind, close to each other. The last relevant one leads, as
// all of them are needed to undo it.
func group(all []change.Change) [][]change.Change {
	var acts [][]change.Change
next:
	for _, c := range all {
		for i, act := range acts {
			last := act[len(act)-1]
			if c.ObservedAt.Sub(last.ObservedAt) <= OneAct && sameHand(&last, &c) {
				acts[i] = append(act, c)
				continue next
			}
		}
		acts = append(acts, []change.Change{c})
	}
	return acts
}

func sameHand(a, b *change.Change) bool {
	switch {
	case a.Ref == b.Ref:
		return false // a second write to the same object changed its mind
	case a.Writer == nil || b.Writer == nil:
		return a.Writer == b.Writer && a.Verb == b.Verb && a.Ref.Resource == b.Ref.Resource
	}
	return a.Writer.Manager == b.Writer.Manager && a.Origin == b.Origin
}

// link says how strongly an act is tied to the transition, and which of its
// changes that rests on: one alone if that is enough.
func (x *Finder) link(m *Case, act []change.Change) change.Change {
	flips := func(changes []change.Change) bool {
		if x.flips(m, m.Related, m.After, changes) {
			return true
		}
		o := x.onsetOf(m)
		return o != nil && x.flips(m, o.related, o.report, changes)
	}
	for i := range act {
		if f := guilty(&act[i], flips); f != nil {
			act[i].Lead([]change.Field{f.Field})
			act[i].Link, act[i].Decides = change.Counterfactual, true
			act[i].Note = fmt.Sprintf("of %d fields this one alone decides: %s", len(act[i].AllFields), f.note)
			return act[i]
		}
		if flips(act[i : i+1]) {
			act[i].Link = change.Counterfactual
			return act[i]
		}
	}
	if len(act) > 1 && flips(act) {
		act[0].Link = change.Counterfactual
		return act[0]
	}
	for i := range act {
		if act[i].Note = m.Structural(&act[i]); act[i].Note != "" {
			act[i].Link = change.Structural
			return act[i]
		}
	}
	act[0].Link = change.Correlated
	return act[0]
}

// flips reports whether the verdict would be better without the changes, or worse
// where it is an end that they are to explain.
func (x *Finder) flips(m *Case, r *Relations, is *analyzer.Report, changes []change.Change) bool {
	v := undo(r, changes)
	if v == nil {
		return false
	}
	would := analyzer.Diagnose(v, x.Subject, analyzer.Options{})
	now, then := is.Verdict.State, would.Verdict.State
	changes[0].Note = "without it the verdict would be " + string(then)
	if m.Rose && then == now && would.Endpoints.Ready < is.Endpoints.Ready {
		changes[0].Note = fmt.Sprintf("without it %d endpoints would be ready", would.Endpoints.Ready)
		return true
	}
	if m.Improved {
		return verdict.Worse(then, now)
	}
	if then == now && m.Fell > 0 && would.Endpoints.Ready > is.Endpoints.Ready {
		changes[0].Note = fmt.Sprintf("without it %d endpoints would be ready", would.Endpoints.Ready)
		return true
	}
	return verdict.Worse(now, then)
}

// onset is the world as it was when a worse verdict began. What somebody did
// since may keep it as it is, also without the change that began it.
type onset struct {
	related *Relations
	report  *analyzer.Report
}

// onsetOf returns the onset of a case, nil if that is an end, or where what began
// is another verdict than the one to be explained.
func (x *Finder) onsetOf(m *Case) *onset {
	if m.onset == nil {
		m.onset = &onset{}
		if s, err := x.Index.Seek(replay.NewCursorWith(x.Timeline, x.Cache), m.at); err == nil && !m.Improved && s.Seq() < m.Related.State.Seq() {
			r := analyzer.Diagnose(s, x.Subject, analyzer.Options{})
			if m.onset.report = &r; r.Verdict.State == m.After.Verdict.State {
				m.onset.related = RelationsOf(s, x.Subject)
				m.onset.related.shown(r.Because)
			}
		}
	}
	if m.onset.related == nil {
		return nil
	}
	return m.onset
}

// blamed is a field that makes the difference alone.
type blamed struct {
	change.Field
	note string
}

// guilty returns the field of a change of several that flips the verdict when it
// alone is undone; nil if none does, or if there is only one.
func guilty(c *change.Change, flips func([]change.Change) bool) *blamed {
	if c.Verb != change.Updated || len(c.AllFields) < 2 {
		return nil
	}
	service := c.Ref.Resource == replay.Services
	for _, f := range c.AllFields {
		if !ofRule(f.Path) && f.Path != "/spec/replicas" && !(service && f.Top() == "spec") {
			continue
		}
		alone := []change.Change{c.Only(f)}
		if flips(alone) {
			return &blamed{f, alone[0].Note}
		}
	}
	return nil
}

// choose keeps the strongest changes: what is only correlated does not stand
// beside what is proven. What refuses or rewrites Pods goes first: that Pods were
// lost only showed it. Then, of what the outage would not have been without, what
// the root cause is shown by goes first; among equals the latest, but a mere restart
// comes after what it brought to light.
func (m *Case) choose(found []change.Change) []change.Change {
	template := m.brokenSince(found)
	onlyShows := func(c *change.Change) bool {
		return c.Ref.Resource == replay.Pods && c.Verb != change.Updated && template > 0 && template < c.Seq
	}
	slices.SortStableFunc(found, func(a, b change.Change) int {
		return cmp.Or(
			cmp.Compare(BoolRank(!m.decides(&a)), BoolRank(!m.decides(&b))),
			cmp.Compare(BoolRank(onlyShows(&a)), BoolRank(onlyShows(&b))),
			cmp.Compare(m.weight(&a), m.weight(&b)),
			cmp.Compare(BoolRank(a.IsRestart() || a.IsResume()), BoolRank(b.IsRestart() || b.IsResume())),
			cmp.Compare(BoolRank(!m.Improved && a.Link == change.Counterfactual && !m.shows(&a)), BoolRank(!m.Improved && b.Link == change.Counterfactual && !m.shows(&b))),
			cmp.Compare(b.Seq, a.Seq),
		)
	})
	if len(found) > 0 && found[0].Link != change.Correlated {
		found = slices.DeleteFunc(found, func(c change.Change) bool { return c.Link == change.Correlated })
	}
	return found[:min(len(found), maxChanges)]
}

// brokenSince returns the first of the changes to a template that are what is wrong with
// the Pods made from it, 0 if there is none. That Pods of before were deleted later only
// shows it: without the template they would have been back soon.
func (m *Case) brokenSince(found []change.Change) store.Seq {
	first := store.Seq(0)
	for i := range found {
		if c := &found[i]; !m.Improved && c.Link == change.Structural && c.ChangesPods() && (first == 0 || c.Seq < first) {
			first = c.Seq
		}
	}
	return first
}

// weight orders links. Of what an end needed, which counts as proven either way,
// the latest ended it.
func (m *Case) weight(c *change.Change) int {
	if m.Improved {
		return BoolRank(c.Link == change.Correlated)
	}
	return c.Link.Weight()
}

// decides reports whether the change is to what the API server asks before it
// writes, or to an owner whose deletion took others along.
func (m *Case) decides(c *change.Change) bool {
	return m.refuses(c) != "" || m.rewrites(c) != "" || m.Related.ownerGone(c)
}

// shows reports whether the root cause is shown by what the change changed.
func (m *Case) shows(c *change.Change) bool {
	if len(m.causes) == 0 {
		return false
	}
	return slices.ContainsFunc(m.causes[0].Evidence, func(e analyzer.Evidence) bool {
		return e.Path != "" && e.Kind == c.Subject.Kind && e.Name == c.Ref.Name && e.Namespace == c.Ref.Namespace && c.Touches(e.Path)
	})
}

func BoolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// createdSince: object times have a resolution of a second.
func createdSince(p *corev1.Pod, t time.Time) bool {
	return !p.CreationTimestamp.Time.Before(t.Truncate(time.Second))
}
