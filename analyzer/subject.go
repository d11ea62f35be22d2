package analyzer

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// examine answers for a subject of any kind that is diagnosed.
func (q *inquiry) examine(ref store.Ref) *answer {
	k := kindsByResource[ref.Resource.GroupResource()]
	switch k.name {
	case "Service":
		return q.service(ref.Namespace, ref.Name)
	case "Pod":
		return q.pod(ref.Namespace, ref.Name)
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController":
		return q.workload(k, ref.Namespace, ref.Name)
	case "Node":
		return q.nodeSubject(ref.Name)
	case "Ingress":
		return q.ingress(ref.Namespace, ref.Name)
	case "HTTPRoute", "GRPCRoute":
		return q.gatewayRoute(k.name, ref.Namespace, ref.Name)
	}
	if k.name == "" {
		k = kind{name: ref.Resource.Resource, plural: ref.Resource.Resource, resource: ref.Resource}
	}
	return &answer{subject: subjectOf(k, ref.Namespace, ref.Name), state: Unknown, ok: "svcspy does not diagnose " + k.plural}
}

// nothing answers for a subject of which nothing is known.
func (q *inquiry) nothing(k kind, namespace, name string) *answer {
	a := &answer{subject: subjectOf(k, namespace, name), state: Absent}
	full := name
	if namespace != "" {
		full = namespace + "/" + name
	}
	if !q.covered(k, namespace) {
		a.state = Unknown
		a.ok = fmt.Sprintf("Whether %s %s exists cannot be known: %s %s", k.name, full, k.plural, q.hole(k, namespace))
		return a
	}
	c := &cause{
		id: "subject-missing", subject: a.subject, certainty: Certain,
		says: clause("%s %s does not exist", k.name, full), evidence: []Evidence{q.absent(k, namespace, name)},
	}
	for o := range q.view.Past(store.Ref{Resource: k.resource, Namespace: a.subject.Namespace, Name: name}) {
		c.id, c.since = "subject-deleted", o.Time
		c.says = clause("%s %s was deleted", k.name, full)
		c.evidence = []Evidence{{
			Seq: o.Seq, Kind: k.name, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID),
			ResourceVersion: o.ResourceVersion, ObservedAt: o.Time, Note: "final state",
		}}
		break
	}
	if c.id == "subject-deleted" && isWorkload(k.name) {
		c.id = "workload-deleted"
	}
	a.units = []unit{{kind: serviceUnit, count: 1, cause: c}}
	return a
}

func isWorkload(kind string) bool {
	switch kind {
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController":
		return true
	}
	return false
}

// nameWaiting finishes a cause that is only "not ready yet", for a subject
// that is not a Service.
func (q *inquiry) nameWaiting(u *unit, subject Subject, full string) {
	root := u.cause.root()
	if root.id != "" {
		return
	}
	if u.workload != nil {
		if r := q.rollout(u.workload); r != nil && r.inProgress() {
			*root = *q.progress(r)
			return
		}
	}
	root.id, root.subject, root.key, root.onset = "pods-not-ready", subject, full, nil
	if u.kind == podUnit {
		root.says = func(who string) string { return who + " did not become ready yet" }
	}
}

// reach adds what the Services that select these labels make of them: a
// workload that is healthy and that no Service leads to gets no traffic either.
// A Service that serves, if from fewer Pods than it should, is only of concern
// if one of those it misses is mine.
func (q *inquiry) reach(a *answer, full, namespace string, labels map[string]string, mine func(unit) bool) {
	if a.state != Serving {
		q.aside(func() { q.reachable(a, full, namespace, labels) })
		return
	}
	worst := q.reachable(a, full, namespace, labels)
	if worst == nil {
		if len(a.classes) == 0 {
			a.state = NotSelected
			a.ok += ", and no Service selects it"
			q.aside(func() { q.notSelected(a, full, namespace, labels) })
		}
		return
	}
	if worst.state == Serving || (worst.state == Degraded || worst.state == Converging) && !slices.ContainsFunc(worst.units, mine) {
		a.ok += fmt.Sprintf(", and reached through Service %s", worst.subject.Name)
		return
	}
	link := "but "
	if worst.state != NotServing {
		link = "and "
	}
	a.state, a.units, a.effects = worst.state, worst.units, append(a.effects, worst.effects...)
	a.prefix = fmt.Sprintf("%s is healthy, %s%s", full, link, worst.prefix)
	a.steady, a.steadyBut = worst.steady, worst.steadyBut
}

// reachable answers for the Services that select the labels, and returns the
// worst of them; nil if there is none.
func (q *inquiry) reachable(a *answer, full, namespace string, labels map[string]string) *answer {
	var worst *answer
	for _, svc := range list[corev1.Service](q, store.Query{Namespace: namespace}) {
		if !kube.Selectable(svc) || !kube.Matches(svc.Spec.Selector, labels) {
			continue
		}
		next := q.serviceAnswer(namespace, svc.Name)
		if next == nil {
			continue
		}
		for _, c := range next.classes {
			if c.Class != "dns" {
				a.classes = append(a.classes, ClassResult{c.Class, c.Result, "Service " + svc.Name + phrase.Prefixed(": ", c.Detail)})
			}
		}
		if worst == nil || stateRank(next.state) < stateRank(worst.state) {
			worst = next
		}
		if a.checklist == nil || next == worst {
			a.checklist = next.checklist
		}
	}
	return worst
}

// stateRank orders states worst first.
func stateRank(s State) int {
	for i, t := range []State{Absent, NotServing, PartiallyServing, Degraded, Unknown, Converging, Serving, NotSelected} {
		if s == t {
			return i
		}
	}
	return 0
}

// notSelected looks for the Service that was perhaps meant to select these
// labels.
func (q *inquiry) notSelected(a *answer, full, namespace string, labels map[string]string) {
	c := &cause{
		id: "workload-not-selected", subject: a.subject, certainty: Certain,
		says: clause("no Service in namespace %s selects %s", namespace, phrase.Pairs(labels)),
	}
	k := kindOf[corev1.Service]()
	c.evidence = []Evidence{q.absent(k, namespace, "")}
	c.evidence[0].Note = "none selects " + phrase.Pairs(labels)
	for _, svc := range list[corev1.Service](q, store.Query{Namespace: namespace}) {
		if !kube.Selectable(svc) {
			continue
		}
		if want, have, ok := oddPair(svc.Spec.Selector, labels); ok {
			c.says = clause("no Service in namespace %s selects %s; Service %s is near: it says %s where these have %s", namespace, phrase.Pairs(labels), svc.Name, want, have)
			c.evidence = append(c.evidence, q.see(svc, "/spec/selector", phrase.Pairs(svc.Spec.Selector)))
			break
		}
	}
	a.hints = append(a.hints, c)
}

// pod answers for one Pod: is it ready, and does a Service lead to it?
func (q *inquiry) pod(namespace, name string) *answer {
	p := get[corev1.Pod](q, namespace, name)
	if p == nil {
		return q.nothing(kindOf[corev1.Pod](), namespace, name)
	}
	full := "Pod " + namespace + "/" + name
	a := &answer{subject: q.subject(p), prefix: full + " is not ready: ", ok: full + " is ready", state: Serving}
	a.endpoints = Endpoints{Desired: 1, Items: []Endpoint{{Address: p.Status.PodIP, State: "ready", Pod: p.Name, Node: p.Spec.NodeName}}}
	w := q.controller(&p.ObjectMeta)
	var c *cause
	switch {
	case kube.Terminating(p):
		c = q.ending(p, w)
	case !kube.Ready(p):
		c = q.podCause(p, w)
	}
	if c == nil {
		a.endpoints.Ready = 1
		a.steady, a.steadyBut = (&podCase{q: q, pod: p}).changed(), "per status"
		q.reach(a, full, namespace, p.Labels, func(u unit) bool { return u.pod != nil && u.pod.UID == p.UID })
		return a
	}
	u := unit{kind: podUnit, count: 1, pod: p, cause: c}
	q.nameWaiting(&u, a.subject, full)
	a.units = []unit{u}
	a.endpoints.Items[0].State, a.endpoints.Items[0].Reason = "notready", c.root().short()
	a.state = NotServing
	if c.root().grace {
		a.state = Converging
	}
	a.alone = true
	q.reach(a, full, namespace, p.Labels, nil)
	return a
}

// workload answers for a controller of Pods: do its Pods come up, and does a
// Service lead to them?
func (q *inquiry) workload(k kind, namespace, name string) *answer {
	w := asWorkload(q.owned(k.name, namespace, name))
	if w == nil {
		return q.nothing(k, namespace, name)
	}
	w.pods = q.podsOf(w)
	a := &answer{subject: q.subject(w.object)}
	up := 0
	for _, p := range w.pods {
		if kube.Terminal(p) || kube.Terminating(p) {
			continue
		}
		item := Endpoint{Address: p.Status.PodIP, State: "ready", Pod: p.Name, Node: p.Spec.NodeName}
		if kube.Ready(p) {
			up++
		} else {
			c := q.podCause(p, w)
			item.State, item.Reason = "notready", c.root().short()
			a.units = append(a.units, unit{kind: podUnit, count: 1, pod: p, workload: w, cause: c})
		}
		a.endpoints.Items = append(a.endpoints.Items, item)
	}
	a.endpoints.Ready, a.endpoints.Desired = up, w.desired
	if missing := q.missing(w); missing > 0 {
		a.units = append(a.units, unit{kind: unbornUnit, count: missing, workload: w, cause: q.unbornCause(w)})
	}
	full := fmt.Sprintf("%s %s/%s", w.kind, namespace, name)
	if zero := q.atZero(w); zero != nil && w.active() == 0 {
		a.units = append(a.units, unit{kind: serviceUnit, count: 1, cause: zero})
		a.intent = "Idle"
	}
	if r := q.rollout(w); r != nil {
		a.effects = q.rolloutEffects(r)
		if c := q.refusedRollout(r); c != nil && len(a.units) == 0 {
			a.units = append(a.units, unit{kind: serviceUnit, count: 1, workload: w, cause: c})
		}
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
		Degraded:   fmt.Sprintf("%s has %d of %s ready: ", full, up, phrase.Quantity(w.desired, "Pod")),
		Converging: fmt.Sprintf("%s is changing, %d of %s ready: ", full, up, phrase.Quantity(w.desired, "Pod")),
	}[a.state]
	a.ok = fmt.Sprintf("%s is healthy: %s ready", full, phrase.Quantity(up, "Pod"))
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
