package analyzer

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusals sort the API server's reasons not to create a Pod; the first that
// fits. %s is not used: the name in the message stays in the message.
var refusals = []struct{ variant, words string }{
	{"quota-exhausted", "exceeded quota"},
	{"quota-needs-requests", "failed quota"},
	{"webhook-unreachable", "failed calling webhook"},
	{"webhook-denied", "admission webhook"},
	{"pod-security", "violates PodSecurity"},
	{"serviceaccount-missing", "error looking up service account"},
	{"limitrange", "usage per"},
	{"vap", "ValidatingAdmissionPolicy"},
	{"priorityclass-missing", "no PriorityClass with name"},
	{"namespace-terminating", "is being terminated"},
}

// createFailed: the API server rejects the workload's new Pods.
func (q *inquiry) createFailed(w *workload) *cause {
	message, evidence, since, certainty := q.refusal(w)
	if message == "" {
		return nil
	}
	variant := ""
	for _, r := range refusals {
		if strings.Contains(message, r.words) {
			variant = r.variant
			break
		}
	}
	c := q.workloadCause(w, "replica-create-failed", func(who string) string {
		return fmt.Sprintf("%s cannot be created: %s", who, firstWords(refused(message), 200))
	}, evidence)
	c.variant, c.since, c.certainty = variant, since, certainty
	if strings.HasPrefix(variant, "quota") {
		c.next = []string{"kubectl describe quota -n " + w.meta.Namespace}
	}
	return c
}

// refused cuts what names the Pod, whose name differs each time.
func refused(message string) string {
	if _, why, ok := strings.Cut(message, " is forbidden: "); ok {
		return why
	}
	return message
}

// refusal returns the last refusal to create a Pod: from the condition of the
// Deployment or ReplicaSet, else from an Event about what creates the Pods.
func (q *inquiry) refusal(w *workload) (message string, evidence Evidence, since time.Time, certainty Certainty) {
	switch o := w.object.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message, q.see(o, conditionPath(c.Type)+"/message", c.Message), c.LastTransitionTime.Time, Certain
			}
		}
		return "", Evidence{}, time.Time{}, ""
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message, q.see(o, conditionPath(c.Type)+"/message", c.Message), c.LastTransitionTime.Time, Certain
			}
		}
		return "", Evidence{}, time.Time{}, ""
	}
	for _, e := range q.events(w.object) {
		if e.Reason != "FailedCreate" {
			continue
		}
		for _, p := range w.pods {
			if p.CreationTimestamp.After(eventTime(e)) {
				return "", Evidence{}, time.Time{}, ""
			}
		}
		return e.Message, q.see(e, "/message", e.Message), eventTime(e), Likely
	}
	return "", Evidence{}, time.Time{}, ""
}

// setBlocked: a StatefulSet waits for one of its Pods before it makes the next.
func (q *inquiry) setBlocked(w *workload) *cause {
	set, ok := w.object.(*appsv1.StatefulSet)
	if !ok || set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
		return nil
	}
	byName := map[string]*corev1.Pod{}
	for _, p := range w.pods {
		if metav1.IsControlledBy(p, set) {
			byName[p.Name] = p
		}
	}
	first := 0
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	for i := first; i < first+w.desired; i++ {
		p := byName[fmt.Sprintf("%s-%d", set.Name, i)]
		if p == nil {
			return nil // its turn: nothing is known to hold it back
		}
		if ready(p) && !terminating(p) {
			continue
		}
		c := q.workloadCause(w, "statefulset-blocked", clause("StatefulSet %s makes its Pods one by one and waits for %s", set.Name, p.Name),
			q.see(p, conditionPath(corev1.PodReady)+"/status", fmt.Sprint(ready(p))), q.see(set, "/spec/podManagementPolicy", string(set.Spec.PodManagementPolicy)))
		c.since = p.CreationTimestamp.Time
		if terminating(p) {
			return c.because(q.stuckTerminating(p))
		}
		return c.because(q.podCause(p, w))
	}
	return nil
}

// stuckTerminating: a deleted Pod is still there, long after it should be gone.
func (q *inquiry) stuckTerminating(p *corev1.Pod) *cause {
	if !terminating(p) || q.within(p.DeletionTimestamp.Time, terminationGrace) {
		return nil
	}
	c := &podCase{q: q, pod: p}
	why := "its kubelet has not confirmed its end"
	if len(p.Finalizers) > 0 {
		why = "finalizers hold it: " + enumerate(p.Finalizers, 3)
	}
	found := c.cause("pod-stuck-terminating", p.Name, clause("Pod %s was to stop by %s and is still there: %s", p.Name, clock(p.DeletionTimestamp.Time, q.now), why),
		q.see(p, "/metadata/deletionTimestamp", clock(p.DeletionTimestamp.Time, q.now)))
	found.grace, found.since = false, deleteAskedAt(p)
	return found.because(q.nodeNotReady(q.node(p.Spec.NodeName)))
}
