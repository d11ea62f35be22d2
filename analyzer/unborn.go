package analyzer

import (
	"fmt"
)

// unbornCause returns why a workload has fewer Pods than it should.
func (q *inquiry) unbornCause(w *workload) *cause {
	for _, rung := range []func(*workload) *cause{q.createFailed, q.setBlocked, q.behind} {
		if c := rung(w); c != nil {
			return c
		}
	}
	c := q.workloadCause(w, "", func(who string) string { return who + " do not exist yet" },
		q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
	c.grace = q.within(q.seen(w.object).Time, controllerGrace)
	return c
}

// behind: the controller has not seen the last change of the spec.
func (q *inquiry) behind(w *workload) *cause {
	if w.generation <= w.observed || w.observed == 0 && !w.scaled {
		return nil
	}
	c := q.workloadCause(w, "controller-behind", clause("the last change of %s has not been processed (generation %d, observed %d)", w, w.generation, w.observed),
		q.see(w.object, "/metadata/generation", fmt.Sprint(w.generation)), q.see(w.object, "/status/observedGeneration", fmt.Sprint(w.observed)))
	c.grace = q.within(c.since, controllerGrace)
	return c.because(q.stalled("kube-controller-manager"))
}
