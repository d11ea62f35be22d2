package analyzer

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// aside looks for what does not change the verdict: symptoms, risks and hints.
func (s *service) aside(a *answer) {
	s.stuckPods(a)
	s.recreated(a)
	s.addressChanged(a)
}

// stuckPods are deleted Pods that linger.
func (s *service) stuckPods(a *answer) {
	for _, p := range s.pods {
		if c := s.q.stuckTerminating(p); c != nil && len(a.symptoms) < maxRows {
			a.symptoms = append(a.symptoms, c)
		}
	}
}

// recreated: another Service had the name not long before this one.
func (s *service) recreated(a *answer) {
	gap := time.Duration(0)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID == s.svc.UID {
			continue
		}
		if gap = s.svc.CreationTimestamp.Sub(o.Time); gap > window || s.q.age(s.svc.CreationTimestamp.Time) > window {
			return
		}
		e := s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP)
		e.Old = old.Spec.ClusterIP
		text := fmt.Sprintf("Service %s was deleted and made again", s)
		if old.Spec.ClusterIP != s.svc.Spec.ClusterIP {
			text += fmt.Sprintf(": its cluster IP moved from %s to %s, and clients that kept the old one fail", old.Spec.ClusterIP, s.svc.Spec.ClusterIP)
		}
		c := s.cause("svc-recreated", clause("%s", text), e)
		a.risks = append(a.risks, c)
		return
	}
}

// addressChanged: the load balancer's address moved, or vanished.
func (s *service) addressChanged(a *answer) {
	now := fmt.Sprint(addresses(s.svc))
	changed := s.q.seen(s.svc)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID || s.q.age(changed.Time) > window {
			return
		}
		was := addresses(old)
		if fmt.Sprint(was) == now {
			changed = o
			continue
		}
		if len(was) == 0 {
			return
		}
		e := s.q.see(s.svc, "/status/loadBalancer/ingress", enumerate(addresses(s.svc), 3))
		e.Old = enumerate(was, 3)
		c := s.cause("lb-address-changed", clause("the external address changed from %s to %s: DNS records and firewalls may still have the old one", e.Old, orNone(e.Value)), e)
		c.since = changed.Time
		a.risks = append(a.risks, c)
		return
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// allowed says what NetworkPolicies mean for the Service's Pods.
func (s *service) allowed(*answer) (result, evidence string) {
	return unknown, "NetworkPolicies are not evaluated"
}
