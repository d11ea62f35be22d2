package analyzer

import (
	"fmt"
	"net"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// externalName: the Service is only a DNS alias.
func (s *service) externalName(a *answer) {
	target := strings.TrimSuffix(s.svc.Spec.ExternalName, ".")
	see := s.q.see(s.svc, "/spec/externalName", s.svc.Spec.ExternalName)
	fail := func(result string, c *cause) {
		a.state, a.classes = NotServing, []ClassResult{{"externalname", result, target}}
		a.units = []unit{{kind: serviceUnit, count: 1, cause: c}}
		a.prefix = fmt.Sprintf("Service %s is not serving: ", s)
	}
	if net.ParseIP(target) != nil {
		c := s.cause("externalname-misfit", clause("its externalName %s is an IP address, and DNS has no alias to an address", target), see)
		c.variant = "is-ip"
		c.next = []next{{advice: "use a Service without selector and an EndpointSlice for the address"}}
		fail(resultNXDomain, c)
		return
	}
	name, namespace, inside := s.clusterName(target)
	if !inside {
		a.state = Unknown
		a.classes = []ClassResult{{"externalname", "CNAME", target}}
		a.ok = fmt.Sprintf("Service %s is an alias for %s, outside the cluster: nothing recorded tells whether it answers", s, target)
		s.q.aside(func() { s.externalMisfits(a); a.checklist = s.checklist(a) })
		return
	}
	next := s.q.serviceAnswer(namespace, name)
	switch {
	case next == nil:
		c := s.cause("externalname-loop", clause("its alias %s leads back to itself", target), see)
		fail(resultNXDomain, c)
	case next.state == Absent || next.state == NotServing:
		c := s.cause("externalname-dead-target", clause("it is an alias for Service %s/%s, which %s", namespace, name, map[State]string{Absent: "does not exist", NotServing: "does not serve"}[next.state]), see)
		c.next = commands(command.Kubectl("get", "services", "-n", namespace))
		for _, g := range next.groups()[:min(1, len(next.groups()))] {
			c.evidence = append(c.evidence, g.root.evidence...)
			c.since = g.since
			a.symptoms = append(a.symptoms, g.root)
		}
		fail("DEAD_TARGET", c)
	case next.state == Unknown:
		a.state, a.classes = Unknown, []ClassResult{{"externalname", resultUnknown, target}}
		a.ok = fmt.Sprintf("Service %s is an alias for Service %s/%s, whose state cannot be known", s, namespace, name)
	default:
		a.state, a.classes = next.state, []ClassResult{{"externalname", "CNAME", target}}
		a.units, a.prefix = next.units, fmt.Sprintf("Service %s is an alias for Service %s/%s: ", s, namespace, name)
		a.steady, a.steadyBut = next.steady, next.steadyBut
		a.ok = fmt.Sprintf("Traffic should flow: Service %s is an alias for Service %s/%s, which serves", s, namespace, name)
		a.endpoints = next.endpoints
	}
	s.q.aside(func() { s.externalMisfits(a); a.checklist = s.checklist(a) })
}

// clusterName reads NAME.NAMESPACE.svc, with or without the cluster's domain,
// and NAME.NAMESPACE if that Namespace exists.
func (s *service) clusterName(target string) (name, namespace string, inside bool) {
	labels := strings.Split(target, ".")
	switch {
	case len(labels) == 3 && labels[2] == "svc",
		len(labels) == 5 && labels[2] == "svc" && labels[3] == "cluster" && labels[4] == "local":
		return labels[0], labels[1], true
	case len(labels) == 2 && get[corev1.Namespace](s.q, "", labels[1]) != nil:
		return labels[0], labels[1], true
	}
	return "", "", false
}

// externalMisfits are fields an alias ignores, and uses that often fail.
func (s *service) externalMisfits(a *answer) {
	add := func(variant, path, value, text string) {
		c := s.cause("externalname-misfit", clause("%s", text), s.q.see(s.svc, path, value))
		c.variant, c.certainty = variant, Possible
		a.hints = append(a.hints, c)
	}
	if len(s.svc.Spec.Selector) > 0 {
		add("ignored-fields", "/spec/selector", pairs(s.svc.Spec.Selector), "the selector is ignored: an ExternalName is only a DNS alias")
	}
	if !strings.Contains(strings.TrimSuffix(s.svc.Spec.ExternalName, "."), ".") {
		add("single-label", "/spec/externalName", s.svc.Spec.ExternalName, "the name has one label: it resolves only through a search path")
	}
	for _, sp := range s.svc.Spec.Ports {
		if sp.TargetPort.IntVal != 0 && sp.TargetPort.IntVal != sp.Port {
			add("ignored-fields", portPath(&sp)+"/targetPort", sp.TargetPort.String(), "target ports are ignored: an ExternalName is only a DNS alias")
		}
		if sp.Port == 443 || sp.AppProtocol != nil && strings.Contains(*sp.AppProtocol, "http") {
			add("https-or-host", portPath(&sp), fmt.Sprint(sp.Port), "clients send the alias as Host and SNI, which the target may not know")
		}
	}
}
