package analyzer

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

const (
	lagLimit  = 5 * time.Second // endpoints that follow a Pod later than this lag
	exitLimit = time.Second     // a Pod that ends sooner after its deletion was asked for was not drained
)

// lag: an endpoint followed its Pod's readiness too late. Both are told apart
// by when they were heard, so the recorder's own delay is in neither.
func (s *service) lag() []*cause {
	looked := 0
	for _, p := range s.pods {
		c := podCondition(p, corev1.PodReady)
		if c == nil || !s.q.within(c.LastTransitionTime.Time, window) || terminal(p) {
			continue
		}
		if looked++; looked > maxFormer {
			return nil
		}
		for _, l := range s.listed[p.UID] {
			pod, known := s.changedTo(p, ready(p))
			slice, written := s.wroteReady(l.slice, p, epServing(l.endpoint))
			if !known || !written || epServing(l.endpoint) != ready(p) || slice.Sub(pod) <= lagLimit || slice.Sub(s.selectedSince(p)) <= lagLimit {
				continue
			}
			found := s.cause("endpoint-lag", clause("the endpoint of Pod %s became %s %s after the Pod", p.Name, readyWord(ready(p)), slice.Sub(pod).Round(time.Second)),
				s.q.see(p, conditionPath(corev1.PodReady)+"/status", string(c.Status)), s.q.see(l.slice, "/endpoints[targetRef="+p.Name+"]/conditions/serving", string(c.Status)))
			found.since, found.certainty = pod, Likely
			return []*cause{found}
		}
	}
	return nil
}

// selectedSince is since when the Service has selected the Pod: before that its
// endpoint had nothing to follow.
func (s *service) selectedSince(p *corev1.Pod) time.Time {
	selector := pairs(s.svc.Spec.Selector)
	at, _ := held(s.q, s.svc, func(old *corev1.Service) bool { return pairs(old.Spec.Selector) == selector })
	if t, _ := held(s.q, p, func(old *corev1.Pod) bool { return matches(s.svc.Spec.Selector, old.Labels) }); t.After(at) {
		return t
	}
	return at
}

func readyWord(is bool) string {
	if is {
		return "ready"
	}
	return "not ready"
}

// changedTo is when the Pod's readiness became what it is, if that was heard.
func (s *service) changedTo(p *corev1.Pod, is bool) (at time.Time, known bool) {
	n := 0
	for o, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
		if o.UID != p.UID || n == maxHistory {
			return at, false
		}
		if ready(old) != is {
			return at, true
		}
		at = o.Time
		n++
	}
	return at, false
}

// wroteReady is when the slice began to say of the Pod what it says, if that
// was heard.
func (s *service) wroteReady(sl *discoveryv1.EndpointSlice, p *corev1.Pod, is bool) (at time.Time, known bool) {
	n := 0
	for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
		if n == maxHistory {
			return at, false
		}
		says := false
		for i := range old.Endpoints {
			if podOf(&old.Endpoints[i]) == p.UID {
				says = epServing(&old.Endpoints[i]) == is
			}
		}
		if !says {
			return at, true
		}
		at = o.Time
		n++
	}
	return at, false
}

// undrained: Pods end as soon as they are told to, before proxies can have
// stopped sending to them. Times have a resolution of a second, so one Pod
// proves nothing.
func (s *service) undrained() []*cause {
	if !s.q.within(s.lastSliceChange(), window) {
		return nil
	}
	var ended []*corev1.Pod
	s.formerPods(func(o *Object, p *corev1.Pod) bool {
		asked := s.deletion(p)
		if asked == nil || !s.q.within(o.Time, window) || hasPreStop(p) || *asked.DeletionGracePeriodSeconds == 0 {
			return true
		}
		end := o.Time
		for _, cs := range p.Status.ContainerStatuses {
			if t := cs.State.Terminated; t != nil && t.FinishedAt.Time.Before(end) {
				end = t.FinishedAt.Time
			}
		}
		if end.Sub(deleteAskedAt(asked)) <= exitLimit {
			ended = append(ended, asked)
		}
		return len(ended) < maxRows
	})
	if len(ended) < 2 {
		return nil
	}
	c := s.cause("terminated-before-drained", clause("%s ended within a second of being deleted, before proxies can have stopped sending to them: a preStop hook that waits would help", quantity(len(ended), "Pod")))
	for _, p := range ended {
		c.evidence = append(c.evidence, s.q.see(p, "/metadata/deletionTimestamp", clock(p.DeletionTimestamp.Time, s.q.now)))
	}
	c.certainty, c.since = Likely, deleteAskedAt(ended[0])
	return []*cause{c}
}

// deletion returns the Pod as it was when its deletion was asked for, nil if
// nobody heard that. The kubelet confirms the end by a deletion without grace,
// so later versions do not tell how much there was.
func (s *service) deletion(p *corev1.Pod) (asked *corev1.Pod) {
	n := 0
	for o, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
		if n++; o.UID != p.UID || !terminating(old) || n > maxHistory {
			break
		}
		asked = old
	}
	if asked == nil || asked.DeletionGracePeriodSeconds == nil {
		return nil
	}
	return asked
}

func hasPreStop(p *corev1.Pod) bool {
	for i := range p.Spec.Containers {
		if l := p.Spec.Containers[i].Lifecycle; l != nil && l.PreStop != nil {
			return true
		}
	}
	return false
}
