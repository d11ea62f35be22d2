package analyzer

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

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
		next:     []string{"kubectl describe node " + n.Name},
	}
}
