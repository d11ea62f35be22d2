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

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/object"
	"github.com/svcspy/svcspy/analyzer/phrase"
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
		if r.current == nil && (sameTemplateText(q.seen(rs), q.seen(d)) || sameTemplate(&rs.Spec.Template, &d.Spec.Template)) {
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

// sameTemplateText reports whether the templates of two objects are sameTemplate,
// if the texts tell that: they do when the same API server wrote both.
func sameTemplateText(a, b *Object) bool {
	x, y := object.Member(object.Member(a.Event.Object, "spec"), "template"), object.Member(object.Member(b.Event.Object, "spec"), "template")
	return len(x) > 0 && len(y) > 0 && object.SameMembers(x, y, "metadata", func(x, y []byte) bool {
		return object.SameMembers(x, y, "labels", func(x, y []byte) bool {
			return object.SameMembers(x, y, appsv1.DefaultDeploymentUniqueLabelKey, func(_, _ []byte) bool { return true })
		})
	})
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

// pending says which images a paused Deployment is to get, in parentheses; ""
// if that is not what changed.
func (r *rollout) pending() string {
	if r.current != nil || len(r.older) == 0 {
		return ""
	}
	var images []string
	for _, now := range r.deployment.Spec.Template.Spec.Containers {
		for _, was := range r.older[0].Spec.Template.Spec.Containers {
			if was.Name == now.Name && was.Image != now.Image {
				images = append(images, "image "+now.Image+" for "+was.Image)
			}
		}
	}
	if len(images) == 0 {
		return ""
	}
	return "(" + phrase.Enumerate(images, 2) + ")"
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

// firstRevision is that of a Deployment which has nothing to be rolled back to.
const firstRevision = "1"

// rolloutCause begins a cause about the rollout.
func (q *inquiry) rolloutCause(r *rollout, id string, says func(string) string, evidence ...Evidence) *cause {
	return &cause{
		id: id, subject: q.subject(r.deployment), key: string(r.deployment.UID), says: says, evidence: evidence, certainty: Certain,
		since: r.started(),
		next:  commands(rolloutCommand("status", r.deployment.Namespace, r.deployment.Name)),
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
		return fmt.Sprintf("%s is rolling out, %d of %s available", r.name(), d.Status.AvailableReplicas, phrase.Quantity(replicas(d.Spec.Replicas), "Pod"))
	}, q.see(d, phrase.ConditionPath(appsv1.DeploymentProgressing)+"/reason", r.condition(appsv1.DeploymentProgressing).Reason),
		q.see(d, "/status/updatedReplicas", fmt.Sprint(d.Status.UpdatedReplicas)))
	c.grace = true
	return c
}

// refusedRollout: the API server refuses the first Pod of the new revision. The
// old ones serve on, so that no Pod is missing.
func (q *inquiry) refusedRollout(r *rollout) *cause {
	d := r.deployment
	if r.complete() || d.Status.ObservedGeneration < d.Generation || int(d.Status.UpdatedReplicas) >= replicas(d.Spec.Replicas) {
		return nil
	}
	c := q.createFailed(asWorkload(d))
	if c == nil {
		return nil
	}
	text := c.says("new Pods of " + r.name())
	c.says = clause("%s", text)
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
				clause("rev %s of Deployment %s never became available; rev %s serves on with %s", r.revision(), d.Name, rev, phrase.Quantity(int(old), "Pod")),
				q.see(r.current, "/status/availableReplicas", "0"), q.see(d, "/status/availableReplicas", fmt.Sprint(d.Status.AvailableReplicas))))
		}
	}
	if r.stuck() {
		p := r.condition(appsv1.DeploymentProgressing)
		c := q.rolloutCause(r, "rollout-stuck", clause("the rollout of %s made no progress within its deadline of %ds", r.name(), deadline(d)),
			q.see(d, phrase.ConditionPath(p.Type)+"/reason", p.Reason))
		c.since = p.LastTransitionTime.Time
		if r.revision() != firstRevision {
			c.next = commands(rolloutCommand("undo", d.Namespace, d.Name))
		}
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
	if why == "" || r.complete() || len(r.older) == 0 || 2*ready >= s.desired || ready == 0 && s.darkBefore(d) {
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
	return c
}

// bringBack sets what to do about a rollout that took the capacity: undo it, and
// look how it goes on. A paused Deployment cannot be rolled back.
func bringBack(c *cause, d *appsv1.Deployment) {
	c.next = commands(rolloutCommand("undo", d.Namespace, d.Name), rolloutCommand("status", d.Namespace, d.Name))
	if d.Spec.Paused {
		c.next = append(commands(rolloutCommand("resume", d.Namespace, d.Name)), c.next...)
	}
}

// prevent sets what keeps the next rollout from doing the same: it does not help
// while the Pods are missing.
func prevent(c *cause, d *appsv1.Deployment) {
	c.next = commands(command.Kubectl("patch").Add(command.Object("deployment", d.Namespace, d.Name)...).
		Add("-p", `{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0,"maxSurge":1}}}}`))
}

// darkBefore reports whether the Service had no ready endpoint when a Deployment got
// the template that it has now: that rollout took nothing away.
func (s *service) darkBefore(d *appsv1.Deployment) bool {
	at := templateSince[appsv1.Deployment](s.q, s.q.seen(d))
	return !at.IsZero() && s.darkSince().Before(at)
}

// darkBeforeSet is darkBefore for a StatefulSet or DaemonSet.
func (s *service) darkBeforeSet(w *workload) bool {
	if ready, terminating := s.usable(); ready+terminating > 0 {
		return false
	}
	at := s.q.templateOf(w)
	return !at.IsZero() && s.darkSince().Before(at)
}

// templateOf is since when a StatefulSet or DaemonSet has its template; zero if nobody
// saw that change lately.
func (q *inquiry) templateOf(w *workload) time.Time {
	switch o := w.object.(type) {
	case *appsv1.StatefulSet:
		return templateSince[appsv1.StatefulSet](q, q.seen(o))
	case *appsv1.DaemonSet:
		return templateSince[appsv1.DaemonSet](q, q.seen(o))
	}
	return time.Time{}
}

// templateSince is since when an object has its template; zero if nobody saw that change
// within the window.
func templateSince[T any](q *inquiry, o *Object) time.Time {
	since, n := o.Time, 0
	for old := range past[T](q, o.Namespace, o.Name) {
		if old.UID != o.UID {
			break
		}
		if !sameTemplateText(old, o) {
			return since
		}
		if since, n = old.Time, n+1; n > maxHistory || !q.within(old.Time, window) {
			break
		}
	}
	return time.Time{}
}

// newestStart reports whether the Pods of a DaemonSet that are not ready were all made
// from the template that it got lately: its status calls them updated when they are made.
func (q *inquiry) newestStart(w *workload) bool {
	at, starting := q.templateOf(w), false
	if by := writerOf(w.meta, "f:spec", "f:template"); at.IsZero() && by != nil && q.first(q.seen(w.object)) && by.time.Sub(w.meta.CreationTimestamp.Time) > time.Second && q.within(by.time, window) {
		at = by.time // nobody saw it change
	}
	for _, p := range w.pods {
		if kube.Ready(p) || kube.Terminating(p) {
			continue
		}
		if starting = true; at.IsZero() || p.CreationTimestamp.Time.Before(at.Truncate(time.Second)) {
			return false
		}
	}
	return starting
}

// setProgress returns that a StatefulSet or DaemonSet replaces its Pods by those
// of a new template, and how many it may take away at a time; nil if it does not.
func (q *inquiry) setProgress(w *workload) (found *cause, most int) {
	updated, limit := 0, (*intstr.IntOrString)(nil)
	switch o := w.object.(type) {
	case *appsv1.StatefulSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType || o.Status.CurrentRevision == o.Status.UpdateRevision && w.generation == w.observed {
			return nil, 0
		}
		updated = int(o.Status.UpdatedReplicas)
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil {
			limit = r.MaxUnavailable
		}
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType || int(o.Status.UpdatedNumberScheduled) >= w.desired && w.generation == w.observed && !q.newestStart(w) {
			return nil, 0
		}
		updated = int(o.Status.UpdatedNumberScheduled)
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil {
			limit = r.MaxUnavailable
		}
	default:
		return nil, 0
	}
	most, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(limit, intstr.FromInt32(1)), w.desired, false)
	if err != nil || most < 1 {
		most = 1
	}
	found = q.workloadCause(w, "rollout-in-progress", clause("%s replaces its Pods, %d of %s updated", w, updated, phrase.Quantity(w.desired, "Pod")),
		q.see(w.object, "/metadata/generation", fmt.Sprint(w.generation)))
	found.grace = true
	return found, most
}
