package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// ways are the ways in that are broken while the Service works: from outside,
// and from some of the nodes.
func (s *service) ways() []unit {
	var units []unit
	if c := s.pendingLoadBalancer(); c != nil {
		units = append(units, unit{kind: externalUnit, count: 1, cause: c})
	}
	for _, gap := range []struct {
		id, policy string
		kind       unitKind
		results    func(*portRoute) []nodeResult
	}{
		{"itp-local-gaps", "internalTrafficPolicy", nodeUnit, func(r *portRoute) []nodeResult { return r.inside }},
		{"etp-local-gaps", "externalTrafficPolicy", externalUnit, func(r *portRoute) []nodeResult { return r.outside }},
	} {
		dropped, all := s.dropped(gap.results)
		if len(dropped) == 0 {
			continue
		}
		c := s.cause(gap.id, clause("%s is Local and no endpoint runs on %s, so clients there get timeouts", gap.policy, enumerate(dropped, 4)),
			s.q.see(s.svc, "/spec/"+gap.policy, "Local"))
		if gap.id == "etp-local-gaps" {
			c.says = clause("%s is Local and no endpoint runs on %s, so what enters there from outside is dropped", gap.policy, enumerate(dropped, 4))
			// A load balancer's health check finds the nodes without endpoints.
			c.grace = s.svc.Spec.Type == corev1.ServiceTypeLoadBalancer && !all
		}
		for _, sl := range s.slices[:min(len(s.slices), maxRows-1)] {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints/nodeName", strings.Join(sliceNodes(sl), ",")))
		}
		c.next = commands(command.Kubectl("get", "pods", "-n", s.svc.Namespace, "-l", pairs(s.svc.Spec.Selector), "-o", "wide"))
		units = append(units, unit{kind: gap.kind, count: len(dropped), cause: c})
	}
	return units
}

// dropped lists the nodes whose clients get nothing for want of a local
// endpoint, and whether that is all nodes.
func (s *service) dropped(results func(*portRoute) []nodeResult) (names []string, all bool) {
	all = true
	for i := range s.routes {
		for _, r := range results(&s.routes[i]) {
			if r.result != resultDrop {
				all = false
				continue
			}
			for _, n := range r.nodes {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
	}
	slices.Sort(names)
	return names, all && len(names) > 0
}

// outsideFails: a way in that was asked for does not work, beyond its grace.
func (s *service) outsideFails(a *answer) bool {
	return slices.ContainsFunc(a.units, func(u unit) bool {
		return (u.kind == externalUnit || u.kind == nodeUnit) && !u.cause.root().grace
	})
}

// loadBalancerClass is the result of the lb class.
func (s *service) loadBalancerClass() (ClassResult, bool) {
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return ClassResult{}, false
	}
	if len(s.svc.Status.LoadBalancer.Ingress) == 0 {
		return ClassResult{"lb", resultPending, "no address yet"}, true
	}
	return ClassResult{"lb", resultOK, strings.Join(addresses(s.svc), ", ")}, true
}

// addresses of the Service's load balancer.
func addresses(s *corev1.Service) []string {
	var list []string
	for _, in := range s.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			list = append(list, in.IP)
		}
		if in.Hostname != "" {
			list = append(list, in.Hostname)
		}
	}
	return list
}

// excludeNode keeps a Node from being a backend of cloud load balancers.
const excludeNode = corev1.LabelNodeExcludeBalancers

// pendingLoadBalancer: nothing has given the Service an external address.
func (s *service) pendingLoadBalancer() *cause {
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer || len(s.svc.Status.LoadBalancer.Ingress) > 0 {
		return nil
	}
	since, note := held(s.q, s.svc, func(old *corev1.Service) bool {
		return old.Spec.Type == corev1.ServiceTypeLoadBalancer && len(old.Status.LoadBalancer.Ingress) == 0
	})
	c := s.cause("lb-pending", nil, s.q.see(s.svc, "/status/loadBalancer/ingress", ""))
	c.since = since
	c.onset = func() (time.Time, string) { return since, note }
	c.grace = s.q.within(since, loadBalancer)
	c.next = commands(s.kubectl("describe"))
	why := ""
	event := s.balancerEvent()
	switch {
	case event != nil && event.Type == corev1.EventTypeWarning:
		c.variant, why, c.grace, c.certainty = event.Reason, sentence(event.Reason, event.Message), false, Likely
	case s.svc.Spec.LoadBalancerClass != nil:
		c.variant = "class " + *s.svc.Spec.LoadBalancerClass
		why = fmt.Sprintf("the controller of class %s has not answered", *s.svc.Spec.LoadBalancerClass)
		c.evidence = append(c.evidence, s.q.see(s.svc, "/spec/loadBalancerClass", *s.svc.Spec.LoadBalancerClass))
	case s.noBackendNodes():
		c.variant, why = "no backend nodes", "every Node is excluded from load balancers"
	case event != nil:
		c.variant, why, c.certainty = event.Reason, "a controller is at work on it", Likely
	case len(s.svc.Finalizers) == 0:
		c.variant, why = "no controller", "no controller has taken it up"
		c.evidence = append(c.evidence, s.q.see(s.svc, "/metadata/finalizers", ""))
	default:
		why = "its controller has not given one"
	}
	if event != nil {
		c.evidence = append(c.evidence, s.q.see(event, "/message", event.Message))
	}
	c.says = clause("the load balancer has no address: %s", why)
	return c
}

// balancerEvent is the newest Event in which a cloud controller speaks of the
// Service's load balancer.
func (s *service) balancerEvent() *corev1.Event {
	for _, e := range s.q.events(s.svc) {
		if strings.Contains(e.Reason, "LoadBalancer") {
			return e
		}
	}
	return nil
}

func (s *service) noBackendNodes() bool {
	nodes := s.q.allNodes()
	for _, n := range nodes {
		if n.Labels[excludeNode] == "" && n.DeletionTimestamp == nil &&
			!slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == "ToBeDeletedByClusterAutoscaler" }) {
			return false
		}
	}
	return len(nodes) > 0 && s.q.covered(kindOf[corev1.Node](), "")
}
