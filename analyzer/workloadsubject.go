package analyzer

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

// workload answers for a controller of Pods: do its Pods come up, and does a
// Service lead to them?
func (q *inquiry) workload(k kind, namespace, name string) *answer {
	w := asWorkload(q.owned(k.name, namespace, name))
	if w == nil {
		return q.nothing(k, namespace, name)
	}
	w.pods = q.podsOf(w)
	a := &answer{subject: q.subject(w.object)}
	up, living := 0, 0
	for _, p := range w.pods {
		if terminal(p) || terminating(p) {
			continue
		}
		living++
		item := Endpoint{Address: p.Status.PodIP, State: "ready", Pod: p.Name, Node: p.Spec.NodeName}
		if ready(p) {
			up++
		} else {
			c := q.podCause(p, w)
			item.State, item.Reason = "notready", c.root().short()
			a.units = append(a.units, unit{kind: podUnit, count: 1, pod: p, workload: w, cause: c})
		}
		a.endpoints.Items = append(a.endpoints.Items, item)
	}
	a.endpoints.Ready, a.endpoints.Desired = up, w.desired
	if missing := w.desired - living; missing > 0 {
		a.units = append(a.units, unit{kind: unbornUnit, count: missing, workload: w, cause: q.unbornCause(w)})
	}
	full := fmt.Sprintf("%s %s/%s", w.kind, namespace, name)
	if zero := q.atZero(w); zero != nil && living == 0 {
		a.units = append(a.units, unit{kind: serviceUnit, count: 1, cause: zero})
		a.intent = "Idle"
	}
	if r := q.rollout(w); r != nil {
		a.effects = q.rolloutEffects(r)
	}
	for i := range a.units {
		q.nameWaiting(&a.units[i], a.subject, full)
	}
	faulty := false
	for _, u := range a.units {
		faulty = faulty || !u.cause.root().grace
	}
	switch {
	case len(a.units) == 0:
		a.state = Serving
	case up == 0 && faulty:
		a.state = NotServing
	case faulty:
		a.state = Degraded
	default:
		a.state = Converging
	}
	a.steady = w.meta.CreationTimestamp.Time
	a.steadyBut = "per status"
	a.prefix = map[State]string{
		NotServing: full + " has no ready Pod: ",
		Degraded:   fmt.Sprintf("%s has %d of %s ready: ", full, up, quantity(w.desired, "Pod")),
		Converging: fmt.Sprintf("%s is changing, %d of %s ready: ", full, up, quantity(w.desired, "Pod")),
	}[a.state]
	a.ok = fmt.Sprintf("%s is healthy: %s ready", full, quantity(up, "Pod"))
	q.reach(a, full, namespace, w.template.Labels, func(u unit) bool { return u.workload != nil && u.workload.meta.UID == w.meta.UID })
	return a
}

// podsOf lists the Pods a workload controls, through its ReplicaSets if it has
// some.
func (q *inquiry) podsOf(w *workload) []*corev1.Pod {
	if d, ok := w.object.(*appsv1.Deployment); ok {
		var pods []*corev1.Pod
		for _, rs := range list[appsv1.ReplicaSet](q, store.Query{Namespace: d.Namespace, Owner: d.UID}) {
			pods = append(pods, list[corev1.Pod](q, store.Query{Namespace: d.Namespace, Owner: rs.UID})...)
		}
		return pods
	}
	return list[corev1.Pod](q, store.Query{Namespace: w.meta.Namespace, Owner: w.meta.UID})
}
