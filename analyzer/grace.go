package analyzer

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Graces: how long a change may take to have its effect before it counts as a
// fault. Inside them a subject is Converging.
const (
	startGrace       = 10 * time.Second // a Pod begins to start
	scheduleGrace    = 10 * time.Second // a Pod is unschedulable
	ignoredGrace     = 30 * time.Second // no scheduler has looked at a Pod
	kubeletGrace     = 60 * time.Second // a kubelet has not touched a Pod
	sliceGrace       = 10 * time.Second // slices follow Pods and Services
	loadBalancer     = 60 * time.Second // a load balancer gets its address
	terminationGrace = 30 * time.Second // beyond deletionTimestamp
	controllerGrace  = 30 * time.Second // a controller observes a new generation
	initGrace        = 30 * time.Second // an init container runs
)

// look-back windows
const (
	window     = 10 * time.Minute // how far back transitions are looked for
	maxHistory = 256              // versions of one object looked at
	maxRefined = 8                // units whose history is read to date a group
	maxRows    = 12               // rows of evidence kept for one finding
)

// probeGrace is how long a container may take to pass a probe: before that its
// failing says nothing.
func probeGrace(p *corev1.Probe) time.Duration {
	period, threshold := int64(p.PeriodSeconds), int64(p.FailureThreshold)
	if period <= 0 {
		period = 10
	}
	if threshold <= 0 {
		threshold = 3
	}
	return time.Duration(int64(p.InitialDelaySeconds)+period*threshold) * time.Second
}

// held returns since when something has been true of an object without a
// break, and a note when that is not known exactly. It reads the history
// backwards and stops where it was not true.
func held[T any](q *inquiry, v *T, is func(*T) bool) (since time.Time, note string) {
	o := q.seen(v)
	since = o.Time
	n := 0
	for old, w := range past[T](q, o.Namespace, o.Name) {
		if old.UID != o.UID || !is(w) {
			return since, ""
		}
		since = old.Time
		if n++; n == maxHistory {
			return since, "or earlier"
		}
	}
	if created := creation(v); created.IsZero() || since.Sub(created) > time.Second && !since.After(q.view.Start().Add(startGrace)) {
		return since, "or earlier: the recording starts here"
	}
	return since, ""
}

func creation(v any) time.Time {
	if m, ok := v.(metav1.Object); ok {
		return m.GetCreationTimestamp().Time
	}
	return time.Time{}
}
