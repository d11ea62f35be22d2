package story

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// RiskChange is a write after which a subject serves on, and stands less than it did
// before, or more. It changes no verdict, so no segment begins with it.
type RiskChange struct {
	Change change.Change `json:"change"`
	// Worse and Better say what the write took from the subject and what it gave, a
	// clause each; a write may do both.
	Worse  []string `json:"worse,omitempty"`
	Better []string `json:"better,omitempty"`
	// Began and Ended are the ids of the risks in the report that hold since then,
	// or do not any more.
	Began []string `json:"began,omitempty"`
	Ended []string `json:"ended,omitempty"`
	turns []turn   // of Worse and Better
}

// turn is one statement of a write: what it is about, and how much of that there was
// and is. More is safer.
type turn struct {
	about         string
	before, after int
}

// Raises reports whether the subject is less safe since.
func (r *RiskChange) Raises() bool { return len(r.Worse)+len(r.Began) > 0 }

// maxWeighed bounds the writes of which the risk is looked at: the latest count.
const maxWeighed = 512

// maxNodes bounds the Nodes whose writes are looked at.
const maxNodes = 1024

// Risks returns the writes that changed the risk of a subject while it served,
// in the order of their positions. segments are those of the whole timeline.
func Risks(ctx context.Context, t replay.Timeline, subject store.Ref, segments []verdict.Segment) ([]RiskChange, error) {
	x, err := newExplainer(t, subject)
	if err != nil {
		return nil, err
	}
	return x.risks(ctx, segments)
}

func (x *explainer) risks(ctx context.Context, segments []verdict.Segment) ([]RiskChange, error) {
	if len(segments) == 0 {
		return nil, nil
	}
	end, err := x.Index.Seek(replay.NewCursorWith(x.Timeline, x.Cache), segments[len(segments)-1].To)
	if err != nil {
		return nil, err
	}
	related := cause.RelationsOf(end, x.Subject)
	var writes []change.Change
	byNode := slices.ContainsFunc(related.Refs, func(ref store.Ref) bool { return ref.Resource == replay.Workloads["DaemonSet"] })
	nodes := 0
	for _, ref := range related.Refs {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch ref.Resource {
		case replay.Pods, replay.EndpointSlices, replay.KubernetesEvents:
			continue // what is meant is not written there, or often
		case replay.Nodes:
			if nodes++; !byNode || nodes > maxNodes {
				continue // their labels count the Pods of a DaemonSet
			}
		}
		all, err := change.ListWith(x.Timeline, x.Cache, ref, x.Horizon(ref, end.Seq()), end.Seq())
		if err != nil {
			return nil, err
		}
		for i := range all {
			if all[i].Origin == change.Intent {
				writes = append(writes, all[i])
			}
		}
	}
	slices.SortFunc(writes, func(a, b change.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	writes = writes[max(0, len(writes)-maxWeighed):]
	var found []RiskChange
	for i := range writes {
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		r, err := x.weigh(end, related, segments, &writes[i])
		if err != nil {
			return found, err
		}
		if r != nil {
			found = append(found, *r)
		}
	}
	return found, end.Err()
}

// weigh returns what one write does to the risk of the subject; nil if nothing, or
// if the subject did not serve then.
func (x *explainer) weigh(end *replay.State, related *cause.Relations, segments []verdict.Segment, c *change.Change) (*RiskChange, error) {
	i := slices.IndexFunc(segments, func(s verdict.Segment) bool { return !s.From.After(c.ObservedAt) && c.ObservedAt.Before(s.To) })
	if i < 0 || !verdict.Healthy(segments[i].Report.Verdict.State) || segments[i].Gap != "" {
		return nil, nil
	}
	r := &RiskChange{Change: *c}
	w := weighed(c, related)
	if c.Ref.Resource == replay.Nodes {
		if err := x.weighNode(end, related, c, &w); err != nil {
			return nil, err
		}
		if len(w.turns) == 0 {
			return nil, nil
		}
	}
	r.Worse, r.Better, r.turns = w.worse, w.better, w.turns
	before, err := x.risksAt(end, c.Seq-1, c.ObservedAt)
	if err != nil {
		return nil, err
	}
	after, err := x.risksAt(end, c.Seq, c.ObservedAt)
	if err != nil {
		return nil, err
	}
	for id := range after {
		if !before[id] {
			r.Began = append(r.Began, id)
		}
	}
	for id := range before {
		if !after[id] {
			r.Ended = append(r.Ended, id)
		}
	}
	slices.Sort(r.Began)
	slices.Sort(r.Ended)
	if len(r.Worse)+len(r.Better)+len(r.Began)+len(r.Ended) == 0 {
		return nil, nil
	}
	return r, nil
}

// risksAt returns the ids of the risks in the report of a position, if the subject
// serves there: what a fault brings along is told by the outage.
func (x *explainer) risksAt(end *replay.State, seq store.Seq, at time.Time) (map[string]bool, error) {
	s, err := replay.NewCursorWith(x.Timeline, end.Cache()).SeekTimeUpTo(at, seq)
	if err != nil {
		return nil, err
	}
	report := analyzer.Diagnose(s, x.Subject, analyzer.Options{})
	ids := map[string]bool{}
	for _, f := range report.Risks {
		ids[f.ID] = true
	}
	return ids, s.Err()
}

// weighNode compares where DaemonSets of the subject may run before and after the write of
// a Node: with as many Nodes as Pods, a label is what replicas are elsewhere.
func (x *explainer) weighNode(end *replay.State, related *cause.Relations, c *change.Change, w *weights) error {
	if c.Verb != change.Updated || c.Before == nil || c.After == nil {
		return nil // a Node that comes or goes is told of by what it takes along
	}
	before, after := analyzer.As[corev1.Node](c.Before), analyzer.As[corev1.Node](c.After)
	if maps.Equal(before.Labels, after.Labels) {
		return nil
	}
	s, err := replay.NewCursorWith(x.Timeline, end.Cache()).SeekTimeUpTo(c.ObservedAt, c.Seq)
	if err != nil {
		return err
	}
	for _, ref := range related.Refs {
		o := (*analyzer.Object)(nil)
		if ref.Resource == replay.Workloads["DaemonSet"] {
			o = s.Get(ref)
		}
		if o == nil {
			continue
		}
		pod := &analyzer.As[appsv1.DaemonSet](o).Spec.Template.Spec
		had, has := kube.WantsNode(pod, before), kube.WantsNode(pod, after)
		if had == has {
			continue
		}
		now := 0
		for _, n := range s.List(store.Query{Resource: replay.Nodes}) {
			if kube.WantsNode(pod, analyzer.As[corev1.Node](n)) {
				now++
			}
		}
		was, says := now+1, "DaemonSet %s does not run on Node %s any more: it may run on %s instead of %d"
		if has {
			was, says = now-1, "DaemonSet %s runs on Node %s: it may run on %s instead of %d"
		}
		if now == 0 || was == 0 {
			continue // an outage, and its end
		}
		w.turn(turn{"nodes of " + ref.Name, was, now}, says, ref.Name, after.Name, phrase.Quantity(now, "Node"), was)
	}
	return s.Err()
}

// weighed compares an object before and after a write: what protects the Pods that
// serve, and how many there are.
func weighed(c *change.Change, related *cause.Relations) weights {
	var w weights
	switch c.Ref.Resource.Resource {
	case "deployments", "statefulsets", "daemonsets", "replicasets":
		if c.Verb == change.Updated && c.Before != nil && c.After != nil {
			w.workload(makerOf(c.Before), makerOf(c.After))
		}
	case "poddisruptionbudgets":
		w.budget(c, related)
	}
	return w
}

type weights struct {
	worse, better []string
	turns         []turn
}

// turn notes that there is less of what protects than before, or more.
func (w *weights) turn(t turn, format string, args ...any) {
	w.turns = append(w.turns, t)
	if t.after < t.before {
		w.worse = append(w.worse, fmt.Sprintf(format, args...))
	} else {
		w.better = append(w.better, fmt.Sprintf(format, args...))
	}
}

// maker is what of a workload decides how safe its Pods are.
type maker struct {
	replicas    *int32
	recreate    bool
	unavailable int // Pods that a rollout may take away at once, of the replicas
	containers  []corev1.Container
}

func makerOf(o *analyzer.Object) maker {
	var m maker
	switch o.Resource.Resource {
	case "deployments":
		d := analyzer.As[appsv1.Deployment](o)
		m.replicas, m.containers = d.Spec.Replicas, d.Spec.Template.Spec.Containers
		m.recreate = d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
		if u := d.Spec.Strategy.RollingUpdate; u != nil && u.MaxUnavailable != nil && d.Spec.Replicas != nil {
			m.unavailable, _ = intstr.GetScaledValueFromIntOrPercent(u.MaxUnavailable, int(*d.Spec.Replicas), false)
		}
	case "statefulsets":
		s := analyzer.As[appsv1.StatefulSet](o)
		m.replicas, m.containers = s.Spec.Replicas, s.Spec.Template.Spec.Containers
	case "daemonsets":
		m.containers = analyzer.As[appsv1.DaemonSet](o).Spec.Template.Spec.Containers
	case "replicasets":
		s := analyzer.As[appsv1.ReplicaSet](o)
		m.replicas, m.containers = s.Spec.Replicas, s.Spec.Template.Spec.Containers
	}
	return m
}

func (w *weights) workload(before, after maker) {
	if a, b := before.replicas, after.replicas; a != nil && b != nil && *a > 0 && *b > 0 {
		t := turn{"replicas", int(*a), int(*b)}
		switch {
		case *b == 1 && *a > 1:
			w.turn(t, "1 replica instead of %d: the loss of a single Pod is an outage", *a)
		case *b != *a:
			w.turn(t, "%d replicas instead of %d", *b, *a)
		}
	}
	scaled := before.replicas == nil || after.replicas == nil || *before.replicas != *after.replicas
	switch {
	case after.recreate && !before.recreate:
		w.turn(turn{"strategy", 1, 0}, "a rollout stops all Pods before it starts new ones")
	case before.recreate && !after.recreate:
		w.turn(turn{"strategy", 0, 1}, "a rollout replaces Pods step by step")
	case !scaled && after.unavailable != before.unavailable:
		w.turn(turn{"unavailable", -before.unavailable, -after.unavailable}, "a rollout may take away %d Pods at once instead of %d", after.unavailable, before.unavailable)
	}
	for i := range after.containers {
		now := &after.containers[i]
		n := slices.IndexFunc(before.containers, func(c corev1.Container) bool { return c.Name == now.Name })
		if n < 0 {
			continue
		}
		was := &before.containers[n]
		switch {
		case was.ReadinessProbe != nil && now.ReadinessProbe == nil:
			w.turn(turn{"probe " + now.Name, 1, 0}, "container %s has no readiness probe any more: it gets traffic as soon as it runs", now.Name)
		case was.ReadinessProbe == nil && now.ReadinessProbe != nil:
			w.turn(turn{"probe " + now.Name, 0, 1}, "container %s gets traffic only when its readiness probe passes", now.Name)
		}
		switch had, has := hasPreStop(was), hasPreStop(now); {
		case had && !has:
			w.turn(turn{"preStop " + now.Name, 1, 0}, "container %s has no preStop hook any more: it ends before proxies stop sending to it", now.Name)
		case has && !had:
			w.turn(turn{"preStop " + now.Name, 0, 1}, "container %s has a preStop hook", now.Name)
		}
	}
}

func hasPreStop(c *corev1.Container) bool { return c.Lifecycle != nil && c.Lifecycle.PreStop != nil }

// budget weighs a PodDisruptionBudget, if it protects a Pod of the subject.
func (w *weights) budget(c *change.Change, related *cause.Relations) {
	of := func(o *analyzer.Object) *policyv1.PodDisruptionBudget {
		if o == nil {
			return nil
		}
		b := analyzer.As[policyv1.PodDisruptionBudget](o)
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			return nil
		}
		for _, p := range related.Pods {
			if p.Namespace == o.Namespace && selector.Matches(labels.Set(p.Labels)) {
				return b
			}
		}
		return nil
	}
	before, after := of(c.Before), of(c.After)
	switch {
	case c.Verb == change.Deleted && before != nil:
		w.turn(turn{"budget", 1, 0}, "PodDisruptionBudget %s does not hold back evictions any more", c.Subject.Name)
	case c.Verb == change.Created && after != nil:
		w.turn(turn{"budget", 0, 1}, "PodDisruptionBudget %s holds back evictions", c.Subject.Name)
	case before != nil && after != nil:
		w.bound("at least", before.Spec.MinAvailable, after.Spec.MinAvailable, true)
		w.bound("at most", before.Spec.MaxUnavailable, after.Spec.MaxUnavailable, false)
	}
}

// bound weighs a bound of a budget; higher says that a higher one protects more.
func (w *weights) bound(words string, before, after *intstr.IntOrString, higher bool) {
	if before == nil || after == nil || before.Type != after.Type || *before == *after {
		return
	}
	of := map[bool]string{true: "must stay", false: "may be missing"}[higher]
	a, _ := intstr.GetScaledValueFromIntOrPercent(before, 100, false)
	b, _ := intstr.GetScaledValueFromIntOrPercent(after, 100, false)
	if !higher {
		a, b = -a, -b
	}
	if a != b {
		w.turn(turn{words, a, b}, "%s %s of its Pods %s during evictions, instead of %s", words, after, of, before)
	}
}

// riskBetween returns the last write between two instants that made the subject
// less safe in a respect in which it is so still; nil if there is none.
func riskBetween(all []RiskChange, good, bad time.Time) *RiskChange {
	type respect struct {
		of    store.Ref // none: of the subject, in its report
		about string
	}
	type loss struct {
		by    *RiskChange
		level int // to be reached again
	}
	open := map[respect]loss{}
	for i := range all {
		r := &all[i]
		if !r.Change.ObservedAt.After(good) || r.Change.ObservedAt.After(bad) {
			continue
		}
		for _, id := range r.Ended {
			delete(open, respect{about: id})
		}
		for _, id := range r.Began {
			open[respect{about: id}] = loss{by: r}
		}
		for _, t := range r.turns {
			at := respect{r.Change.Ref, t.about}
			was, lost := open[at]
			switch {
			case t.after < t.before && lost:
				open[at] = loss{r, was.level}
			case t.after < t.before:
				open[at] = loss{r, t.before}
			case lost && t.after >= was.level:
				delete(open, at)
			}
		}
	}
	var found *RiskChange
	for _, l := range open {
		if found == nil || l.by.Change.Seq > found.Change.Seq {
			found = l.by
		}
	}
	return found
}
