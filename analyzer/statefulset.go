package analyzer

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
