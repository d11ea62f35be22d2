package analyzer

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// misdirected are endpoints that take traffic and lead nowhere, or to a Pod
// that says it is not ready.
func (s *service) misdirected() []unit {
	var units []unit
	for _, sl := range s.slices {
		if !s.counts(sl) {
			continue
		}
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if !epUsable(e) || podOf(e) == "" {
				continue
			}
			variant, evidence := s.misdirects(sl, e)
			if variant == "" {
				continue
			}
			c := s.misdirection(sl, variant, e.TargetRef.Name)
			if at := s.wrongSince(e.TargetRef, variant); c.id == "endpointslice-stale" && at.After(c.since) {
				c.since = at
			}
			c.evidence = append(c.evidence, evidence...)
			units = append(units, unit{kind: podUnit, count: 1, cause: c})
		}
	}
	return units
}

// misdirects tells what is wrong with an endpoint that takes traffic, once the
// slices had the time to follow; "" if nothing is.
func (s *service) misdirects(sl *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint) (variant string, evidence []Evidence) {
	row := func() Evidence {
		return s.q.see(sl, "/endpoints[targetRef="+e.TargetRef.Name+"]/conditions/ready", fmt.Sprint(epReady(e)))
	}
	if s.gone(e) {
		return "pod-gone", []Evidence{row()}
	}
	p := s.podBehind(e.TargetRef)
	if p == nil || s.svc.Spec.PublishNotReadyAddresses || !epReady(e) || ready(p) && !terminal(p) || s.q.within(s.q.seen(p).Time, sliceGrace) {
		return "", nil
	}
	return "wrong-ready", []Evidence{row(), s.q.see(p, conditionPath(corev1.PodReady)+"/status", "False")}
}

// wrongSince is since when the Pod of an endpoint is not what the endpoint says.
func (s *service) wrongSince(ref *corev1.ObjectReference, variant string) time.Time {
	o, p := s.lastPod(ref)
	switch {
	case p == nil:
		return time.Time{}
	case variant == "pod-gone":
		return o.Time
	}
	if at, heard := s.changedTo(p, false); heard {
		return at
	}
	if c := podCondition(p, corev1.PodReady); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// misdirection is why a slice still lists what it should not.
func (s *service) misdirection(sl *discoveryv1.EndpointSlice, variant, pod string) *cause {
	switch {
	case !selectable(s.svc) && own(s.svc, sl):
		c := s.frozenSlice(sl)
		c.variant = variant
		return c
	case managedBy(sl) != sliceController:
		c := s.cause("foreign-endpointslice", clause("EndpointSlice %s, which %s manages, sends traffic to Pod %s, which cannot take it", sl.Name, managerName(sl), pod))
		c.key, c.variant, c.since = sl.Name, variant, s.q.seen(sl).Time
		return c
	}
	what := "is gone"
	if variant == "wrong-ready" {
		what = "is not ready"
	}
	c := s.cause("endpointslice-stale", clause("EndpointSlice %s still sends traffic to Pod %s, which %s", sl.Name, pod, what))
	c.key, c.variant, c.since = sl.Name, variant, s.q.seen(sl).Time
	return c.because(s.controllersStalled())
}

// frozen: the selector is gone, and the slices of its time are still there.
func (s *service) frozen() []*cause {
	if selectable(s.svc) || s.svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	for _, sl := range s.slices {
		if own(s.svc, sl) && len(sl.Endpoints) > 0 {
			return []*cause{s.frozenSlice(sl)}
		}
	}
	return nil
}

func (s *service) frozenSlice(sl *discoveryv1.EndpointSlice) *cause {
	c := s.cause("slices-frozen", clause("the selector was removed, and the endpoints stay as they were then"),
		s.q.see(sl, "/endpoints", quantity(len(sl.Endpoints), "endpoint")), s.q.see(s.svc, "/spec/selector", ""))
	c.since = s.q.seen(sl).Time
	c.next = []next{{advice: "restore the selector, or delete EndpointSlice " + command.Quote(sl.Name)}}
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID {
			break
		}
		if selectable(old) {
			c.evidence[1].Old = pairs(old.Spec.Selector)
			break
		}
		c.since = o.Time
	}
	return c
}

// foreign: somebody else's slice with the Service's label gets a share of the
// traffic.
func (s *service) foreign() []*cause {
	if !selectable(s.svc) {
		return nil
	}
	for _, sl := range s.slices {
		usable := slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool { return epUsable(&e) })
		if managedBy(sl) != sliceController && usable && s.counts(sl) {
			c := s.cause("foreign-endpointslice", clause("traffic is shared with EndpointSlice %s, which %s manages", sl.Name, managerName(sl)), s.q.see(sl, "/metadata/labels["+discoveryv1.LabelManagedBy+"]", managedBy(sl)))
			c.since = s.q.seen(sl).Time
			return []*cause{c}
		}
	}
	return nil
}
