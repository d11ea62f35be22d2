package analyzer

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
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
		next: []string{"kubectl describe node " + n.Name},
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
		next:     []string{"kubectl describe node " + n.Name},
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
