package analyzer

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// podCause returns why a selected Pod does not serve; nil if it does.
func (s *service) podCause(p *corev1.Pod) *cause {
	switch {
	case s.serves(p) && !ready(p):
		return s.published(p)
	case s.serves(p):
		return s.q.crashesBetween(p, s.owner[p.UID])
	case !ready(p) && !s.svc.Spec.PublishNotReadyAddresses:
		return s.q.podCause(p, s.owner[p.UID])
	}
	for _, rung := range []func(*corev1.Pod) *cause{s.nodeMissing, s.familyMismatch, s.portUnresolved, s.noSlice, s.hiddenSlice, s.stale} {
		if c := rung(p); c != nil {
			return c
		}
	}
	return nil
}

// published: the Pod is not ready and gets traffic all the same, as the Service
// asks. Of a headless one peers ask for names in order to become ready.
func (s *service) published(p *corev1.Pod) *cause {
	if !s.svc.Spec.PublishNotReadyAddresses || headless(s.svc) {
		return nil
	}
	c := s.cause("publish-not-ready", about("must take traffic without being ready, as publishNotReadyAddresses asks"),
		s.q.see(s.svc, "/spec/publishNotReadyAddresses", "true"), s.q.see(p, conditionPath(corev1.PodReady)+"/status", "False"))
	return c.because(s.q.podCause(p, s.owner[p.UID]))
}

// nodeMissing: the controller leaves out Pods whose Node object is gone.
func (s *service) nodeMissing(p *corev1.Pod) *cause {
	k := kindOf[corev1.Node]()
	if s.svc.Spec.PublishNotReadyAddresses || s.q.node(p.Spec.NodeName) != nil || !s.q.covered(k, "") {
		return nil
	}
	c := s.cause("endpoint-node-missing", about("cannot be endpoints: Node %s does not exist any more", p.Spec.NodeName),
		s.q.see(p, "/spec/nodeName", p.Spec.NodeName), s.q.absent(k, "", p.Spec.NodeName))
	c.subject, c.key = s.q.subject(p), p.Spec.NodeName
	if w := s.owner[p.UID]; w != nil {
		c.subject = s.q.subject(w.object)
	}
	for o := range past[corev1.Node](s.q, "", p.Spec.NodeName) {
		c.since = o.Time
		break
	}
	c.next = commands(command.Kubectl("get", "nodes"), command.Kubectl("delete").Add(command.Object("pod", p.Namespace, p.Name)...))
	return c
}

// familyMismatch: no selected Pod has an address of one of the families.
func (s *service) familyMismatch(p *corev1.Pod) *cause {
	for i, f := range families(s.svc) {
		if len(podIPs(p, f)) > 0 || len(p.Status.PodIPs) == 0 {
			continue
		}
		if i > 0 && slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return len(podIPs(p, f)) > 0 }) {
			continue
		}
		c := s.cause("ip-family-mismatch", func(who string) string {
			return fmt.Sprintf("%s could not be listed for %s: no address of that family", who, f)
		}, s.q.see(s.svc, "/spec/ipFamilies", fmt.Sprint(families(s.svc))), s.q.see(p, "/status/podIPs", p.Status.PodIP))
		c.key += " " + string(f)
		return c
	}
	return nil
}

// portUnresolved: the Pod has no port of the name the Service sends to.
func (s *service) portUnresolved(p *corev1.Pod) *cause {
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if _, ok := FindPort(p, sp); ok || !s.asked(sp) {
			continue
		}
		have := declaredPorts(&p.Spec)
		declare := "no ports"
		if len(have) > 0 {
			declare = enumerate(have, 4)
		}
		c := s.cause("target-port-name-unresolved", func(who string) string {
			return fmt.Sprintf("port %s sends to targetPort %q, which does not exist on %s (declared: %s)", portLabel(sp), sp.TargetPort.StrVal, who, declare)
		}, s.q.see(s.svc, portPath(sp)+"/targetPort", sp.TargetPort.StrVal), s.q.see(p, "/spec/containers/ports", strings.Join(have, ", ")))
		for _, l := range s.listed[p.UID] {
			if !hasPort(l.slice, sp) {
				c.evidence = append(c.evidence, s.q.see(l.slice, "/ports", strings.Join(slicePorts(l.slice), ",")))
				break
			}
		}
		c.key += " " + portLabel(sp)
		c.since = p.CreationTimestamp.Time
		c.next = commands(
			command.Kubectl("get").Add(command.Object("pod", p.Namespace, p.Name)...).Add("-o", "jsonpath={.spec.containers[*].ports}"),
			s.kubectl("edit"),
		)
		return c
	}
	return nil
}

// noSlice: the controller has not written any slice of its own.
func (s *service) noSlice(*corev1.Pod) *cause {
	for _, sl := range s.slices {
		if own(s.svc, sl) {
			return nil
		}
	}
	c := s.cause("endpointslice-missing", clause("the controller has written no EndpointSlice"),
		s.q.absent(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace, s.svc.Name+"-..."))
	c.grace = s.q.within(s.svc.CreationTimestamp.Time, sliceGrace)
	c.next = commands(leaseOf("kube-controller-manager"))
	return c.because(s.controllersStalled())
}

// hiddenSlice: the Pod is listed where kube-proxy does not look.
func (s *service) hiddenSlice(p *corev1.Pod) *cause {
	for _, l := range s.listed[p.UID] {
		if c := s.invisibleSlice(l.slice); c != nil && epReady(l.endpoint) {
			return c
		}
	}
	return nil
}

// stale: the Pod is ready, and its endpoint does not say so.
func (s *service) stale(p *corev1.Pod) *cause {
	changed := s.q.seen(p).Time
	if t := s.q.seen(s.svc).Time; t.After(changed) {
		changed = t
	}
	c := s.cause("endpointslice-stale", about("could serve, but the EndpointSlices of Service %s do not say so", s),
		s.q.see(p, conditionPath(corev1.PodReady)+"/status", "True"))
	c.since, c.grace = changed, s.q.within(changed, sliceGrace)
	if len(s.listed[p.UID]) == 0 {
		c.variant = "missing"
		for _, sl := range s.slices {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", quantity(len(sl.Endpoints), "endpoint")))
		}
	}
	for _, l := range s.listed[p.UID] {
		c.variant = "wrong-ready"
		c.evidence = append(c.evidence, s.q.see(l.slice, "/endpoints[targetRef="+p.Name+"]/conditions/ready", fmt.Sprint(epReady(l.endpoint))))
	}
	c.next = commands(command.Kubectl("get", "events", "-n", s.svc.Namespace, "--field-selector", "involvedObject.name="+s.svc.Name))
	return c.because(s.controllersStalled())
}
