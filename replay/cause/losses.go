package cause

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// Loss is one endpoint that a subject had and lost, and how.
type Loss struct {
	Pod   string    `json:"pod"`
	Class string    `json:"class"` // svc, label, evict, rollout, scale, owner-delete, manual, node, unready, exit or slice
	Seq   store.Seq `json:"seq"`   // where that is recorded
	At    time.Time `json:"at"`
	Note  string    `json:"note,omitempty"`
}

// recently is how long before the deletion of a Pod its owner may have been
// scaled down for the one to be the other's doing.
const recently = time.Minute

// Losses says how the endpoints were lost that were ready before a transition
// and are not any more.
func (m *Case) Losses() []Loss {
	still := map[string]bool{}
	for _, e := range m.After.Endpoints.Items {
		if e.State == "ready" {
			still[e.Pod] = true
		}
	}
	lost := []Loss{}
	for _, e := range m.Before.Endpoints.Items {
		if e.State != "ready" || e.Pod == "" || still[e.Pod] {
			continue
		}
		still[e.Pod] = true // it may stand in several slices
		name := e.Pod[strings.LastIndexByte(e.Pod, '/')+1:]
		if ref := (store.Ref{Resource: replay.Pods, Namespace: m.Related.Refs[0].Namespace, Name: name}); m.Related.seen[ref] {
			lost = append(lost, m.Related.loss(ref, m.Onset))
		}
	}
	if r := m.Related; slices.ContainsFunc(lost, func(l Loss) bool { return l.Class == "slice" }) {
		unlisted(lost, r.readyOver(r.State.Instant()))
	}
	slices.SortFunc(lost, func(a, b Loss) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Pod, b.Pod)) })
	return lost
}

// loss finds the first thing that happened to a Pod after a position, that
// takes it out of service.
func (r *Relations) loss(ref store.Ref, after store.Seq) Loss {
	l := Loss{Pod: ref.Name, Class: "slice", At: r.State.Instant(), Seq: r.State.Seq()}
	was := r.lastServing(ref, after)
	if was == nil {
		return l
	}
	var now *analyzer.Object // the first version in which it does not serve as it did
	for o := range r.State.Past(ref) {
		if o.Seq <= was.Seq {
			break
		}
		if o.UID == was.UID && !serving(o, was) { // a name comes back, with another UID
			now = o
		}
	}
	if now == nil {
		if gone := r.State.Get(ref); gone == nil || gone.UID != was.UID {
			l.Class, l.Note = "manual", "it is gone; nobody was listening when it went"
		} else if node := r.nodeGone(was); node != nil {
			l.Class, l.Seq, l.At, l.Note = "node", node.Seq, node.Time.UTC(), "Node "+node.Name+" was deleted"
		} else if svc := r.serviceChange(after); svc != nil {
			l.Class, l.Seq, l.At, l.Note = "svc", svc.Seq, svc.ObservedAt, svc.String()
		}
		return l
	}
	p, old := analyzer.As[corev1.Pod](now), analyzer.As[corev1.Pod](was)
	if svc := r.serviceChange(after); svc != nil && svc.Seq < now.Seq && svc.deselects(old) {
		l.Class, l.Seq, l.At, l.Note = "svc", svc.Seq, svc.ObservedAt, svc.String()
		return l // what became of the Pod later took nothing from the Service
	}
	l.Seq, l.At = now.Seq, now.Time.UTC()
	switch {
	case disruption(p) != nil:
		l.Class, l.Note = "evict", disruption(p).Reason
	case p.DeletionTimestamp != nil || now.Type == watch.Deleted:
		l.Class, l.Note = r.deletion(ref, now)
	case !sameLabels(p.Labels, old.Labels):
		l.Class, l.Note = "label", "its labels changed"
	case r.nodeDown(p.Spec.NodeName):
		l.Class, l.Note = "node", "Node "+p.Spec.NodeName+" is not ready"
	case exited(p) != nil:
		l.Class, l.Note = "exit", exited(p).Reason
	default:
		l.Class = "unready"
		if c := condition(p, corev1.PodReady); c != nil {
			l.Note = cmp.Or(c.Message, c.Reason)
		}
	}
	return l
}

// unlisted dates what only slices tell of by the version from which on the Pod was not
// listed as ready, if one is recorded.
func unlisted(lost []Loss, over []readyPods) {
	for i := range lost {
		l := &lost[i]
		for n := len(over) - 1; n > 0 && l.Class == "slice"; n-- {
			if over[n-1].pods[l.Pod] && !over[n].pods[l.Pod] {
				l.Seq, l.At = over[n].seq, over[n].at.UTC()
				break
			}
		}
	}
}

// lastServing returns the version of a Pod in which it last served, at a position
// or, where its endpoint followed late, before that, even if the Pod is gone since; if
// there is none, the version at the position.
func (r *Relations) lastServing(ref store.Ref, at store.Seq) *analyzer.Object {
	was := r.before(ref, at+1)
	if was != nil && serving(was, was) {
		return was
	}
	var first *analyzer.Object // of those that are looked at: all have its UID
	n := 0
	for o := range r.State.Past(ref) {
		if o.Seq > at {
			continue
		}
		if first == nil {
			first = cmp.Or(was, o)
		}
		if n++; o.UID != first.UID || n > maxVersions {
			break
		}
		if serving(o, o) {
			return o
		}
	}
	return was
}

// serving reports whether a version of a Pod is as able to serve as another.
func serving(o, was *analyzer.Object) bool {
	p, old := analyzer.As[corev1.Pod](o), analyzer.As[corev1.Pod](was)
	ready := condition(p, corev1.PodReady)
	return o.Type != watch.Deleted && p.DeletionTimestamp == nil && ready != nil && ready.Status == corev1.ConditionTrue &&
		disruption(p) == nil && sameLabels(p.Labels, old.Labels)
}

func condition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// disruption returns the condition that says the cluster removed the Pod.
func disruption(p *corev1.Pod) *corev1.PodCondition {
	if c := condition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return c
	}
	return nil
}

func sameLabels(a, b map[string]string) bool {
	return len(a) == len(b) && (len(a) == 0 || selects(a, b))
}

// exited returns how a container of the Pod ended that should run.
func exited(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for i := range p.Status.ContainerStatuses {
		s := &p.Status.ContainerStatuses[i]
		if s.State.Terminated != nil {
			return s.State.Terminated
		}
		if s.State.Waiting != nil && s.LastTerminationState.Terminated != nil {
			return s.LastTerminationState.Terminated
		}
	}
	return nil
}

func (r *Relations) nodeDown(name string) bool {
	o := r.State.Get(store.Ref{Resource: replay.Nodes, Name: name})
	if o == nil {
		return false
	}
	for _, c := range analyzer.As[corev1.Node](o).Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status != corev1.ConditionTrue
		}
	}
	return false
}

// nodeGone returns the last version of a Pod's Node, if that was deleted.
func (r *Relations) nodeGone(pod *analyzer.Object) *analyzer.Object {
	for o := range r.State.Past(store.Ref{Resource: replay.Nodes, Name: analyzer.As[corev1.Pod](pod).Spec.NodeName}) {
		if o.Type == watch.Deleted {
			return o
		}
		break
	}
	return nil
}

// serviceChange returns the first change to a Service of the reach after a
// position that can take endpoints away.
func (r *Relations) serviceChange(after store.Seq) *serviceChange {
	for _, ref := range r.Refs {
		if ref.Resource != replay.Services {
			continue
		}
		all, err := change.ListWith(r.State.Timeline(), r.State.Cache(), ref, after, r.State.Seq())
		r.State.Note(err)
		for _, c := range all {
			if specOrWhole(&c) {
				return &serviceChange{c}
			}
		}
	}
	return nil
}

// serviceChange is a change to a Service that can take endpoints away.
type serviceChange struct{ change.Change }

// deselects reports whether a Pod was selected before the change and is not since.
func (c *serviceChange) deselects(p *corev1.Pod) bool {
	selected := func(o *analyzer.Object) bool {
		return o != nil && selects(analyzer.As[corev1.Service](o).Spec.Selector, p.Labels)
	}
	return selected(c.Before) && !selected(c.After)
}

// lossOf classifies the deletion of a Pod.
func (r *Relations) lossOf(c *change.Change) string {
	o := c.After
	if o == nil {
		o = c.Before
	}
	if p := analyzer.As[corev1.Pod](o); disruption(p) != nil {
		return "evict"
	}
	class, _ := r.deletion(c.Ref, o)
	return class
}

// deletion says on whose behalf a Pod is deleted: its owner's, because that was
// scaled down, replaced or deleted itself; else somebody deleted the Pod.
func (r *Relations) deletion(ref store.Ref, o *analyzer.Object) (class, note string) {
	if r.namespaceEnds(ref.Namespace, o.Time) {
		return "owner-delete", "Namespace " + ref.Namespace + " was deleted"
	}
	owner := metav1.GetControllerOf(analyzer.As[corev1.Pod](o))
	if owner == nil {
		return "manual", "nothing tells who deleted it"
	}
	resource, known := replay.Workloads[owner.Kind]
	if !known {
		return "owner-delete", "its owner is a " + owner.Kind
	}
	at := store.Ref{Resource: resource, Namespace: ref.Namespace, Name: owner.Name}
	then := r.before(at, o.Seq+1)
	switch {
	case then == nil || then.UID != owner.UID:
		return "owner-delete", owner.Kind + " " + owner.Name + " was deleted"
	case Deleting(then):
		return "owner-delete", owner.Kind + " " + owner.Name + " is being deleted"
	case owner.Kind == "DaemonSet" && r.unplaced(then, o):
		return "scale", "DaemonSet " + owner.Name + " wants no Pod on Node " + analyzer.As[corev1.Pod](o).Spec.NodeName + " any more"
	case (owner.Kind == "DaemonSet" || owner.Kind == "StatefulSet") && r.outdated(then, o) && !r.waitedFor(then, ref, o):
		return "rollout", owner.Kind + " " + owner.Name + " replaces its Pods"
	case r.shrunk(at, then, o.Time) && r.tooMany(then, owner.UID, o.Seq):
		if top := r.top(at); top != at && r.grew(top, at, o.Time) {
			return "rollout", r.kind(top) + " " + top.Name + " replaces its Pods"
		}
		return "scale", owner.Kind + " " + owner.Name + " was scaled down"
	}
	return "manual", "nothing tells who deleted it"
}

// kind names what a resource is called where it has a name.
func (r *Relations) kind(ref store.Ref) string {
	for kind, resource := range replay.Workloads {
		if resource == ref.Resource {
			return kind
		}
	}
	return ref.Resource.Resource
}

// namespaceEnds reports whether the deletion of a namespace had been asked for
// at a moment. Kinds are heard through streams of their own, so what follows
// from it may be heard a little earlier.
func (r *Relations) namespaceEnds(name string, at time.Time) bool {
	ref := store.Ref{Resource: replay.Namespaces, Name: name}
	for o := range r.State.Past(ref) {
		if o.Type != watch.Deleted && !Deleting(o) {
			return false
		}
		if !o.Time.After(at.Add(OneAct)) {
			return true
		}
	}
	return false
}

// unplaced reports whether a DaemonSet does not want a Pod where it ran: its template, or
// the Node, is another than when it was placed there. Nodes are heard through a stream of
// their own, so that what led to the deletion may be heard a little later.
func (r *Relations) unplaced(owner, pod *analyzer.Object) bool {
	spec := &analyzer.As[appsv1.DaemonSet](owner).Spec.Template.Spec
	for o := range r.State.Past(store.Ref{Resource: replay.Nodes, Name: analyzer.As[corev1.Pod](pod).Spec.NodeName}) {
		if o.Time.After(pod.Time.Add(OneAct)) {
			continue
		}
		return o.Type != watch.Deleted && !kube.WantsNode(spec, analyzer.As[corev1.Node](o))
	}
	return false
}

// outdated reports whether a Pod is of an older revision than its owner wants.
func (r *Relations) outdated(owner, pod *analyzer.Object) bool {
	hash := analyzer.As[corev1.Pod](pod).Labels[appsv1.ControllerRevisionHashLabelKey]
	if onDelete(owner) {
		return false // it leaves that to somebody
	}
	if r.succeeded(pod, hash) {
		return true // also where nobody saw the template change
	}
	if owner.Resource == replay.Workloads["StatefulSet"] { // its status may be written after the Pod is deleted
		for o := range r.State.Past(owner.Ref()) {
			if o.Time.After(pod.Time.Add(OneAct)) {
				continue
			}
			if want := analyzer.As[appsv1.StatefulSet](o).Status.UpdateRevision; want != "" && want != hash {
				return true
			}
			if o.Time.Before(pod.Time.Add(-OneAct)) {
				break
			}
		}
		return false
	}
	for old := range r.State.Past(owner.Ref()) { // a DaemonSet's template changed shortly before
		if old.Seq > owner.Seq {
			continue
		}
		if pod.Time.Sub(old.Time) > 10*recently {
			return false
		}
		if analyzer.As[appsv1.DaemonSet](old).Generation != analyzer.As[appsv1.DaemonSet](owner).Generation {
			return true
		}
	}
	return false
}

// onDelete reports whether a controller leaves the deletion of old Pods to somebody.
func onDelete(owner *analyzer.Object) bool {
	if owner.Resource == replay.Workloads["StatefulSet"] {
		return analyzer.As[appsv1.StatefulSet](owner).Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	}
	return analyzer.As[appsv1.DaemonSet](owner).Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
}

// succeeded reports whether the controller of a Pod made a younger one of another
// revision by the time that one was deleted, or soon after.
func (r *Relations) succeeded(pod *analyzer.Object, hash string) bool {
	p := analyzer.As[corev1.Pod](pod)
	owner := metav1.GetControllerOfNoCopy(p)
	if owner == nil || hash == "" {
		return false
	}
	for _, other := range r.Pods {
		ref := metav1.GetControllerOfNoCopy(other)
		if ref != nil && ref.UID == owner.UID && other.Labels[appsv1.ControllerRevisionHashLabelKey] != hash &&
			other.CreationTimestamp.After(p.CreationTimestamp.Time) && other.CreationTimestamp.Time.Before(pod.Time.Add(recently)) {
			return true
		}
	}
	return false
}

// waitedFor reports whether a StatefulSet would not have deleted the Pod: one
// that makes its Pods in order waits for each to be ready, for ever if need be.
func (r *Relations) waitedFor(owner *analyzer.Object, ref store.Ref, pod *analyzer.Object) bool {
	if owner.Resource != replay.Workloads["StatefulSet"] || analyzer.As[appsv1.StatefulSet](owner).Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
		return false
	}
	was := r.before(ref, pod.Seq)
	return was != nil && was.UID == pod.UID && !serving(was, was)
}

// shrunk reports whether a workload asked for more Pods a little earlier.
func (r *Relations) shrunk(ref store.Ref, then *analyzer.Object, at time.Time) bool {
	want := replicasOf(then)
	for old := range r.State.Past(ref) {
		if old.Seq >= then.Seq {
			continue
		}
		if replicasOf(old) > want {
			return true
		}
		if at.Sub(old.Time) > recently { // it was the one in force when the window began
			break
		}
	}
	return false
}

// tooMany reports whether a workload had more Pods than it asked for just before
// a position. Where its deletion of Pods was heard before the write that asked
// for it, that is not known to be so, and the deletion is somebody's.
func (r *Relations) tooMany(owner *analyzer.Object, uid types.UID, at store.Seq) bool {
	alive := 0
	for pod, p := range r.Pods {
		if ref := metav1.GetControllerOf(p); ref == nil || ref.UID != uid {
			continue
		}
		if o := r.before(r.names[pod], at); o != nil && o.UID == pod && o.Type != watch.Deleted && !Deleting(o) {
			alive++
		}
	}
	return alive > replicasOf(owner)
}

// grew reports whether another ReplicaSet of the same Deployment was made or
// scaled up around a moment.
func (r *Relations) grew(top, but store.Ref, at time.Time) bool {
	for _, ref := range r.Refs {
		if ref.Resource != replay.Workloads["ReplicaSet"] || ref == but || r.top(ref) != top {
			continue
		}
		more := 0
		for o := range r.State.Past(ref) {
			if d := o.Time.Sub(at); d > recently {
				continue
			} else if d < -10*recently {
				break
			}
			if n := replicasOf(o); n < more {
				return true
			} else if n > more {
				more = n
			}
		}
		if more > 0 && r.State.Get(ref) != nil && createdAfter(r.State.Get(ref), at.Add(-10*recently)) {
			return true
		}
	}
	// Recreate: the new ReplicaSet is made when all old Pods are gone; the new
	// template tells of it before that.
	changed, err := change.ListWith(r.State.Timeline(), r.State.Cache(), top, 0, r.State.Seq())
	r.State.Note(err)
	return slices.ContainsFunc(changed, func(c change.Change) bool {
		d := at.Sub(c.ObservedAt)
		return d >= 0 && d < 10*recently && slices.ContainsFunc(c.AllFields, func(f change.Field) bool { return strings.HasPrefix(f.Path, "/spec/template") })
	})
}

func createdAfter(o *analyzer.Object, t time.Time) bool {
	m, err := change.Metadata(o.Object)
	return err == nil && m.CreationTimestamp.After(t)
}
