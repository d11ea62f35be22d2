package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// inquest looks for what changed between two verdicts on a subject.
type inquest struct {
	timeline Timeline
	heard    *heard
	objects  *Cache
	subject  store.Ref
	causes   []analyzer.Finding // of the outage that was explained last
}

func newInquest(t Timeline, subject store.Ref) (*inquest, error) {
	h, err := newHeard(t)
	return &inquest{timeline: t, heard: h, objects: &Cache{}, subject: subject}, err
}

const (
	maxChanges = 3               // how many changes explain one transition
	oneAct     = 5 * time.Second // writes of one manager closer than this are one act
	aftermath  = 10 * time.Second
)

// moment is a transition from one verdict to another, looked at from both
// sides.
type moment struct {
	before, after *analyzer.Report
	at            time.Time // when the second verdict began
	seq           store.Seq
	onset         store.Seq          // a position shortly before anything began
	root          string             // the diagnosis to explain, or whose end is to be
	floor         store.Seq          // what happened up to here had its effect in an earlier verdict
	improved      bool               // the second verdict is the better one
	reach         *reach             // at a moment when the second verdict is established
	causes        []analyzer.Finding // of what began, or ended
	pods          fates
	modelled      analyzer.State // see control
}

// fates says which Pods work and which do not, by name, in two reports.
type fates struct{ failing, working []*corev1.Pod }

// changes returns what explains the transition, the strongest link first, at
// most three.
func (x *inquest) changes(m *moment) ([]Change, error) {
	candidates, err := x.candidates(m)
	if err != nil {
		return nil, err
	}
	var found []Change
	for _, act := range group(candidates) {
		c := x.link(m, act)
		m.reach.scaled(&c)
		if c.Seq <= m.floor && c.Link == Correlated && (m.improved || !c.rolledOut()) {
			continue // old, and nothing but its age speaks for it
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

// moment prepares what is known about a transition. The picture of the second
// verdict is taken a little after it began, when what belongs together has been
// heard, if it still holds then.
func (x *inquest) moment(before *analyzer.Report, after *Segment) (*moment, error) {
	cursor := NewCursorWith(x.timeline, x.objects)
	for wait := min(aftermath, after.To.Add(-resolution).Sub(after.From)); ; wait /= 2 {
		if wait < time.Second/2 {
			wait = 0
		}
		s, err := x.heard.seek(cursor, after.From.Add(wait))
		if err != nil {
			return nil, err
		}
		w := &listener{State: s}
		report := analyzer.Diagnose(w, x.subject, analyzer.Options{})
		if wait == 0 || same(after, &Segment{Report: report, Gap: w.gap}) {
			m := &moment{
				before: before, after: &report, at: after.From, seq: after.Seq, reach: reachOf(s, x.subject),
				improved: worse(before.Verdict.State, report.Verdict.State),
			}
			if m.causes = report.Because; m.improved {
				m.causes = x.causes
			}
			m.reach.shown(m.causes)
			m.pods = m.fates()
			return m, nil
		}
	}
}

// fates sorts the Pods of the reach by how the report shows them. A Pod named
// in the evidence of the root cause fails, whatever else is said of it.
func (m *moment) fates() fates {
	state := map[string]string{}
	for _, e := range m.after.Endpoints.Items {
		state[e.Pod[strings.LastIndexByte(e.Pod, '/')+1:]] = e.State
	}
	if !healthy(m.after.Verdict.State) {
		for _, f := range m.after.Because[:min(1, len(m.after.Because))] {
			for _, e := range f.Evidence {
				if e.Kind == "Pod" && !analyzer.Lookup(f.ID).Is(analyzer.ShowsWorkingPods) {
					state[e.Name] = "failing"
				}
			}
		}
	}
	var found fates
	for uid, p := range m.reach.pods {
		o := m.reach.state.Get(m.reach.names[uid])
		if o == nil || o.UID != uid {
			continue
		}
		switch state[p.Name] {
		case "ready":
			if steady(p, m.reach.state.Instant()) {
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
func (x *inquest) candidates(m *moment) ([]Change, error) {
	onset := m.at
	if s := m.after.Verdict.Since; !s.IsZero() && s.Before(onset) && !healthy(m.after.Verdict.State) {
		onset = s
	}
	rules := analyzer.Lookup(m.root).Explained()
	for _, f := range m.causes {
		if d := analyzer.Lookup(f.ID); d.Is(analyzer.RefusesPods) { // whatever that comes from
			rules = append(rules, d.Changes...)
		}
	}
	var found []Change
	for _, ref := range m.reach.refs {
		all, err := changes(x.timeline, x.objects, ref, x.horizon(ref, m.seq), m.seq)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			matter, whole, within := explains(rules, &c)
			if !whole && len(matter) == 0 {
				continue
			}
			if c.Verb == Deleting && finalized(all, &c) {
				within = analyzer.Latent // it took effect when the last finalizer was gone
			}
			if within != analyzer.Latent && (onset.Sub(c.ObservedAt) > within || c.Seq <= m.floor && (m.improved || !c.rolledOut())) {
				continue
			}
			if !x.meant(m, &c, matter) {
				continue
			}
			c.lead(matter)
			if c.ref.Resource == podResource && c.Verb != Updated {
				c.Origin = Intent // meant has told it from what controllers do
			}
			if n := len(found); within == analyzer.Latent && n > 0 && found[n-1].ref == ref {
				found[n-1] = c // the last state of a configuration is the one that counts
				continue
			}
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return found, nil
}

// horizon is how far back the past of an object is looked at: so many versions.
func (x *inquest) horizon(ref store.Ref, to store.Seq) store.Seq {
	seqs, err := x.timeline.History(ref, to)
	if err != nil || len(seqs) <= maxVersions {
		return 0
	}
	return seqs[len(seqs)-maxVersions-1]
}

// meant reports whether somebody or something outside the controllers' own work
// made the change, so that it can be a cause and not only an effect.
func (x *inquest) meant(m *moment, c *Change, matter []Field) bool {
	switch {
	case (c.Verb == Deleting || c.Verb == Deleted) && m.reach.namespaceEnds(c.ref.Namespace, c.ObservedAt):
		return false // its namespace was deleted, and that is the change
	case c.Earliest.IsZero() && c.Verb == Deleted && c.before != nil && deleting(c.before):
		return len(finalizers(c.before)) > 0 // else the deletion that was asked for before is the change
	case c.ref.Resource == podResource && c.Verb != Updated:
		return c.Verb != Created && m.reach.lossOf(c) == "manual"
	case c.Origin == Intent:
		return true
	case c.Origin == Status: // nobody's intention, but what nodes and load balancers say is the first that is known
		return c.ref.Resource == nodeResource || c.ref.Resource == Services
	case c.Verb == Updated && len(matter) == 1 && matter[0].Path == "/spec/replicas":
		return m.reach.top(c.ref) == c.ref // an autoscaler, not the owner
	}
	return false
}

func deleting(o *analyzer.Object) bool {
	m, err := meta(o.Object)
	return err == nil && m.DeletionTimestamp != nil
}

// finalized reports whether the object of a change is gone by one of the others,
// after it had waited for finalizers.
func finalized(all []Change, c *Change) bool {
	return slices.ContainsFunc(all, func(d Change) bool {
		return d.Verb == Deleted && d.Seq > c.Seq && d.Subject.UID == c.Subject.UID && d.before != nil && len(finalizers(d.before)) > 0
	})
}

func finalizers(o *analyzer.Object) []string {
	m, err := meta(o.Object)
	if err != nil {
		return nil
	}
	return m.Finalizers
}

// group puts writes that belong to one act together: those of one manager, or
// deletions of one kind, close to each other. The last relevant one leads, as
// all of them are needed to undo it.
func group(all []Change) [][]Change {
	var acts [][]Change
next:
	for _, c := range all {
		for i, act := range acts {
			last := act[len(act)-1]
			if c.ObservedAt.Sub(last.ObservedAt) <= oneAct && sameHand(&last, &c) {
				acts[i] = append(act, c)
				continue next
			}
		}
		acts = append(acts, []Change{c})
	}
	return acts
}

func sameHand(a, b *Change) bool {
	switch {
	case a.ref == b.ref:
		return false // a second write to the same object changed its mind
	case a.Writer == nil || b.Writer == nil:
		return a.Writer == b.Writer && a.Verb == b.Verb && a.ref.Resource == b.ref.Resource
	}
	return a.Writer.Manager == b.Writer.Manager && a.Origin == b.Origin
}

// link says how strongly an act is tied to the transition, and which of its
// changes that rests on: one alone if that is enough.
func (x *inquest) link(m *moment, act []Change) Change {
	flips := func(changes []Change) bool {
		v := undo(m.reach, changes)
		if v == nil {
			return false
		}
		then := analyzer.Diagnose(v, x.subject, analyzer.Options{}).Verdict.State
		changes[0].Note = "without it the verdict would be " + string(then)
		better := worse(m.after.Verdict.State, then)
		if m.improved {
			better = worse(then, m.after.Verdict.State)
		}
		other := slices.ContainsFunc(changes, func(c Change) bool { return c.ref.Resource != Services })
		return better && (other || then != x.control(m))
	}
	for i := range act {
		if flips(act[i : i+1]) {
			act[i].Link = Counterfactual
			return act[i]
		}
	}
	if len(act) > 1 && flips(act) {
		act[0].Link = Counterfactual
		return act[0]
	}
	for i := range act {
		if act[i].Note = m.structural(&act[i]); act[i].Note != "" {
			act[i].Link = Structural
			return act[i]
		}
	}
	act[0].Link = Correlated
	return act[0]
}

// control is what the model makes of the second verdict when nothing is undone. It
// knows what would be listed, and not since when: a change of the Service without
// which nothing else would be listed has not brought the verdict about.
func (x *inquest) control(m *moment) analyzer.State {
	if m.modelled == "" {
		m.modelled = analyzer.Diagnose(undo(m.reach, nil), x.subject, analyzer.Options{Brief: true}).Verdict.State
	}
	return m.modelled
}

// structural says why what fails has the change and what works does not; ""
// if that is not so.
func (m *moment) structural(c *Change) string {
	with, without := m.pods.failing, m.pods.working
	verb := "are affected"
	if m.improved {
		with, without, verb = m.pods.working, m.pods.failing, "work"
	}
	if c.ref.Resource.Group == "admissionregistration.k8s.io" {
		return m.refuses(c)
	}
	if len(with) == 0 && c.ref.Resource != nodeResource {
		return ""
	}
	if analyzer.Lookup(m.root).Is(analyzer.NotOfTemplate) && c.ref.Resource != nodeResource {
		return "" // whatever the Pods are made of
	}
	all := func(pods []*corev1.Pod, is func(*corev1.Pod) bool) bool {
		return !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !is(p) })
	}
	none := func(pods []*corev1.Pod, is func(*corev1.Pod) bool) bool { return !slices.ContainsFunc(pods, is) }
	uses := func(p *corev1.Pod) bool { return needed(p.Namespace, &p.Spec)[c.ref] }
	switch {
	case c.ref.Resource == nodeResource:
		on := func(p *corev1.Pod) bool { return p.Spec.NodeName == c.ref.Name }
		if !m.improved {
			with = append(m.lostPods(), with...)
		}
		if !none(with, on) && none(without, on) {
			if m.improved {
				return "Pods on this node work again"
			}
			return "Pods on this node are affected, and none there works"
		}
	case c.ref.Resource == podResource && c.Verb == Updated:
		if slices.ContainsFunc(with, func(p *corev1.Pod) bool { return m.reach.names[p.UID] == c.ref }) {
			return "it is one of the Pods that " + verb
		}
	case m.reach.preempted[c.ref] && c.Verb == Created && !m.improved:
		return "its Pods took the place of those that are missing"
	case m.reach.preempted[c.ref] && c.Verb != Created && m.improved:
		return "its Pods had taken the place of those that were missing"
	case c.resume():
		after := func(p *corev1.Pod) bool { return createdSince(p, c.ObservedAt) }
		if m.improved && all(with, after) && none(without, after) {
			return "it was paused, and only Pods made since work"
		}
	case slices.Contains(analyzer.PodMakers, c.ref.Resource.Resource) && c.Verb == Created:
		if all(with, func(p *corev1.Pod) bool { return m.reach.top(m.reach.names[p.UID]) == c.ref }) {
			return "it made the Pods"
		}
	case slices.Contains(analyzer.PodMakers, c.ref.Resource.Resource):
		for _, f := range c.all {
			steps, in := ofPod(f.steps)
			if !in {
				continue
			}
			has := func(p *corev1.Pod) bool {
				o := m.reach.state.Get(m.reach.names[p.UID])
				return o != nil && scalar(valueAt(decode(o), steps)) == scalar(f.New)
			}
			if all(with, has) && none(without, has) {
				return "only Pods made from this template " + verb
			}
		}
	case c.Verb == Updated || c.Verb == Created:
		after := func(p *corev1.Pod) bool { return uses(p) && startedAfter(p, c.ObservedAt) }
		if all(with, after) && none(without, after) {
			return "only Pods that use it and started after it " + verb
		}
	default:
		if all(with, uses) && none(without, func(p *corev1.Pod) bool { return uses(p) && startedAfter(p, c.ObservedAt) }) {
			return "only Pods that need it " + verb
		}
	}
	return ""
}

// refuses says that a webhook kept Pods from being made, if the causes name it.
func (m *moment) refuses(c *Change) string {
	named := slices.ContainsFunc(m.causes, func(f analyzer.Finding) bool {
		return analyzer.Lookup(f.ID).Is(analyzer.RefusesPods) && slices.ContainsFunc(f.Evidence, func(e analyzer.Evidence) bool {
			return e.Kind == c.Subject.Kind && e.Name == c.ref.Name
		})
	})
	switch {
	case !named:
		return ""
	case m.improved && c.Verb != Created:
		return "it kept new Pods from being made"
	case !m.improved && c.Verb != Deleted:
		return "no new Pod is made without its consent, and it gives none"
	}
	return ""
}

// lostPods are the Pods that were ready before the transition and are not in
// the second report.
func (m *moment) lostPods() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, l := range m.losses() {
		for uid, p := range m.reach.pods {
			if p.Name == l.Pod && m.reach.names[uid].Name == l.Pod {
				pods = append(pods, p)
			}
		}
	}
	return pods
}

// ofPod turns a path in a workload's template into the path in its Pods.
func ofPod(steps []step) ([]step, bool) {
	if len(steps) < 3 || steps[0].field != "spec" || steps[1].field != "template" {
		return nil, false
	}
	return steps[2:], true
}

// startedAfter reports whether a container of the Pod was started, or is yet to
// be, after a moment. Status times have a resolution of one second.
func startedAfter(p *corev1.Pod, t time.Time) bool {
	t = t.Truncate(time.Second)
	if len(p.Status.ContainerStatuses) == 0 {
		return !p.CreationTimestamp.Time.Before(t)
	}
	for _, s := range p.Status.ContainerStatuses {
		var started metav1.Time
		switch {
		case s.State.Running != nil:
			started = s.State.Running.StartedAt
		case s.State.Terminated != nil:
			started = s.State.Terminated.StartedAt
		case s.LastTerminationState.Terminated != nil:
			started = s.LastTerminationState.Terminated.StartedAt
		default:
			started = p.CreationTimestamp
		}
		if !started.Time.Before(t) {
			return true
		}
	}
	return false
}

// choose keeps the strongest changes: what is only correlated does not stand
// beside what is proven. Of what the outage would not have been without, what the
// root cause is shown by goes first; among equals the latest, but a mere restart comes after what the restart brought to
// light.
func (m *moment) choose(found []Change) []Change {
	slices.SortStableFunc(found, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(a.Link.weight(), b.Link.weight()),
			cmp.Compare(boolRank(a.restart() || a.resume()), boolRank(b.restart() || b.resume())),
			cmp.Compare(boolRank(a.Link == Counterfactual && !m.shows(&a)), boolRank(b.Link == Counterfactual && !m.shows(&b))),
			cmp.Compare(b.Seq, a.Seq),
		)
	})
	if len(found) > 0 && found[0].Link != Correlated {
		found = slices.DeleteFunc(found, func(c Change) bool { return c.Link == Correlated })
	}
	return found[:min(len(found), maxChanges)]
}

// shows reports whether the root cause is shown by what the change changed.
func (m *moment) shows(c *Change) bool {
	if len(m.causes) == 0 {
		return false
	}
	return slices.ContainsFunc(m.causes[0].Evidence, func(e analyzer.Evidence) bool {
		return e.Path != "" && e.Kind == c.Subject.Kind && e.Name == c.ref.Name && e.Namespace == c.ref.Namespace && c.touches(e.Path)
	})
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// createdSince: object times have a resolution of a second.
func createdSince(p *corev1.Pod, t time.Time) bool {
	return !p.CreationTimestamp.Time.Before(t.Truncate(time.Second))
}
