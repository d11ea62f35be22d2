package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/store"
)

// rollout is a Deployment with its ReplicaSets.
type rollout struct {
	deployment *appsv1.Deployment
	current    *appsv1.ReplicaSet   // of the present template; nil if not made yet
	older      []*appsv1.ReplicaSet // the others, newest revision first
}

// rollout returns the rollout of a workload, nil if it is no Deployment.
func (q *inquiry) rollout(w *workload) *rollout {
	d, ok := w.object.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	if r := q.rollouts[d]; r != nil {
		return r
	}
	r := &rollout{deployment: d}
	sets := list[appsv1.ReplicaSet](q, store.Query{Namespace: d.Namespace, Owner: d.UID})
	slices.SortStableFunc(sets, func(a, b *appsv1.ReplicaSet) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	for _, rs := range sets {
		if r.current == nil && sameTemplate(&rs.Spec.Template, &d.Spec.Template) {
			r.current = rs
		} else {
			r.older = append(r.older, rs)
		}
	}
	slices.SortStableFunc(r.older, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(cmp.Compare(len(b.Annotations[revisionAnnotation]), len(a.Annotations[revisionAnnotation])),
			cmp.Compare(b.Annotations[revisionAnnotation], a.Annotations[revisionAnnotation]))
	})
	if q.rollouts == nil {
		q.rollouts = map[*appsv1.Deployment]*rollout{}
	}
	q.rollouts[d] = r
	return r
}

// sameTemplate compares templates but for the label the controller adds
// (K/pkg/controller/deployment/util, EqualIgnoreHash).
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	x, y := *a, *b
	x.Labels, y.Labels = withoutHash(a.Labels), withoutHash(b.Labels)
	return apiequality.Semantic.DeepEqual(x, y)
}

func withoutHash(labels map[string]string) map[string]string {
	rest := make(map[string]string, len(labels))
	for k, v := range labels {
		if k != appsv1.DefaultDeploymentUniqueLabelKey {
			rest[k] = v
		}
	}
	return rest
}

func (r *rollout) condition(t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range r.deployment.Status.Conditions {
		if r.deployment.Status.Conditions[i].Type == t {
			return &r.deployment.Status.Conditions[i]
		}
	}
	return nil
}

// complete: all wanted Pods are of the present template and available
// (K/pkg/controller/deployment/util, DeploymentComplete).
func (r *rollout) complete() bool {
	d, want := r.deployment, int32(replicas(r.deployment.Spec.Replicas))
	return d.Status.UpdatedReplicas == want && d.Status.Replicas == want && d.Status.AvailableReplicas == want &&
		d.Status.ObservedGeneration >= d.Generation
}

// inProgress: the Deployment controller is replacing or making Pods, and has
// not given up.
func (r *rollout) inProgress() bool {
	p := r.condition(appsv1.DeploymentProgressing)
	if r.complete() || p == nil || p.Status != corev1.ConditionTrue {
		return false
	}
	return slices.Contains([]string{"NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"}, p.Reason)
}

func (r *rollout) stuck() bool {
	p := r.condition(appsv1.DeploymentProgressing)
	return p != nil && p.Status == corev1.ConditionFalse && p.Reason == "ProgressDeadlineExceeded"
}

// name is the Deployment, with the revision it wants.
func (r *rollout) name() string {
	if rev := r.revision(); rev != "" {
		return fmt.Sprintf("Deployment %s (rev %s)", r.deployment.Name, rev)
	}
	return "Deployment " + r.deployment.Name
}

func (r *rollout) revision() string {
	if r.current != nil && r.current.Annotations[revisionAnnotation] != "" {
		return r.current.Annotations[revisionAnnotation]
	}
	return ""
}

// cause begins a cause about the rollout.
func (q *inquiry) rolloutCause(r *rollout, id string, says func(string) string, evidence ...Evidence) *cause {
	return &cause{
		id: id, subject: q.subject(r.deployment), key: string(r.deployment.UID), says: says, evidence: evidence, certainty: Certain,
		since: r.started(),
		next:  []string{fmt.Sprintf("kubectl rollout status -n %s deployment/%s", r.deployment.Namespace, r.deployment.Name)},
	}
}

// started is when the present revision began: its ReplicaSet was made, or an
// old one taken up again, which the Progressing condition tells.
func (r *rollout) started() time.Time {
	t := r.deployment.CreationTimestamp.Time
	if r.current != nil {
		t = r.current.CreationTimestamp.Time
	}
	// A ReplicaSet that a rollback takes up again is old; that the rollout is
	// under way since then says the condition, until it fails.
	if p := r.condition(appsv1.DeploymentProgressing); p != nil && p.Status == corev1.ConditionTrue && p.LastTransitionTime.After(t) {
		t = p.LastTransitionTime.Time
	}
	return t
}

// progress is the cause of Pods that are only not ready yet.
func (q *inquiry) progress(r *rollout) *cause {
	d := r.deployment
	c := q.rolloutCause(r, "rollout-in-progress", func(string) string {
		return fmt.Sprintf("%s is rolling out, %d of %s available", r.name(), d.Status.AvailableReplicas, quantity(replicas(d.Spec.Replicas), "Pod"))
	}, q.see(d, conditionPath(appsv1.DeploymentProgressing)+"/reason", r.condition(appsv1.DeploymentProgressing).Reason),
		q.see(d, "/status/updatedReplicas", fmt.Sprint(d.Status.UpdatedReplicas)))
	c.grace = true
	return c
}

// rolloutEffects are what failing Pods do to their Deployment, the nearest
// first.
func (q *inquiry) rolloutEffects(r *rollout) []*cause {
	d := r.deployment
	var effects []*cause
	if r.current != nil && replicas(r.current.Spec.Replicas) > 0 && r.current.Status.AvailableReplicas == 0 && !q.within(r.started(), startGrace) {
		old := int32(0)
		rev := ""
		for _, rs := range r.older {
			old += rs.Status.AvailableReplicas
			if rs.Status.AvailableReplicas > 0 && rev == "" {
				rev = rs.Annotations[revisionAnnotation]
			}
		}
		if old > 0 {
			effects = append(effects, q.rolloutCause(r, "new-revision-unhealthy",
				clause("rev %s of Deployment %s never became available; rev %s serves on with %s", r.revision(), d.Name, rev, quantity(int(old), "Pod")),
				q.see(r.current, "/status/availableReplicas", "0"), q.see(d, "/status/availableReplicas", fmt.Sprint(d.Status.AvailableReplicas))))
		}
	}
	if r.stuck() {
		p := r.condition(appsv1.DeploymentProgressing)
		c := q.rolloutCause(r, "rollout-stuck", clause("the rollout of %s made no progress within its deadline of %ds", r.name(), deadline(d)),
			q.see(d, conditionPath(p.Type)+"/reason", p.Reason))
		c.since = p.LastTransitionTime.Time
		c.next = []string{fmt.Sprintf("kubectl rollout undo -n %s deployment/%s", d.Namespace, d.Name)}
		effects = append(effects, c)
	}
	return effects
}

func deadline(d *appsv1.Deployment) int32 {
	if d.Spec.ProgressDeadlineSeconds == nil {
		return 600
	}
	return *d.Spec.ProgressDeadlineSeconds
}

// fenceposts are how many Pods the rolling update may take away and add
// (K/pkg/controller/deployment/util, ResolveFenceposts): never both zero.
func fenceposts(d *appsv1.Deployment) (unavailable, surge int) {
	quarter := intstr.FromString("25%")
	maxUnavailable, maxSurge := &quarter, &quarter
	if ru := d.Spec.Strategy.RollingUpdate; ru != nil {
		if ru.MaxUnavailable != nil {
			maxUnavailable = ru.MaxUnavailable
		}
		if ru.MaxSurge != nil {
			maxSurge = ru.MaxSurge
		}
	}
	n := replicas(d.Spec.Replicas)
	surge, _ = intstr.GetScaledValueFromIntOrPercent(maxSurge, n, true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(maxUnavailable, n, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return unavailable, surge
}

// cutCapacity: the rollout was allowed to stop old Pods before new ones were
// ready, and did.
func (s *service) cutCapacity(r *rollout) *cause {
	d := r.deployment
	n := replicas(d.Spec.Replicas)
	why := ""
	unavailable, surge := fenceposts(d)
	switch {
	case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		why = "strategy Recreate"
	case unavailable >= n:
		why = fmt.Sprintf("maxUnavailable %d of %d", unavailable, n)
	case n == 1 && surge == 0:
		why = "1 replica and maxSurge 0"
	}
	ready, _ := s.usable()
	if why == "" || r.complete() || len(r.older) == 0 || 2*ready >= s.desired {
		return nil
	}
	c := s.q.rolloutCause(r, "rollout-cut-capacity", clause("Deployment %s stopped its old Pods before the new ones were ready (%s)", d.Name, why),
		s.q.see(d, "/spec/strategy", why))
	if r.current != nil {
		c.evidence = append(c.evidence, s.q.see(r.current, "/status/readyReplicas", fmt.Sprint(r.current.Status.ReadyReplicas)))
	}
	for _, rs := range r.older {
		if len(c.evidence) < maxRows {
			c.evidence = append(c.evidence, s.q.see(rs, "/spec/replicas", fmt.Sprint(replicas(rs.Spec.Replicas))))
		}
	}
	c.next = []string{fmt.Sprintf("kubectl patch deployment -n %s %s -p '{\"spec\":{\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxUnavailable\":0,\"maxSurge\":1}}}}'", d.Namespace, d.Name)}
	return c
}

// raised is when the workload last got more replicas, or was made; zero if
// that was before the window.
func (q *inquiry) raised(w *workload) time.Time {
	switch o := w.object.(type) {
	case *appsv1.Deployment:
		return raisedIn(q, o)
	case *appsv1.ReplicaSet:
		return raisedIn(q, o)
	case *appsv1.StatefulSet:
		return raisedIn(q, o)
	case *appsv1.DaemonSet:
		return raisedIn(q, o)
	}
	return time.Time{}
}

func raisedIn[T any](q *inquiry, v *T) time.Time {
	o := q.seen(v)
	want, since := asWorkload(any(v)).desired, o.Time
	n := 0
	for old, w := range past[T](q, o.Namespace, o.Name) {
		if old.UID != o.UID {
			return since
		}
		if was := asWorkload(any(w)).desired; was < want {
			return since
		} else {
			want = was
		}
		since = old.Time
		if n++; n == maxHistory || !q.within(old.Time, window) {
			return time.Time{}
		}
	}
	return since
}

// unbornCause returns why a workload has fewer Pods than it should.
func (q *inquiry) unbornCause(w *workload) *cause {
	for _, rung := range []func(*workload) *cause{q.createFailed, q.setBlocked, q.behind} {
		if c := rung(w); c != nil {
			return c
		}
	}
	c := q.workloadCause(w, "", func(who string) string { return who + " do not exist yet" },
		q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
	c.grace = q.within(q.seen(w.object).Time, controllerGrace)
	return c
}

// workloadCause begins a cause about a workload.
func (q *inquiry) workloadCause(w *workload, id string, says func(string) string, evidence ...Evidence) *cause {
	return &cause{
		id: id, subject: q.subject(w.object), key: string(w.meta.UID), says: says, evidence: evidence, certainty: Certain,
		since: q.seen(w.object).Time,
		next:  []string{fmt.Sprintf("kubectl describe %s -n %s %s", kindsByName[w.kind].resource.Resource, w.meta.Namespace, w.meta.Name)},
	}
}

// behind: the controller has not seen the last change of the spec.
func (q *inquiry) behind(w *workload) *cause {
	if w.generation <= w.observed || w.observed == 0 && !w.scaled {
		return nil
	}
	c := q.workloadCause(w, "controller-behind", clause("the last change of %s has not been processed (generation %d, observed %d)", w, w.generation, w.observed),
		q.see(w.object, "/metadata/generation", fmt.Sprint(w.generation)), q.see(w.object, "/status/observedGeneration", fmt.Sprint(w.observed)))
	c.grace = q.within(c.since, controllerGrace)
	return c.because(q.stalled("kube-controller-manager"))
}

// atZero: the workload is meant to have no Pods.
func (q *inquiry) atZero(w *workload) *cause {
	switch {
	case w.suspended():
		return q.workloadCause(w, "workload-scaled-to-zero", clause("%s is suspended", w), q.see(w.object, "/spec/suspend", "true"))
	case !w.scaled || w.desired > 0:
		return nil
	case w.kind == "DaemonSet":
		return q.workloadCause(w, "workload-scaled-to-zero", clause("no node is one that %s wants", w), q.see(w.object, "/status/desiredNumberScheduled", "0"))
	}
	c := q.workloadCause(w, "workload-scaled-to-zero", clause("%s is scaled to 0", w), q.see(w.object, "/spec/replicas", "0"))
	c.next = []string{fmt.Sprintf("kubectl scale -n %s %s/%s --replicas=%d", w.meta.Namespace, kindsByName[w.kind].resource.Resource, w.meta.Name, 1)}
	q.whoScaled(w, c)
	return c.because(q.scaledDown(w))
}

// whoScaled adds when, from how many and with which tool replicas became 0.
func (q *inquiry) whoScaled(w *workload, c *cause) {
	o := q.seen(w.object)
	before := 0
	for old := range q.view.Past(store.Ref{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}) {
		if old.UID != o.UID {
			break
		}
		v := q.decodeWorkload(old)
		if v == nil {
			break
		}
		if v.desired > 0 {
			before = v.desired
			break
		}
		c.since = old.Time
	}
	c.onset = func() (time.Time, string) { return c.since, "" }
	by := ""
	if wr := writerOf(w.meta, "f:spec", "f:replicas"); wr != nil {
		by = " by " + wr.String()
		c.evidence = append(c.evidence, q.see(w.object, "/metadata/managedFields", wr.String()+" at "+clock(wr.time, q.now)))
	}
	if before > 0 {
		c.evidence[0].Old = fmt.Sprint(before)
		c.next[0] = fmt.Sprintf("kubectl scale -n %s %s/%s --replicas=%d", w.meta.Namespace, kindsByName[w.kind].resource.Resource, w.meta.Name, before)
		c.says = clause("%s was scaled from %d to 0%s", w, before, by)
	} else if by != "" {
		c.says = clause("%s is scaled to 0%s", w, by)
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
