package analyzer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// removed: Pods of the Service did not fail, the cluster took them away. Why
// nothing replaces them is another matter.
func (s *service) removed() []*cause {
	byReason := map[string][]*corev1.Pod{}
	note := func(p *corev1.Pod) {
		if d := kube.PodCondition(p, corev1.DisruptionTarget); d != nil && d.Status == corev1.ConditionTrue && s.q.within(d.LastTransitionTime.Time, window) {
			byReason[d.Reason] = append(byReason[d.Reason], p)
		}
	}
	for _, p := range s.pods {
		if kube.Terminating(p) {
			note(p)
		}
	}
	s.formerPods(func(_ *Object, p *corev1.Pod) bool {
		note(p)
		return true
	})
	var found []*cause
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		pods := byReason[reason]
		d := kube.PodCondition(pods[0], corev1.DisruptionTarget)
		c := s.cause("pod-disrupted", nil)
		by := "a Pod of higher priority"
		if reason == corev1.PodReasonPreemptionByScheduler {
			if name, event := s.q.preemptor(pods[0]); name != "" {
				by, c.evidence = name, append(c.evidence, event)
			}
		}
		c.says = clause("%s did not fail but had to %s", phrase.Quantity(len(pods), "Pod"), forced(d, by))
		for _, p := range pods {
			if len(c.evidence) < maxRows {
				c.evidence = append(c.evidence, s.q.see(p, phrase.ConditionPath(d.Type)+"/reason", reason))
			}
		}
		c.variant, c.since = reason, d.LastTransitionTime.Time
		found = append(found, c)
		drained := map[string]bool{}
		for _, p := range pods {
			if reason != "EvictionByEvictionAPI" || drained[p.Spec.NodeName] {
				continue
			}
			drained[p.Spec.NodeName] = true
			if n := s.q.nodeDraining(s.q.node(p.Spec.NodeName)); n != nil {
				n.says = clause("%s", n.says(phrase.Quantity(len(pods), "Pod")))
				found = append(found, n)
			}
		}
	}
	return found
}

// forced says what Pods had to do and why.
func forced(d *corev1.PodCondition, by string) string {
	switch d.Reason {
	case "EvictionByEvictionAPI":
		return "go by eviction, as in a drain"
	case corev1.PodReasonPreemptionByScheduler:
		return "make room for " + by
	case "DeletionByTaintManager":
		return "leave a Node that was tainted NoExecute"
	case "DeletionByPodGC":
		return "go with a Node that is gone"
	case corev1.PodReasonTerminationByKubelet:
		return "leave a Node that was short of resources or shut down"
	}
	return "go: " + phrase.Sentence(d.Reason, d.Message)
}

// preemptor names what the scheduler removed a Pod for, as its Event tells: by
// the UID of the other Pod alone.
func (q *inquiry) preemptor(victim *corev1.Pod) (name string, row Evidence) {
	for _, e := range q.events(victim) {
		uid, ok := strings.CutPrefix(e.Message, "Preempted by pod ")
		if e.Reason != "Preempted" || !ok {
			continue
		}
		uid, _, _ = strings.Cut(uid, " ")
		all := q.view.List(store.Query{Resource: kindOf[corev1.Pod]().resource})
		at := slices.IndexFunc(all, func(o *Object) bool { return string(o.UID) == uid })
		if at < 0 {
			return "", Evidence{}
		}
		p := decode[corev1.Pod](q, kindOf[corev1.Pod](), all[at])
		if p == nil {
			return "", Evidence{}
		}
		name = fmt.Sprintf("Pod %s/%s", p.Namespace, p.Name)
		if owner := metav1.GetControllerOf(p); owner != nil {
			name = fmt.Sprintf("%s %s/%s", owner.Kind, p.Namespace, owner.Name)
		}
		if p.Spec.PriorityClassName != "" {
			name += " of priority " + p.Spec.PriorityClassName
		}
		return name, q.see(e, "/message", e.Message)
	}
	return "", Evidence{}
}

// finished: the Pod ended, by itself or because the cluster removed it.
func (c *podCase) finished() *cause {
	if !kube.Terminal(c.pod) {
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

// storm is how many Pods of a workload must have been rejected, within window, for
// more than bad luck.
const storm = 2

// rejectedPods: kubelets refuse or evict the Pods of a workload, and its
// controller makes one after the other.
func (s *service) rejectedPods(w *workload) *cause {
	var failed []*corev1.Pod
	for _, p := range s.pods {
		if s.owner[p.UID] == w && p.Status.Phase == corev1.PodFailed && slices.Contains(rejections, p.Status.Reason) && s.q.within(p.CreationTimestamp.Time, window) {
			failed = append(failed, p)
		}
	}
	if len(failed) < storm {
		return nil
	}
	slices.SortFunc(failed, func(a, b *corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	last := failed[0]
	c := s.q.workloadCause(w, "pods-rejected", func(who string) string {
		are := "are"
		if strings.HasPrefix(who, "1 ") {
			are = "is"
		}
		return fmt.Sprintf("%s were rejected or evicted by their Nodes in a row, the last by Node %s, and %s %s still missing: %s",
			phrase.Quantity(len(failed), "Pod"), last.Spec.NodeName, who, are, phrase.Sentence(last.Status.Reason, last.Status.Message))
	})
	for _, p := range failed[:min(len(failed), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(p, "/status/reason", phrase.Sentence(p.Status.Reason, p.Status.Message)))
		c.since = p.CreationTimestamp.Time
		if ready := kube.PodCondition(p, corev1.PodReady); ready != nil && ready.LastTransitionTime.After(c.since) {
			c.since = ready.LastTransitionTime.Time // it had been admitted
		}
	}
	c.variant, c.grace = last.Status.Reason, false
	c.next = commands(describe("pod", last.Namespace, last.Name), describe("node", "", last.Spec.NodeName))
	return c
}

// stormy puts rejected Pods behind units that only wait for the next one.
func (s *service) stormy(units []unit) {
	for i := range units {
		u := &units[i]
		if u.workload == nil || u.kind != podUnit && u.kind != unbornUnit {
			continue
		}
		root := u.cause.root()
		if root.id != "" && !root.grace {
			continue
		}
		if c := s.rejectedPods(u.workload); c != nil {
			*root = *c
		}
	}
}

// disrupted: the cluster removed the Pod.
func (c *podCase) disrupted() *cause {
	p := c.pod
	if d := kube.PodCondition(p, corev1.DisruptionTarget); d != nil && d.Status == corev1.ConditionTrue {
		found := c.cause("pod-disrupted", p.Spec.NodeName+d.Reason, about("did not fail but had to go: %s", disruption(d)),
			c.see(phrase.ConditionPath(d.Type)+"/reason", d.Reason))
		found.variant, found.grace, found.since = d.Reason, false, d.LastTransitionTime.Time
		found.because(c.disruptor(d.Reason))
		return found
	}
	if p.Status.Phase == corev1.PodFailed && slices.Contains(rejections, p.Status.Reason) {
		found := c.cause("pod-disrupted", p.Spec.NodeName, about("had to go from Node %s: %s", p.Spec.NodeName, phrase.Sentence(p.Status.Reason, p.Status.Message)),
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
	return phrase.Sentence(d.Reason, d.Message)
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
	if !kube.Terminating(p) {
		return nil
	}
	lost := q.nodeNotReady(q.node(p.Spec.NodeName))
	held := lost == nil && len(p.Finalizers) > 0 && ended(p)
	if lost == nil && !held && q.within(p.DeletionTimestamp.Time, terminationGrace) {
		return nil
	}
	by := phrase.Clock(p.DeletionTimestamp.Time, q.now)
	why := "its kubelet has not confirmed its end"
	switch {
	case lost != nil:
		why = fmt.Sprintf("Node %s is not ready, and only its kubelet can confirm the end", p.Spec.NodeName)
	case len(p.Finalizers) > 0:
		why = "finalizers hold it: " + phrase.Enumerate(p.Finalizers, 3)
	}
	c := &podCase{q: q, pod: p}
	found := c.cause("pod-stuck-terminating", p.Name, clause("Pod %s, deleted and to be gone by %s, does not go: %s", p.Name, by, why),
		q.see(p, "/metadata/deletionTimestamp", by))
	found.grace, found.since = false, kube.DeletionAskedAt(p)
	if held || lost == nil && len(p.Finalizers) > 0 {
		found.says = clause("Pod %s was deleted and keeps its name: finalizers hold it: %s", p.Name, phrase.Enumerate(p.Finalizers, 3))
		found.evidence = append(found.evidence, q.see(p, "/metadata/finalizers", phrase.Enumerate(p.Finalizers, 3)))
		found.next = commands(
			command.Kubectl("patch").Add(command.Object("pod", p.Namespace, p.Name)...).Add("--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`),
			describe("pod", p.Namespace, p.Name),
		)
	}
	return found.because(lost)
}

// ended reports whether all containers of a Pod have ended: nothing of it runs.
func ended(p *corev1.Pod) bool {
	if kube.Terminal(p) {
		return true
	}
	return len(p.Status.ContainerStatuses) > 0 && !slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Terminated == nil
	})
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
	c := pc.cause("pod-terminating", p.Name, about("was deleted and will be gone by %s", phrase.Clock(p.DeletionTimestamp.Time, q.now)),
		q.see(p, "/metadata/deletionTimestamp", phrase.Clock(p.DeletionTimestamp.Time, q.now)))
	c.since, c.grace = kube.DeletionAskedAt(p), true
	return c
}
