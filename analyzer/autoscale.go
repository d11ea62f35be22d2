package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/svcspy/svcspy/store"
)

// autoscaler returns the HorizontalPodAutoscaler of a workload, nil if there
// is none.
func (q *inquiry) autoscaler(w *workload) *autoscalingv2.HorizontalPodAutoscaler {
	for _, h := range list[autoscalingv2.HorizontalPodAutoscaler](q, store.Query{Namespace: w.meta.Namespace}) {
		if h.Spec.ScaleTargetRef.Kind == w.kind && h.Spec.ScaleTargetRef.Name == w.meta.Name {
			return h
		}
	}
	return nil
}

// autoscalers are managers that scale on their own.
var autoscalers = []string{"kube-controller-manager", "horizontal-pod-autoscaler", "keda-operator", "keda", "knative", "vpa-updater"}

// scaledDown returns the cause if an autoscaler last reduced the workload's
// replicas: it wrote them, or said so in an Event just then.
func (q *inquiry) scaledDown(w *workload) *cause {
	from, at := q.lowered(w)
	if from == 0 {
		return nil
	}
	h := q.autoscaler(w)
	by := writerOf(w.meta, "f:spec", "f:replicas")
	byTool := by != nil && slices.ContainsFunc(autoscalers, func(m string) bool { return strings.HasPrefix(by.manager, m) })
	var event *corev1.Event
	if h != nil {
		for _, e := range q.events(h) {
			if d := eventTime(e).Sub(at); e.Reason == "SuccessfulRescale" && d > -30*time.Second && d < 30*time.Second {
				event = e
				break
			}
		}
	}
	if event == nil && (!byTool || h == nil && by.manager == "kube-controller-manager") {
		return nil
	}
	why := ""
	e := q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired))
	e.Old = fmt.Sprint(from)
	c := q.workloadCause(w, "autoscaler-scaled-down", nil, e)
	c.certainty, c.since = Likely, at
	if event != nil {
		why = ": " + firstWords(event.Message, 120)
		c.evidence = append(c.evidence, q.see(event, "/message", event.Message))
	} else {
		why = " (" + by.manager + ")"
	}
	c.onset = func() (time.Time, string) { return at, "" }
	c.says = clause("an autoscaler scaled %s from %d to %d%s", w, from, w.desired, why)
	return c
}

// lowered is from how many the workload's replicas last fell to what they are,
// and when; 0 if they rose, or never changed within the window.
func (q *inquiry) lowered(w *workload) (from int, at time.Time) {
	o := q.seen(w.object)
	at = o.Time
	n := 0
	for old := range q.view.Past(store.Ref{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}) {
		v := q.decodeWorkload(old)
		if v == nil || old.UID != o.UID || n == maxHistory {
			return 0, time.Time{}
		}
		if v.desired > w.desired {
			return v.desired, at
		}
		if v.desired < w.desired {
			return 0, time.Time{}
		}
		n++
		at = old.Time
	}
	return 0, time.Time{}
}

// autoscaling says what an autoscaler has to do with missing Pods.
func (q *inquiry) autoscaling(w *workload) []*cause {
	var found []*cause
	if c := q.scaledDown(w); c != nil && q.within(c.since, window) {
		found = append(found, c)
	}
	h := q.autoscaler(w)
	if h == nil {
		return found
	}
	for _, cond := range h.Status.Conditions {
		bad := cond.Status == corev1.ConditionFalse && (cond.Type == autoscalingv2.AbleToScale || cond.Type == autoscalingv2.ScalingActive && cond.Reason != "ScalingDisabled") ||
			cond.Type == autoscalingv2.ScalingLimited && cond.Status == corev1.ConditionTrue && cond.Reason == "TooManyReplicas"
		if !bad {
			continue
		}
		c := q.workloadCause(w, "hpa-cannot-scale", clause("autoscaler %s cannot scale %s: %s", h.Name, w, sentence(cond.Reason, cond.Message)), q.see(h, conditionPath(cond.Type)+"/message", cond.Message))
		c.variant, c.since, c.subject = cond.Reason, cond.LastTransitionTime.Time, q.subject(h)
		found = append(found, c)
	}
	return found
}

// blockedEvictions: a node of the Service's Pods is cordoned, and a disruption
// budget allows no eviction: a drain would stand still. A refused eviction
// leaves no trace in objects, so this is inferred.
func (s *service) blockedEvictions() []*cause {
	var found []*cause
	for _, b := range list[policyv1.PodDisruptionBudget](s.q, store.Query{Namespace: s.svc.Namespace}) {
		if b.Spec.Selector == nil || b.Status.DisruptionsAllowed > 0 || b.Status.ObservedGeneration == 0 {
			continue
		}
		for _, p := range s.pods {
			n := s.q.node(p.Spec.NodeName)
			if n == nil || !n.Spec.Unschedulable || terminal(p) || !selectorMatches(b.Spec.Selector, p.Labels) {
				continue
			}
			c := s.cause("pdb-blocks-eviction", clause("PodDisruptionBudget %s allows no eviction, so draining Node %s cannot go on", b.Name, n.Name),
				s.q.see(b, "/status/disruptionsAllowed", "0"), s.q.see(n, "/spec/unschedulable", "true"), s.q.see(p, "/spec/nodeName", n.Name))
			c.certainty, c.subject, c.since = Possible, s.q.subject(b), s.q.seen(n).Time
			found = append(found, c)
			break
		}
	}
	return found
}
