package analyzer

import (
	corev1 "k8s.io/api/core/v1"
)

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
	case terminating(p):
		c = q.ending(p, w)
	case !ready(p):
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
