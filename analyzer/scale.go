package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

// atZero: the workload is meant to have no Pods.
func (q *inquiry) atZero(w *workload) *cause {
	switch {
	case w.suspended():
		return q.workloadCause(w, "workload-scaled-to-zero", clause("%s is suspended", w), q.see(w.object, "/spec/suspend", "true"))
	case !w.scaled || w.desired > 0:
		return nil
	case w.kind == "DaemonSet":
		return q.workloadCause(w, "workload-scaled-to-zero", clause("no node is one that %s wants", w), q.see(w.object, "/status/desiredNumberScheduled", "0"))
	}
	c := q.workloadCause(w, "workload-scaled-to-zero", clause("%s is scaled to 0", w), q.see(w.object, "/spec/replicas", "0"))
	c.next = commands(w.scaleTo(1))
	q.whoScaled(w, c)
	return c.because(q.scaledDown(w))
}

// whoScaled adds when, from how many and with which tool replicas became 0.
func (q *inquiry) whoScaled(w *workload, c *cause) {
	o := q.seen(w.object)
	before := 0
	for old := range q.view.Past(store.Ref{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}) {
		if old.UID != o.UID {
			break
		}
		v := q.decodeWorkload(old)
		if v == nil {
			break
		}
		if v.desired > 0 {
			before = v.desired
			break
		}
		c.since = old.Time
	}
	c.onset = func() (time.Time, string) { return c.since, "" }
	by := ""
	if wr := writerOf(w.meta, "f:spec", "f:replicas"); wr != nil {
		by = " by " + wr.String()
		c.evidence = append(c.evidence, q.see(w.object, "/metadata/managedFields", wr.String()+" at "+clock(wr.time, q.now)))
	}
	if before > 0 {
		c.evidence[0].Old = fmt.Sprint(before)
		c.next = commands(w.scaleTo(before))
		c.says = clause("%s was scaled from %d to 0%s", w, before, by)
	} else if by != "" {
		c.says = clause("%s is scaled to 0%s", w, by)
	}
}

// raisedSince: the workload got more replicas, or was made, at an instant within
// the window or later.
func (q *inquiry) raisedSince(w *workload, at time.Time) bool {
	switch o := w.object.(type) {
	case *appsv1.Deployment:
		return raisedIn(q, o, at)
	case *appsv1.ReplicaSet:
		return raisedIn(q, o, at)
	case *appsv1.StatefulSet:
		return raisedIn(q, o, at)
	case *appsv1.DaemonSet:
		return raisedIn(q, o, at)
	}
	return false
}

func raisedIn[T any](q *inquiry, v *T, at time.Time) bool {
	o := q.seen(v)
	want, since := asWorkload(any(v)).desired, o.Time
	n := 0
	for old, w := range past[T](q, o.Namespace, o.Name) {
		was := asWorkload(any(w)).desired
		if since.Before(at) || old.UID != o.UID || was < want {
			break
		}
		want, since = was, old.Time
		if n++; n == maxHistory || !q.within(old.Time, window) {
			return false
		}
	}
	return !since.Before(at)
}

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
