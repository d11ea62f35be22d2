package analyzer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store"
)

// removed: Pods of the Service did not fail, the cluster took them away. Why
// nothing replaces them is another matter.
func (s *service) removed() []*cause {
	byReason := map[string][]*corev1.Pod{}
	note := func(p *corev1.Pod) {
		if d := podCondition(p, corev1.DisruptionTarget); d != nil && d.Status == corev1.ConditionTrue && s.q.within(d.LastTransitionTime.Time, window) {
			byReason[d.Reason] = append(byReason[d.Reason], p)
		}
	}
	for _, p := range s.pods {
		if terminating(p) {
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
		d := podCondition(pods[0], corev1.DisruptionTarget)
		c := s.cause("pod-disrupted", nil)
		by := "a Pod of higher priority"
		if reason == corev1.PodReasonPreemptionByScheduler {
			if name, event := s.q.preemptor(pods[0]); name != "" {
				by, c.evidence = name, append(c.evidence, event)
			}
		}
		c.says = clause("%s did not fail but had to %s", quantity(len(pods), "Pod"), forced(d, by))
		for _, p := range pods {
			if len(c.evidence) < maxRows {
				c.evidence = append(c.evidence, s.q.see(p, conditionPath(d.Type)+"/reason", reason))
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
				n.says = clause("%s", n.says(quantity(len(pods), "Pod")))
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
	return "go: " + sentence(d.Reason, d.Message)
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
