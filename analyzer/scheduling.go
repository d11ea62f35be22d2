package analyzer

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// gated: scheduling gates hold the Pod back.
func (c *podCase) gated() *cause {
	s := podCondition(c.pod, corev1.PodScheduled)
	if len(c.pod.Spec.SchedulingGates) == 0 && (s == nil || s.Status != corev1.ConditionFalse || s.Reason != corev1.PodReasonSchedulingGated) {
		return nil
	}
	var gates []string
	for _, g := range c.pod.Spec.SchedulingGates {
		gates = append(gates, g.Name)
	}
	return c.cause("pod-scheduling-gated", strings.Join(gates, ","), about("cannot be scheduled before the controller of scheduling gate %s removes it", strings.Join(gates, ", ")),
		c.see("/spec/schedulingGates", strings.Join(gates, ",")))
}

// unschedulable: the scheduler found no node.
func (c *podCase) unschedulable() *cause {
	s := podCondition(c.pod, corev1.PodScheduled)
	if c.pod.Spec.NodeName != "" || s == nil || s.Status != corev1.ConditionFalse || s.Reason != corev1.PodReasonUnschedulable {
		return nil
	}
	message := noPreemption(s.Message)
	variant := mainObstacle(message)
	found := c.cause("pod-unschedulable", variant, about("cannot be placed on any node: %s", message),
		c.see(conditionPath(s.Type)+"/message", s.Message))
	found.variant, found.since = variant, s.LastTransitionTime.Time
	found.grace = c.q.within(s.LastTransitionTime.Time, scheduleGrace)
	found.next = append(found.next, commands(command.Kubectl("describe", "nodes").Pipe("grep", "-A6", "Allocated"))...)
	c.while(found, func(p *corev1.Pod) bool {
		s := podCondition(p, corev1.PodScheduled)
		return s != nil && s.Status == corev1.ConditionFalse
	})
	return found.because(c.unavailableClaim())
}

var nodesAvailable = regexp.MustCompile(`^\d+/\d+ nodes are available: `)

// noPreemption drops what the scheduler says about preemption: it explains why
// no Pod was evicted for this one, not why it has no place.
func noPreemption(message string) string {
	message, _, _ = strings.Cut(message, " preemption:")
	message, _, _ = strings.Cut(message, ". no new claims")
	return strings.TrimRight(message, ". ")
}

var obstacle = regexp.MustCompile(`^(\d+) (.*)$`)

// mainObstacle names the reason that keeps most nodes away, in the words of
// the scheduler without its counts; the first of several.
func mainObstacle(message string) string {
	best, most := "", -1
	for part := range strings.SplitSeq(nodesAvailable.ReplaceAllString(message, ""), ", ") {
		m := obstacle.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil && n > most {
			best, most = strings.TrimPrefix(strings.TrimPrefix(m[2], "node(s) "), "node(s)"), n
		}
	}
	if best == "" { // a reason that is not counted by node
		best = firstWords(nodesAvailable.ReplaceAllString(message, ""), 60)
	}
	if i := strings.Index(best, " {"); i > 0 { // the taint itself, in older texts
		best = best[:i]
	}
	return strings.TrimRight(best, ".")
}

// ignored: no scheduler has looked at the Pod.
func (c *podCase) ignored() *cause {
	if c.pod.Spec.NodeName != "" || podCondition(c.pod, corev1.PodScheduled) != nil {
		return nil
	}
	if c.q.within(c.pod.CreationTimestamp.Time, ignoredGrace) {
		return c.starting()
	}
	found := c.cause("pod-ignored-by-scheduler", c.pod.Spec.SchedulerName, about("never came before a scheduler: %q has not tried them", c.pod.Spec.SchedulerName),
		c.see("/spec/schedulerName", c.pod.Spec.SchedulerName))
	found.since = c.pod.CreationTimestamp.Time
	found.next = commands(leaseOf("kube-scheduler"))
	return found.because(c.q.stalled("kube-scheduler"))
}
