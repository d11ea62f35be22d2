package analyzer

import (
	"cmp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/store"
)

// workload is what makes Pods: the controller at the top of a Pod's owner
// chain, or one whose template a Service selects.
type workload struct {
	object   any // *appsv1.Deployment, ...
	meta     *metav1.ObjectMeta
	kind     string
	template *corev1.PodTemplateSpec
	desired  int // Pods it should have; 0 for Jobs, whose Pods are counted one by one
	scaled   bool
	made     int // Pods that its controller last counted
	// spoken for itself: generation and what its controller has seen of it.
	generation, observed int64
	pods                 []*corev1.Pod // selected Pods it controls, whatever their state
}

func (w *workload) String() string { return w.kind + " " + w.meta.Name }

func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// asWorkload wraps an object that makes Pods.
func asWorkload(object any) *workload {
	w := &workload{object: object}
	switch o := object.(type) {
	case *appsv1.Deployment:
		w.kind, w.meta, w.template = "Deployment", &o.ObjectMeta, &o.Spec.Template
		w.desired, w.scaled, w.observed = replicas(o.Spec.Replicas), true, o.Status.ObservedGeneration
		w.made = int(o.Status.Replicas)
	case *appsv1.ReplicaSet:
		w.kind, w.meta, w.template = "ReplicaSet", &o.ObjectMeta, &o.Spec.Template
		w.desired, w.scaled, w.observed = replicas(o.Spec.Replicas), true, o.Status.ObservedGeneration
		w.made = int(o.Status.Replicas)
	case *appsv1.StatefulSet:
		w.kind, w.meta, w.template = "StatefulSet", &o.ObjectMeta, &o.Spec.Template
		w.desired, w.scaled, w.observed = replicas(o.Spec.Replicas), true, o.Status.ObservedGeneration
		w.made = int(o.Status.Replicas)
	case *appsv1.DaemonSet:
		w.kind, w.meta, w.template = "DaemonSet", &o.ObjectMeta, &o.Spec.Template
		w.desired, w.scaled, w.observed = int(o.Status.DesiredNumberScheduled), true, o.Status.ObservedGeneration
		w.made = int(o.Status.CurrentNumberScheduled)
	case *batchv1.Job:
		w.kind, w.meta, w.template = "Job", &o.ObjectMeta, &o.Spec.Template
	case *batchv1.CronJob:
		w.kind, w.meta, w.template = "CronJob", &o.ObjectMeta, &o.Spec.JobTemplate.Spec.Template
	case *corev1.ReplicationController:
		w.kind, w.meta, w.template = "ReplicationController", &o.ObjectMeta, o.Spec.Template
		w.desired, w.scaled, w.observed = replicas(o.Spec.Replicas), true, o.Status.ObservedGeneration
		w.made = int(o.Status.Replicas)
	default:
		return nil
	}
	if w.template == nil {
		w.template = &corev1.PodTemplateSpec{}
	}
	w.generation = w.meta.Generation
	return w
}

// suspended: a Job or CronJob that is told to make no Pods.
func (w *workload) suspended() bool {
	switch o := w.object.(type) {
	case *batchv1.Job:
		return o.Spec.Suspend != nil && *o.Spec.Suspend
	case *batchv1.CronJob:
		return o.Spec.Suspend != nil && *o.Spec.Suspend
	}
	return false
}

// active are its Pods that are neither finished nor going.
func (w *workload) active() int {
	n := 0
	for _, p := range w.pods {
		if !kube.Terminal(p) && !kube.Terminating(p) {
			n++
		}
	}
	return n
}

// missing is how many Pods a workload should have and has not. Where not every Pod
// is known, one that its controller counts is not missing.
func (q *inquiry) missing(w *workload) int {
	n := w.active()
	if q.proof(kindOf[corev1.Pod](), w.meta.Namespace).hole {
		n = max(n, w.made)
	}
	if short := q.shortfall(w); short > w.desired-n {
		return short
	}
	return w.desired - n
}

// shortfall is how many Pods the ReplicaSets of a Deployment lack whose Pods are
// refused: one more of another revision is not made in their place.
func (q *inquiry) shortfall(w *workload) int {
	d, ok := w.object.(*appsv1.Deployment)
	if !ok || !slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue
	}) {
		return 0
	}
	r, short := q.rollout(w), 0
	for _, rs := range r.older { // the new one may have to wait for room
		n := 0
		for _, p := range w.pods {
			if ref := metav1.GetControllerOfNoCopy(p); ref != nil && ref.UID == rs.UID && !kube.Terminal(p) && !kube.Terminating(p) {
				n++
			}
		}
		short += max(0, replicas(rs.Spec.Replicas)-n)
	}
	return min(short, w.desired)
}

// owned reads one object that may own others, by kind.
func (q *inquiry) owned(kind, namespace, name string) any {
	var object any
	switch kind {
	case "Deployment":
		object = pointer(get[appsv1.Deployment](q, namespace, name))
	case "ReplicaSet":
		object = pointer(get[appsv1.ReplicaSet](q, namespace, name))
	case "StatefulSet":
		object = pointer(get[appsv1.StatefulSet](q, namespace, name))
	case "DaemonSet":
		object = pointer(get[appsv1.DaemonSet](q, namespace, name))
	case "Job":
		object = pointer(get[batchv1.Job](q, namespace, name))
	case "CronJob":
		object = pointer(get[batchv1.CronJob](q, namespace, name))
	case "ReplicationController":
		object = pointer(get[corev1.ReplicationController](q, namespace, name))
	}
	return object
}

// pointer makes a nil pointer a nil interface.
func pointer[T any](v *T) any {
	if v == nil {
		return nil
	}
	return v
}

// ownerDepth bounds owner chains: Pod, Job, CronJob is the longest there is.
const ownerDepth = 4

// controller returns the workload at the top of an object's chain of
// controlling owners; nil if it has none, or none that is known. Owners are
// matched by UID: a name can come back.
func (q *inquiry) controller(meta *metav1.ObjectMeta) *workload {
	var top *workload
	for range ownerDepth {
		ref := metav1.GetControllerOfNoCopy(meta)
		if ref == nil {
			break
		}
		w := asWorkload(q.owned(ref.Kind, meta.Namespace, ref.Name))
		if w == nil || w.meta.UID != ref.UID {
			break
		}
		top, meta = w, w.meta
	}
	return top
}

// controllers finds the workloads of many Pods, asking once per direct owner.
type controllers struct {
	q     *inquiry
	byRef map[types.UID]*workload // direct owner -> top
	byUID map[types.UID]*workload
}

func (c *controllers) of(p *corev1.Pod) *workload {
	ref := metav1.GetControllerOfNoCopy(p)
	if ref == nil {
		return nil
	}
	w, known := c.byRef[ref.UID]
	if !known {
		if w = c.q.controller(&p.ObjectMeta); w != nil {
			w = c.add(w)
		}
		c.byRef[ref.UID] = w
	}
	return w
}

// add returns the one workload there is for the UID.
func (c *controllers) add(w *workload) *workload {
	if old := c.byUID[w.meta.UID]; old != nil {
		return old
	}
	c.byUID[w.meta.UID] = w
	return w
}

// workloads returns the top controllers of the Pods and the workloads of the
// namespace whose template the selector matches, with their Pods, ordered by
// kind and name; and the Pods that have no known controller.
func (q *inquiry) workloads(namespace string, selector map[string]string, pods []*corev1.Pod) (found []*workload, bare []*corev1.Pod) {
	c := &controllers{q: q, byRef: map[types.UID]*workload{}, byUID: map[types.UID]*workload{}}
	for _, p := range pods {
		if w := c.of(p); w != nil {
			w.pods = append(w.pods, p)
		} else {
			bare = append(bare, p)
		}
	}
	for _, w := range q.templates(namespace, selector, func(labels map[string]string) bool { return kube.Matches(selector, labels) }) {
		c.add(w)
	}
	for _, w := range c.byUID {
		found = append(found, w)
	}
	slices.SortFunc(found, func(a, b *workload) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.meta.Name, b.meta.Name))
	})
	return found, bare
}

// templates returns the workloads of a namespace that nothing else controls and
// whose Pods would have labels that are wanted: all of them match the selector.
func (q *inquiry) templates(namespace string, selector map[string]string, wanted func(labels map[string]string) bool) []*workload {
	var all []*workload
	all = appendTemplates[appsv1.Deployment](all, q, namespace, selector, wanted)
	all = appendTemplates[appsv1.ReplicaSet](all, q, namespace, selector, wanted)
	all = appendTemplates[appsv1.StatefulSet](all, q, namespace, selector, wanted)
	all = appendTemplates[appsv1.DaemonSet](all, q, namespace, selector, wanted)
	all = appendTemplates[batchv1.Job](all, q, namespace, selector, wanted)
	all = appendTemplates[batchv1.CronJob](all, q, namespace, selector, wanted)
	return appendTemplates[corev1.ReplicationController](all, q, namespace, selector, wanted)
}

// appendTemplates looks at the Template of each object, and at the rest only of
// those that are wanted.
func appendTemplates[T any](all []*workload, q *inquiry, namespace string, selector map[string]string, wanted func(map[string]string) bool) []*workload {
	k := kindOf[T]()
	q.covered(k, namespace)
	for _, o := range q.view.Templates(store.Query{Resource: k.resource, Namespace: namespace}, selector) {
		t := o.Template()
		if t.Err != nil {
			decode[T](q, k, o) // notes that it cannot be
			continue
		}
		if t.Controlled || !wanted(t.Labels) {
			continue
		}
		if v := get[T](q, namespace, o.Name); v != nil {
			all = append(all, asWorkload(v))
		}
	}
	return all
}

// revisionAnnotation is how Deployments number their ReplicaSets.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// revision returns the Deployment revision a Pod belongs to, "" if it has none.
func (q *inquiry) revision(p *corev1.Pod) string {
	ref := metav1.GetControllerOfNoCopy(p)
	if ref == nil || ref.Kind != "ReplicaSet" {
		return ""
	}
	rs := get[appsv1.ReplicaSet](q, p.Namespace, ref.Name)
	if rs == nil || rs.UID != ref.UID {
		return ""
	}
	return rs.Annotations[revisionAnnotation]
}

// workloadCause begins a cause about a workload.
func (q *inquiry) workloadCause(w *workload, id string, says func(string) string, evidence ...Evidence) *cause {
	return &cause{
		id: id, subject: q.subject(w.object), key: string(w.meta.UID), says: says, evidence: evidence, certainty: Certain,
		since: q.seen(w.object).Time,
		next:  commands(describe(kindsByName[w.kind].resource.Resource, w.meta.Namespace, w.meta.Name)),
	}
}

// decodeWorkload reads a version of a workload of any kind.
func (q *inquiry) decodeWorkload(o *Object) *workload {
	var v any
	switch kindsByResource[o.Resource.GroupResource()].name {
	case "Deployment":
		v = pointer(decode[appsv1.Deployment](q, kindOf[appsv1.Deployment](), o))
	case "ReplicaSet":
		v = pointer(decode[appsv1.ReplicaSet](q, kindOf[appsv1.ReplicaSet](), o))
	case "StatefulSet":
		v = pointer(decode[appsv1.StatefulSet](q, kindOf[appsv1.StatefulSet](), o))
	case "DaemonSet":
		v = pointer(decode[appsv1.DaemonSet](q, kindOf[appsv1.DaemonSet](), o))
	case "ReplicationController":
		v = pointer(decode[corev1.ReplicationController](q, kindOf[corev1.ReplicationController](), o))
	}
	return asWorkload(v)
}
