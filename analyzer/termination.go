package analyzer

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// finished: the Pod ended, by itself or because the cluster removed it.
func (c *podCase) finished() *cause {
	if !terminal(c.pod) {
		return nil
	}
	if found := c.disrupted(); found != nil {
		return found
	}
	for _, k := range c.containers() {
		if t := k.status.State.Terminated; t != nil && !k.init {
			found := c.cause("container-completed", k.name(), about("finished: container %s ended with exit code %d and is not restarted", k.name(), t.ExitCode),
				c.see("/status/phase", string(c.pod.Status.Phase)), c.see(k.path("state/terminated/exitCode"), strconv.Itoa(int(t.ExitCode))))
			found.grace = false
			return found
		}
	}
	found := c.cause("container-completed", "", about("finished (phase %s) and cannot serve", c.pod.Status.Phase), c.see("/status/phase", string(c.pod.Status.Phase)))
	found.grace = false
	return found
}

// rejections are status.reasons with which a kubelet ends or refuses a Pod.
var rejections = []string{
	"Evicted", "NodeShutdown", "Terminated", "OutOfcpu", "OutOfmemory", "OutOfpods", "NodeAffinity", "NodePorts",
	"UnexpectedAdmissionError", "TopologyAffinityError", "PodOSNotSupported", "PodOSSelectorNodeLabelDoesNotMatch", "Preempting",
}

// disrupted: the cluster removed the Pod.
func (c *podCase) disrupted() *cause {
	p := c.pod
	if d := podCondition(p, corev1.DisruptionTarget); d != nil && d.Status == corev1.ConditionTrue {
		found := c.cause("pod-disrupted", p.Spec.NodeName+d.Reason, about("did not fail but had to go: %s", disruption(d)),
			c.see(conditionPath(d.Type)+"/reason", d.Reason))
		found.variant, found.grace, found.since = d.Reason, false, d.LastTransitionTime.Time
		found.because(c.disruptor(d.Reason))
		return found
	}
	if p.Status.Phase == corev1.PodFailed && slices.Contains(rejections, p.Status.Reason) {
		found := c.cause("pod-disrupted", p.Spec.NodeName, about("had to go from Node %s: %s", p.Spec.NodeName, sentence(p.Status.Reason, p.Status.Message)),
			c.see("/status/reason", p.Status.Reason))
		found.variant, found.grace = p.Status.Reason, false
		return found
	}
	return nil
}

func disruption(d *corev1.PodCondition) string {
	switch d.Reason {
	case "EvictionByEvictionAPI":
		return "it was evicted, as a drain does"
	case corev1.PodReasonPreemptionByScheduler:
		return "a Pod of higher priority took its place"
	case "DeletionByTaintManager":
		return "its Node was tainted NoExecute"
	case "DeletionByPodGC":
		return "its Node is gone"
	case corev1.PodReasonTerminationByKubelet:
		return "its Node was short of resources or shut down"
	}
	return sentence(d.Reason, d.Message)
}

// disruptor returns what made the cluster remove the Pod.
func (c *podCase) disruptor(reason string) *cause {
	node := c.q.node(c.pod.Spec.NodeName)
	switch reason {
	case "DeletionByTaintManager":
		return c.q.nodeNotReady(node)
	case "EvictionByEvictionAPI":
		return c.q.nodeDraining(node)
	}
	return nil
}

// stuckTerminating: a deleted Pod is still there long after it should be gone,
// or cannot go because its node is not there to confirm its end.
func (q *inquiry) stuckTerminating(p *corev1.Pod) *cause {
	if !terminating(p) {
		return nil
	}
	lost := q.nodeNotReady(q.node(p.Spec.NodeName))
	if lost == nil && q.within(p.DeletionTimestamp.Time, terminationGrace) {
		return nil
	}
	by := clock(p.DeletionTimestamp.Time, q.now)
	why := "its kubelet has not confirmed its end"
	switch {
	case lost != nil:
		why = fmt.Sprintf("Node %s is not ready, and only its kubelet can confirm the end", p.Spec.NodeName)
	case len(p.Finalizers) > 0:
		why = "finalizers hold it: " + enumerate(p.Finalizers, 3)
	}
	c := &podCase{q: q, pod: p}
	found := c.cause("pod-stuck-terminating", p.Name, clause("Pod %s, deleted and to be gone by %s, does not go: %s", p.Name, by, why),
		q.see(p, "/metadata/deletionTimestamp", by))
	found.grace, found.since = false, deleteAskedAt(p)
	return found.because(lost)
}

// ending is why a Pod is going.
func (q *inquiry) ending(p *corev1.Pod, w *workload) *cause {
	if c := q.stuckTerminating(p); c != nil {
		return c
	}
	pc := &podCase{q, p, w}
	if c := pc.disrupted(); c != nil {
		return c
	}
	c := pc.cause("pod-terminating", p.Name, about("was deleted and will be gone by %s", clock(p.DeletionTimestamp.Time, q.now)),
		q.see(p, "/metadata/deletionTimestamp", clock(p.DeletionTimestamp.Time, q.now)))
	c.since, c.grace = deleteAskedAt(p), true
	return c
}
