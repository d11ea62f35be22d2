package analyzer

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

func nodeCondition(n *corev1.Node, t corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == t {
			return &n.Status.Conditions[i]
		}
	}
	return nil
}

// nodeReady: the Node says it is ready. One that says nothing is not.
func nodeReady(n *corev1.Node) bool {
	c := nodeCondition(n, corev1.NodeReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// nodeNotReady returns the cause that lies in a Node, nil if it is ready or
// not known.
func (q *inquiry) nodeNotReady(n *corev1.Node) *cause {
	if n == nil || nodeReady(n) {
		return nil
	}
	reason, message := "no Ready condition", ""
	found := &cause{
		id: "node-not-ready", subject: q.subject(n), key: n.Name, certainty: Certain, since: n.CreationTimestamp.Time,
		next: commands(describe("node", "", n.Name)),
	}
	if c := nodeCondition(n, corev1.NodeReady); c != nil {
		reason, message = c.Reason, c.Message
		found.since = c.LastTransitionTime.Time
		found.evidence = append(found.evidence, q.see(n, conditionPath(c.Type)+"/status", string(c.Status)), q.see(n, conditionPath(c.Type)+"/reason", c.Reason))
		if containsAny(message, "NetworkPluginNotReady|cni|network is not ready") {
			found.variant = "cni"
		}
	} else {
		found.evidence = append(found.evidence, q.see(n, "/status/conditions", "no Ready condition"))
	}
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoExecute {
			found.evidence = append(found.evidence, q.see(n, "/spec/taints", t.Key+":"+string(t.Effect)))
		}
	}
	found.says = func(who string) string {
		return fmt.Sprintf("Node %s is not ready (%s), which puts %s out of service", n.Name, sentence(reason, message), who)
	}
	found.onset = func() (since time.Time, note string) {
		return held(q, n, func(n *corev1.Node) bool { return !nodeReady(n) })
	}
	return found
}

// nodeDraining returns the cause that a Node is being drained, nil if it is
// not cordoned.
func (q *inquiry) nodeDraining(n *corev1.Node) *cause {
	if n == nil || !n.Spec.Unschedulable {
		return nil
	}
	c := &cause{
		id: "node-draining", subject: q.subject(n), key: n.Name, certainty: Likely, since: q.seen(n).Time,
		evidence: []Evidence{q.see(n, "/spec/unschedulable", "true")},
		next:     commands(describe("node", "", n.Name)),
	}
	by := ""
	if w := writerOf(&n.ObjectMeta, "f:spec", "f:unschedulable"); w != nil {
		by = " by " + w.String()
		c.since = w.time
		c.evidence = append(c.evidence, q.see(n, "/metadata/managedFields", w.String()+" at "+clock(w.time, q.now)))
	}
	c.says = func(who string) string {
		return fmt.Sprintf("Node %s is being drained (cordoned%s), which takes %s away", n.Name, by, who)
	}
	return c
}

// nodeNetwork returns the cause if the Node says its network is not set up.
func (q *inquiry) nodeNetwork(n *corev1.Node) *cause {
	if n == nil {
		return nil
	}
	c := nodeCondition(n, corev1.NodeNetworkUnavailable)
	if c == nil || c.Status != corev1.ConditionTrue {
		return nil
	}
	return &cause{
		id: "node-network-unavailable", subject: q.subject(n), key: n.Name, certainty: Certain, since: c.LastTransitionTime.Time,
		says: func(who string) string {
			return fmt.Sprintf("the network of Node %s is not set up, which puts %s out of service", n.Name, who)
		},
		evidence: []Evidence{q.see(n, conditionPath(c.Type)+"/status", string(c.Status)), q.see(n, conditionPath(c.Type)+"/reason", c.Reason)},
		next:     commands(describe("node", "", n.Name)),
	}
}

// networkOfNodes: what is wrong with the sandboxes of several Pods on one node
// is wrong with the node.
func (s *service) networkOfNodes(units []unit) {
	byNode := map[string][]unit{}
	for _, u := range units {
		if u.cause.id == "pod-sandbox-failed" {
			byNode[u.pod.Spec.NodeName] = append(byNode[u.pod.Spec.NodeName], u)
		}
	}
	for name, failed := range byNode {
		n := s.q.node(name)
		deeper := s.q.nodeNetwork(n)
		if deeper == nil && n != nil && len(failed) > 1 {
			deeper = &cause{
				id: "node-network-unavailable", subject: s.q.subject(n), key: name, certainty: Likely, since: failed[0].cause.since,
				says:     func(who string) string { return fmt.Sprintf("Node %s cannot set up the network of %s", name, who) },
				evidence: failed[0].cause.evidence, next: commands(describe("node", "", name)),
			}
		}
		for _, u := range failed {
			u.cause.because(deeper)
		}
	}
}

// nodeSubject answers for a Node: is it ready, does its network work, is it
// being drained, and what does that mean for the Pods on it?
func (q *inquiry) nodeSubject(name string) *answer {
	n := q.node(name)
	if n == nil {
		return q.nothing(kindOf[corev1.Node](), "", name)
	}
	a := &answer{subject: q.subject(n), state: Serving}
	up, all, evicted := 0, 0, 0
	for _, p := range list[corev1.Pod](q, store.Query{}) {
		if p.Spec.NodeName != name || terminal(p) {
			continue
		}
		all++
		if terminating(p) || podConditionIs(p, corev1.DisruptionTarget, corev1.ConditionTrue) {
			evicted++
		}
		item := Endpoint{Address: p.Status.PodIP, State: "ready", Pod: p.Namespace + "/" + p.Name, Node: name}
		switch {
		case terminating(p):
			item.State = "terminating"
		case ready(p):
			up++
		default:
			item.State = "notready"
			item.Reason = q.podCause(p, nil).root().short()
		}
		a.endpoints.Items = append(a.endpoints.Items, item)
	}
	a.endpoints.Ready, a.endpoints.Desired = up, all
	a.ok = fmt.Sprintf("Node %s is ready, with %d of %s ready", name, up, quantity(all, "Pod"))
	a.steady, a.steadyBut = n.CreationTimestamp.Time, "per status"
	if c := nodeCondition(n, corev1.NodeReady); c != nil {
		a.steady = c.LastTransitionTime.Time
	}
	pods := quantity(all, "Pod")
	say := func(c *cause, state State) {
		if c == nil {
			return
		}
		text := c.says(pods)
		c.says = clause("%s", text)
		a.units = append(a.units, unit{kind: serviceUnit, count: max(1, all), cause: c})
		if stateRank(state) < stateRank(a.state) {
			a.state = state
		}
	}
	say(q.nodeNotReady(n), NotServing)
	say(q.nodeNetwork(n), NotServing)
	if c := q.nodeDraining(n); c != nil && evicted > 0 {
		pods = quantity(evicted, "Pod")
		say(c, Degraded)
	} else if c != nil {
		c.variant, c.says = "cordoned", clause("Node %s is cordoned: no new Pod comes to it", name)
		a.risks = append(a.risks, c)
	}
	return a
}
