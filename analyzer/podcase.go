package analyzer

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podCase is a Pod that does not serve, on its way down the ladder.
type podCase struct {
	q        *inquiry
	pod      *corev1.Pod
	workload *workload // who made it, if known
}

// podRungs find the local cause of a Pod that does not become ready: the first
// that knows one wins.
var podRungs = []func(*podCase) *cause{
	(*podCase).finished,
	(*podCase).gated,
	(*podCase).unschedulable,
	(*podCase).ignored,
	(*podCase).lostNode,
	(*podCase).containerTrouble,
	(*podCase).startTrouble,
	(*podCase).startupProbe,
	(*podCase).readinessProbe,
	(*podCase).readinessGate,
	(*podCase).starting,
}

// podCause returns why a Pod is not ready. It is never nil for such a Pod.
func (q *inquiry) podCause(p *corev1.Pod, w *workload) *cause {
	c := &podCase{q, p, w}
	for _, rung := range podRungs {
		if found := rung(c); found != nil {
			return found
		}
	}
	return nil
}

// cause begins a cause about this Pod: its subject is the workload, as it is
// the template that is wrong, or the Pod if nothing made it.
func (c *podCase) cause(id, key string, says func(string) string, evidence ...Evidence) *cause {
	subject := c.q.subject(c.pod)
	if c.workload != nil {
		subject = c.q.subject(c.workload.object)
	}
	if ref := metav1.GetControllerOf(c.pod); ref != nil {
		key = string(ref.UID) + " " + key // one revision
	}
	return &cause{
		id: id, key: key, subject: subject, says: says, evidence: evidence, certainty: Certain,
		grace: c.young(), since: c.changed(),
		next: commands(describe("pod", c.pod.Namespace, c.pod.Name)),
	}
}

// young: the Pod is inside the grace of its start.
func (c *podCase) young() bool { return c.q.within(c.pod.CreationTimestamp.Time, startGrace) }

// changed is when the Pod's readiness last changed, per status.
func (c *podCase) changed() time.Time {
	if r := podCondition(c.pod, corev1.PodReady); r != nil && !r.LastTransitionTime.IsZero() {
		return r.LastTransitionTime.Time
	}
	return c.pod.CreationTimestamp.Time
}

// while dates a cause by the Pod's history: since when is has held.
func (c *podCase) while(found *cause, is func(*corev1.Pod) bool) *cause {
	found.onset = func() (time.Time, string) { return held(c.q, c.pod, is) }
	return found
}

func (c *podCase) see(path, value string) Evidence { return c.q.see(c.pod, path, value) }

// lostNode: the node went silent and the control plane flipped Ready. Nothing
// else sets Ready to False while all containers say they are ready
// (K/pkg/controller/util/node/controller_utils.go, MarkPodsNotReady).
func (c *podCase) lostNode() *cause {
	p := c.pod
	if p.Spec.NodeName == "" || !podConditionIs(p, corev1.PodReady, corev1.ConditionFalse) ||
		!podConditionIs(p, corev1.ContainersReady, corev1.ConditionTrue) || len(c.openGates()) > 0 {
		return nil
	}
	deeper := c.q.nodeNotReady(c.q.node(p.Spec.NodeName))
	if deeper == nil {
		return nil
	}
	found := c.cause("pod-notready-by-node-controller", p.Spec.NodeName,
		about("did not fail: the node controller set Ready to False, while the containers last said they are ready"),
		c.see(conditionPath(corev1.PodReady)+"/status", "False"), c.see(conditionPath(corev1.ContainersReady)+"/status", "True"))
	found.grace = false
	return found.because(deeper)
}

// openGates are the Pod's readiness gates that are not True.
func (c *podCase) openGates() []string {
	var open []string
	for _, g := range c.pod.Spec.ReadinessGates {
		if !podConditionIs(c.pod, g.ConditionType, corev1.ConditionTrue) {
			open = append(open, string(g.ConditionType))
		}
	}
	return open
}

// starting is the last rung: nothing is wrong that anything says.
func (c *podCase) starting() *cause {
	found := c.cause("", "", func(who string) string { return "waiting for " + who + " to become ready" },
		c.see(conditionPath(corev1.PodReady)+"/status", c.readyStatus()))
	found.grace = c.q.within(found.since, kubeletGrace)
	return found
}

func (c *podCase) readyStatus() string {
	if r := podCondition(c.pod, corev1.PodReady); r != nil {
		return string(r.Status)
	}
	return "not set"
}
