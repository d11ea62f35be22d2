package analyzer

import (
	"fmt"
	"regexp"
	"slices"
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
	switch variant {
	case "quota-exhausted", "quota-needs-requests":
		c.next = []string{"kubectl describe quota -n " + w.meta.Namespace}
		if m := quotaName.FindStringSubmatch(message); m != nil {
			if quota := get[corev1.ResourceQuota](q, w.meta.Namespace, m[1]); quota != nil {
				c.key = m[1]
				c.evidence = append(c.evidence, q.see(quota, "/status/used", usage(quota)))
			}
		}
	case "webhook-unreachable":
		return c.because(q.deadWebhook(message))
	}
	return c
}

var (
	quotaName   = regexp.MustCompile(`quota: ([a-z0-9.-]+)`)
	webhookHost = regexp.MustCompile(`https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc[:/]`)
)

// usage prints a quota: "pods 4 of 4".
func usage(quota *corev1.ResourceQuota) string {
	var list []string
	for name, hard := range quota.Status.Hard {
		used := quota.Status.Used[name]
		list = append(list, fmt.Sprintf("%s %s of %s", name, used.String(), hard.String()))
	}
	slices.Sort(list)
	return enumerate(list, 4)
}

// deadWebhook returns why the Service of a webhook that could not be called
// does not serve; nil if it serves, or the message does not name it.
func (q *inquiry) deadWebhook(message string) *cause {
	m := webhookHost.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	a := q.serviceAnswer(m[2], m[1])
	if a == nil || a.state != NotServing && a.state != Absent {
		return nil
	}
	g := a.groups()
	if len(g) == 0 {
		return nil
	}
	root, who := g[0].root, q.who(g[0])
	deeper := *root
	deeper.says = func(string) string {
		return fmt.Sprintf("Service %s/%s of the webhook does not serve: %s", m[2], m[1], root.says(who))
	}
	return &deeper
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

// setBlocked: a StatefulSet waits for one of its Pods before it makes the next,
// for the reason that Pod is not ready.
func (q *inquiry) setBlocked(w *workload) *cause {
	c, p := q.blockedSet(w)
	if c == nil {
		return nil
	}
	if terminating(p) {
		return c.because(q.stuckTerminating(p))
	}
	return c.because(q.podCause(p, w))
}

// blockedSet returns that a StatefulSet which works in order waits for a Pod,
// and for which; nil if it has nothing left to do. New Pods are made from the
// lowest ordinal up, and updated from the highest down; one that is not ready
// holds up the rest (K/pkg/controller/statefulset/stateful_set_control.go).
func (q *inquiry) blockedSet(w *workload) (*cause, *corev1.Pod) {
	set, ok := w.object.(*appsv1.StatefulSet)
	if !ok || set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
		return nil, nil
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
	updating := set.Status.CurrentRevision != set.Status.UpdateRevision
	var waits *corev1.Pod
	for i := first; i < first+min(w.desired, maxFormer); i++ {
		p := byName[fmt.Sprintf("%s-%d", set.Name, i)]
		if p != nil && (!ready(p) || terminating(p)) {
			waits = p
			break
		}
	}
	if waits == nil || !updating && len(byName) >= w.desired {
		return nil, nil
	}
	doing := "makes"
	if updating {
		doing = "updates"
	}
	c := q.workloadCause(w, "statefulset-blocked", clause("StatefulSet %s %s its Pods one by one and waits for %s", set.Name, doing, waits.Name),
		q.see(waits, conditionPath(corev1.PodReady)+"/status", fmt.Sprint(ready(waits))), q.see(set, "/status/updateRevision", set.Status.UpdateRevision))
	c.since = waits.CreationTimestamp.Time
	return c, waits
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
