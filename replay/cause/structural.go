package cause

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
)

// Structural says why what fails has the change and what works does not; ""
// if that is not so.
func (m *Case) Structural(c *change.Change) string {
	with, without := m.pods.failing, m.pods.working
	verb := "are affected"
	if m.Improved {
		with, without, verb = m.pods.working, m.pods.failing, "work"
	}
	if why := cmp.Or(m.refuses(c), m.rewrites(c)); why != "" || ofAdmission(c.Ref) {
		return why
	}
	if len(with) == 0 && c.Ref.Resource != replay.Nodes {
		return ""
	}
	if registry.Lookup(m.Root).Is(registry.NotOfTemplate) && c.Ref.Resource != replay.Nodes {
		return "" // whatever the Pods are made of
	}
	all := func(pods []*corev1.Pod, is func(*corev1.Pod) bool) bool {
		return !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !is(p) })
	}
	none := func(pods []*corev1.Pod, is func(*corev1.Pod) bool) bool { return !slices.ContainsFunc(pods, is) }
	uses := func(p *corev1.Pod) bool { return needed(p.Namespace, &p.Spec)[c.Ref] }
	switch {
	case c.Ref.Resource == replay.Nodes:
		on := func(p *corev1.Pod) bool { return p.Spec.NodeName == c.Ref.Name }
		if !m.Improved {
			with = append(m.lostPods(), with...)
		}
		if !none(with, on) && none(without, on) {
			if m.Improved {
				return "Pods on this node work again"
			}
			return "Pods on this node are affected, and none there works"
		}
	case c.Ref.Resource == replay.Pods && c.Verb == change.Updated:
		if slices.ContainsFunc(with, func(p *corev1.Pod) bool { return m.Related.names[p.UID] == c.Ref }) {
			return "it is one of the Pods that " + verb
		}
	case m.Related.preempted[c.Ref] && c.Verb == change.Created && !m.Improved:
		return "its Pods took the place of those that are missing"
	case m.Related.preempted[c.Ref] && c.Verb != change.Created && m.Improved:
		return "its Pods had taken the place of those that were missing"
	case c.Ref.Resource == volumes.Resource || c.Ref.Resource == classes.Resource:
		claims := func(p *corev1.Pod) bool { return m.Related.claims(p, c.Ref) }
		switch gone := c.Verb == change.Deleted || c.Verb == change.Deleting; {
		case m.Improved && c.Verb == change.Created && !none(with, claims):
			return "claims of the Pods asked for it"
		case !m.Improved && gone && all(with, claims) && none(without, claims):
			return "only Pods whose claims ask for it are affected"
		}
	case c.IsResume():
		after := func(p *corev1.Pod) bool { return createdSince(p, c.ObservedAt) }
		if m.Improved && all(with, after) && none(without, after) {
			return "it was paused, and only Pods made since work"
		}
	case slices.Contains(registry.PodMakers, c.Ref.Resource.Resource) && c.Verb == change.Created:
		if all(with, func(p *corev1.Pod) bool { return m.Related.top(m.Related.names[p.UID]) == c.Ref }) {
			return "it made the Pods"
		}
	case slices.Contains(registry.PodMakers, c.Ref.Resource.Resource):
		for _, f := range c.AllFields {
			steps, in := ofPod(f.Steps)
			if !in {
				continue
			}
			has := func(p *corev1.Pod) bool {
				o := m.Related.State.Get(m.Related.names[p.UID])
				return o != nil && change.Text(change.ValueAt(change.Decode(o), steps)) == change.Text(f.New)
			}
			if all(with, has) && none(without, has) && (m.Improved || len(without) > 0 || m.servedBefore(c, steps, &f)) {
				return "only Pods made from this template " + verb
			}
		}
	case c.Verb == change.Updated || c.Verb == change.Created:
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

// servedBefore reports whether a Pod that a workload made before a change served, and had
// not what the change brought: what all Pods have that ever were tells nothing. Of a
// change before the recording no such Pod can be there, and none speaks against it.
func (m *Case) servedBefore(c *change.Change, steps []change.Step, f *change.Field) bool {
	if c.ObservedAt.Before(m.Related.State.Start()) {
		return true
	}
	for uid, p := range m.Related.Pods {
		ref := m.Related.names[uid]
		if m.Related.top(ref) != c.Ref || createdSince(p, c.ObservedAt) {
			continue
		}
		if was := m.Related.lastServing(ref, c.Seq); was != nil && serving(was, was) && change.Text(change.ValueAt(change.Decode(was), steps)) != change.Text(f.New) {
			return true
		}
	}
	return false
}

// refuses says that an object kept Pods, or slices, from being written, if the
// causes name it.
func (m *Case) refuses(c *change.Change) string {
	writes, quota := false, c.Ref.Resource.Resource == "resourcequotas" // of which the use is shown
	if m.Improved && c.Ref.Resource.Resource == "limitranges" && c.Verb != change.Deleted && c.Verb != change.Deleting &&
		slices.ContainsFunc(m.causes, func(f analyzer.Finding) bool { return f.Variant == "quota-needs-requests" }) {
		return "it gives new Pods the requests that a quota asks for" // plugin/pkg/admission/limitranger, mergePodResourceRequirements
	}
	named := slices.ContainsFunc(m.causes, func(f analyzer.Finding) bool {
		d := registry.Lookup(f.ID)
		if !d.Is(registry.RefusesPods) && !d.Is(registry.RefusesWrites) {
			return false
		}
		writes = d.Is(registry.RefusesWrites)
		return slices.ContainsFunc(f.Evidence, func(e analyzer.Evidence) bool {
			return e.Kind == c.Subject.Kind && e.Name == c.Ref.Name && (e.Path == "" || c.Verb != change.Updated || c.Touches(e.Path) || quota)
		})
	})
	if !named || !m.Improved && !writes && !(quota && c.Verb == change.Updated) && m.made(c.ObservedAt) || quota && !bounds(c, m.Improved) {
		return ""
	}
	gone := c.Verb == change.Deleted || c.Verb == change.Deleting
	what, done := "new Pod", "made"
	if writes {
		what, done = "EndpointSlice", "written"
	}
	switch {
	case c.Ref.Resource == priorityClasses || c.Ref.Resource.Resource == "serviceaccounts":
		if m.Improved && c.Verb == change.Created {
			return "new Pods name it, and it was missing"
		}
		if !m.Improved && gone {
			return "new Pods name it, and it is gone"
		}
	case m.Improved && c.Verb != change.Created && ofAdmission(c.Ref):
		return "it kept " + what + "s from being " + done
	case m.Improved && c.Verb != change.Created:
		return "the refusal of new Pods named it"
	case !m.Improved && !gone && ofAdmission(c.Ref):
		return "no " + what + " is " + done + " without its consent, and it gives none"
	case !m.Improved && !gone:
		return "the refusal of new Pods names it"
	}
	return ""
}

// bounds reports whether a change to a ResourceQuota lets less be made than before,
// or, if it is to have ended that, more.
func bounds(c *change.Change, more bool) bool {
	if c.Verb != change.Updated {
		return (c.Verb == change.Created) != more
	}
	return slices.ContainsFunc(c.AllFields, func(f change.Field) bool {
		if !strings.HasPrefix(f.Path, "/spec/hard") {
			return false
		}
		was, errWas := resource.ParseQuantity(change.Text(f.Old))
		is, errIs := resource.ParseQuantity(change.Text(f.New))
		if errWas != nil || errIs != nil { // there was no bound, or there is none
			return (errWas != nil) != more
		}
		return was.Cmp(is) != 0 && (is.Cmp(was) > 0) == more
	})
}

// made reports whether a Pod of the reach was made after a moment: what existed
// by then refuses none by itself.
func (m *Case) made(since time.Time) bool {
	for _, p := range m.Related.Pods {
		if p.CreationTimestamp.After(since.Add(time.Second)) {
			return true
		}
	}
	return false
}

// rewrites says that what changes Pods at their creation made them what they are,
// if the causes say that something did: all of these were made since, and others
// of the reach before.
func (m *Case) rewrites(c *change.Change) string {
	if !slices.ContainsFunc(m.causes, func(f analyzer.Finding) bool { return registry.Lookup(f.ID).Is(registry.RewritesPods) }) ||
		!strings.HasPrefix(c.Ref.Resource.Resource, "mutating") {
		return ""
	}
	changed, earlier, later := m.pods.failing, 0, 0
	if m.Improved {
		changed = m.pods.working
	}
	for _, p := range m.Related.Pods {
		if createdSince(p, c.ObservedAt) {
			later++
		} else {
			earlier++
		}
	}
	if later == 0 || earlier == 0 || slices.ContainsFunc(changed, func(p *corev1.Pod) bool { return !createdSince(p, c.ObservedAt) }) {
		return ""
	}
	switch gone := c.Verb == change.Deleted || c.Verb == change.Deleting; {
	case m.Improved && c.Verb != change.Created:
		return "only Pods made since have the labels of their template"
	case !m.Improved && !gone:
		return "only Pods made since carry other labels than their template"
	}
	return ""
}

// lostPods are the Pods that were ready before the transition and are not in
// the second report.
func (m *Case) lostPods() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, l := range m.Losses() {
		for uid, p := range m.Related.Pods {
			if p.Name == l.Pod && m.Related.names[uid].Name == l.Pod {
				pods = append(pods, p)
			}
		}
	}
	return pods
}

// ofPod turns a path in a workload's template into the path in its Pods.
func ofPod(steps []change.Step) ([]change.Step, bool) {
	if len(steps) < 3 || steps[0].Field != "spec" || steps[1].Field != "template" {
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
