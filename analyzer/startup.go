package analyzer

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// startTrouble: bound to a node, and no container has anything to say.
func (c *podCase) startTrouble() *cause {
	p := c.pod
	if p.Spec.NodeName == "" || p.Status.Phase != corev1.PodPending {
		return nil
	}
	if !c.waitsToStart() {
		return nil
	}
	if found := c.unavailableVolume(); found != nil {
		return found
	}
	if found := c.sandbox(); found != nil {
		return found
	}
	scheduled := p.CreationTimestamp.Time
	if s := podCondition(p, corev1.PodScheduled); s != nil {
		scheduled = s.LastTransitionTime.Time
	}
	if len(p.Status.ContainerStatuses) > 0 || podCondition(p, corev1.PodReadyToStartContainers) != nil || c.q.within(scheduled, kubeletGrace) {
		return nil
	}
	found := c.cause("pod-stalled-on-node", p.Spec.NodeName, about("did not begin to start: the kubelet of Node %s has not touched them", p.Spec.NodeName),
		c.see("/spec/nodeName", p.Spec.NodeName), c.see(conditionPath(corev1.PodScheduled), "True since "+clock(scheduled, c.q.now)))
	found.grace, found.since = false, scheduled
	found.next = commands(describe("node", "", p.Spec.NodeName))
	return found.because(c.q.nodeNotReady(c.q.node(p.Spec.NodeName)))
}

// waitsToStart: every container there is waits for the kubelet.
func (c *podCase) waitsToStart() bool {
	for _, k := range c.containers() {
		w := k.status.State.Waiting
		if w == nil || w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return false
		}
	}
	return true
}

// sandbox: the node cannot set up the Pod's sandbox or network.
func (c *podCase) sandbox() *cause {
	e := c.podEvent("FailedCreatePodSandBox", "NetworkNotReady")
	if e == nil || podConditionIs(c.pod, corev1.PodReadyToStartContainers, corev1.ConditionTrue) {
		return nil
	}
	found := c.cause("pod-sandbox-failed", c.pod.Spec.NodeName, about("cannot start: Node %s cannot set up the sandbox or network: %s", c.pod.Spec.NodeName, firstWords(e.Message, 120)), c.q.see(e, "/message", e.Message))
	found.variant, found.certainty, found.since = e.Reason, Likely, eventTime(e)
	found.next = commands(command.Kubectl("get", "pods", "-A", "-o", "wide", "--field-selector", "spec.nodeName="+c.pod.Spec.NodeName))
	return found
}
