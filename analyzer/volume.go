package analyzer

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// unavailableClaim: a PersistentVolumeClaim keeps the Pod from being placed. A
// claim that waits for its first consumer is an effect of that, not a cause.
func (c *podCase) unavailableClaim() *cause {
	s := podCondition(c.pod, corev1.PodScheduled)
	if s == nil || !containsAny(strings.ToLower(s.Message), "persistentvolumeclaim|persistent volume|volume node affinity|max volume count") {
		return nil
	}
	for _, v := range c.pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		name := v.PersistentVolumeClaim.ClaimName
		k := kindOf[corev1.PersistentVolumeClaim]()
		claim := get[corev1.PersistentVolumeClaim](c.q, c.pod.Namespace, name)
		var found *cause
		switch {
		case claim == nil && c.q.covered(k, c.pod.Namespace):
			found = c.cause("volume-unavailable", name, about("cannot start: PersistentVolumeClaim %s does not exist", name), c.q.absent(k, c.pod.Namespace, name))
			found.variant = "claim missing"
		case claim != nil && claim.Status.Phase != corev1.ClaimBound:
			found = c.cause("volume-unavailable", name, about("cannot start: PersistentVolumeClaim %s is %s%s", name, claim.Status.Phase, c.claimEvent(claim)), c.q.see(claim, "/status/phase", string(claim.Status.Phase)))
			found.variant = "claim " + strings.ToLower(string(claim.Status.Phase))
			found.since = claim.CreationTimestamp.Time
		default:
			continue
		}
		found.grace = false
		found.next = commands(describe("pvc", c.pod.Namespace, name))
		return found
	}
	return nil
}

// claimEvent is what the newest Event about a claim says.
func (c *podCase) claimEvent(claim *corev1.PersistentVolumeClaim) string {
	for _, e := range c.q.events(claim) {
		if slices.Contains([]string{"ProvisioningFailed", "FailedBinding"}, e.Reason) {
			return ": " + firstWords(e.Message, 120)
		}
	}
	return ""
}

// unavailableVolume: the kubelet cannot mount what the Pod needs.
func (c *podCase) unavailableVolume() *cause {
	e := c.podEvent("FailedMount", "FailedAttachVolume", "FailedMapVolume")
	if e == nil {
		return nil
	}
	found := c.cause("volume-unavailable", messageClass(e.Message), about("cannot start: %s", sentence("a volume is not available", e.Message)), c.q.see(e, "/message", e.Message))
	found.variant, found.certainty, found.since = e.Reason, Likely, eventTime(e)
	return found
}

// podEvent returns the newest Event about the Pod with one of the reasons,
// since it was scheduled.
func (c *podCase) podEvent(reasons ...string) *corev1.Event {
	scheduled := c.pod.CreationTimestamp.Time
	if s := podCondition(c.pod, corev1.PodScheduled); s != nil {
		scheduled = s.LastTransitionTime.Time
	}
	for _, e := range c.q.events(c.pod) {
		if slices.Contains(reasons, e.Reason) && !eventTime(e).Before(scheduled) {
			return e
		}
	}
	return nil
}
