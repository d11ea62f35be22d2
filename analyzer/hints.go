package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/store"
)

// detachedPods: Pods that left by losing the labels, where others stayed.
func (s *service) detachedPods() []*cause {
	if len(s.pods) == 0 || !s.q.within(s.lastSliceChange(), window) {
		return nil
	}
	if c := s.detached(); c != nil {
		return []*cause{c}
	}
	return nil
}

func (s *service) lastSliceChange() time.Time {
	var at time.Time
	for _, sl := range s.slices {
		if t := s.q.seen(sl).Time; t.After(at) {
			at = t
		}
	}
	return at
}

// mixedPods: the selector mixes Pods of different programs. Canaries do so on
// purpose; where the programs listen on different ports it is hardly meant.
func (s *service) mixedPods() []*cause { return s.mixed(false) }

// mixedPorts: the same, and requests arrive at different ports.
func (s *service) mixedPorts() []*cause { return s.mixed(true) }

func (s *service) mixed(ports bool) []*cause {
	byWorkload := map[types.UID]*workload{}
	var names []string
	mixed, jobs, apart := false, false, ""
	for _, w := range s.workloads {
		if w.active() == 0 {
			continue
		}
		byWorkload[w.meta.UID] = w
		names = append(names, w.String())
		jobs = jobs || !w.scaled
		for _, other := range byWorkload {
			mixed = mixed || s.differ(w, other)
			if apart == "" && w != other {
				apart = s.portsApart(other, w)
			}
		}
	}
	if len(names) < 2 || !mixed && !jobs || ports != (apart != "") {
		return nil
	}
	c := s.cause("selector-too-broad", clause("the selector %s mixes Pods of %s%s", pairs(s.svc.Spec.Selector), enumerate(names, 4), prefixed(": ", apart)), s.q.see(s.svc, "/spec/selector", pairs(s.svc.Spec.Selector)))
	c.certainty = Possible
	if ports {
		c.variant = "ports"
	}
	for _, w := range s.workloads[:min(len(s.workloads), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(w.object, "/spec/template/metadata/labels", pairs(w.template.Labels)))
	}
	return []*cause{c}
}

// differ: two workloads look like different programs to the Service's clients.
func (s *service) differ(a, b *workload) bool {
	for _, key := range []string{"app.kubernetes.io/name", "app.kubernetes.io/component", "app"} {
		if x, y := a.template.Labels[key], b.template.Labels[key]; x != "" && y != "" && x != y {
			return true
		}
	}
	return s.portsApart(a, b) != ""
}

// portsApart says where a port of the Service leads to different ports of two
// workloads; "" if none does.
func (s *service) portsApart(a, b *workload) string {
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		x, okX := kube.FindPort(&corev1.Pod{Spec: a.template.Spec}, sp)
		y, okY := kube.FindPort(&corev1.Pod{Spec: b.template.Spec}, sp)
		switch {
		case okX && okY && x != y:
			return fmt.Sprintf("port %s leads to %d of one and to %d of the other", portLabel(sp), x, y)
		case okX != okY:
			return fmt.Sprintf("port %s leads to one of them only", portLabel(sp))
		}
	}
	return ""
}

// undeclaredPort: the Pods declare one port, and the Service sends to another.
// Declaring is only information, so this is a hint.
func (s *service) undeclaredPort() []*cause {
	var found []*cause
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if sp.TargetPort.Type != intstr.Int || len(s.pods) == 0 || !s.asked(sp) {
			continue
		}
		var p *corev1.Pod
		declared, only := false, true
		for _, candidate := range s.pods {
			ports := declaredNumbers(&candidate.Spec)
			declared = declared || slices.Contains(ports, sp.TargetPort.IntVal)
			only = only && len(ports) == 1
			p = candidate
		}
		if declared || !only {
			continue
		}
		have := kube.DeclaredPorts(&p.Spec)
		c := s.cause("target-port-undeclared", clause("port %s sends to %d, but the Pods declare only %s", portLabel(sp), sp.TargetPort.IntVal, strings.Join(have, ", ")),
			s.q.see(s.svc, portPath(sp)+"/targetPort", sp.TargetPort.String()), s.q.see(p, "/spec/containers/ports", strings.Join(have, ", ")))
		c.certainty, c.key = Possible, portLabel(sp)
		found = append(found, c)
	}
	return found
}

func declaredNumbers(spec *corev1.PodSpec) []int32 {
	var numbers []int32
	for c := range kube.PortContainers(spec) {
		for _, p := range c.Ports {
			numbers = append(numbers, p.ContainerPort)
		}
	}
	return numbers
}

// unprobedPort: no readiness probe covers the port, so "ready" says little.
func (s *service) unprobedPort() []*cause {
	for _, w := range s.workloads {
		if len(w.pods) == 0 {
			continue
		}
		p := w.pods[0]
		for i := range s.svc.Spec.Ports {
			sp := &s.svc.Spec.Ports[i]
			number, ok := kube.FindPort(p, sp)
			if !ok || !s.asked(sp) || covered(&p.Spec, number) {
				continue
			}
			c := s.cause("readiness-not-covering-port", clause("no readiness probe of %s covers port %d, so its Pods are ready whether or not they serve it", w, number), s.q.see(p, "/spec/containers/readinessProbe", "none for "+fmt.Sprint(number)))
			c.certainty, c.key = Possible, fmt.Sprint(number)
			return []*cause{c}
		}
	}
	return nil
}

// covered: a readiness probe asks the port, or runs a command that may.
func covered(spec *corev1.PodSpec, number int32) bool {
	for c := range kube.PortContainers(spec) {
		probe := c.ReadinessProbe
		if probe == nil {
			continue
		}
		port := intstr.IntOrString{}
		switch {
		case probe.Exec != nil:
			return true
		case probe.HTTPGet != nil:
			port = probe.HTTPGet.Port
		case probe.TCPSocket != nil:
			port = probe.TCPSocket.Port
		case probe.GRPC != nil:
			port = intstr.FromInt32(probe.GRPC.Port)
		}
		if port.Type == intstr.Int && port.IntVal == number {
			return true
		}
		for _, cp := range c.Ports {
			if port.Type == intstr.String && cp.Name == port.StrVal && cp.ContainerPort == number {
				return true
			}
		}
	}
	return false
}

// unmappedPort: a headless Service has a targetPort that nothing maps.
func (s *service) unmappedPort() []*cause {
	if !kube.Headless(s.svc) {
		return nil
	}
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if sp.TargetPort.Type == intstr.Int && sp.TargetPort.IntVal != 0 && sp.TargetPort.IntVal != sp.Port {
			c := s.cause("headless-port-mapping-ignored", clause("Service %s is headless, so port %d is not mapped to %d: clients must use %d", s, sp.Port, sp.TargetPort.IntVal, sp.TargetPort.IntVal),
				s.q.see(s.svc, portPath(sp)+"/targetPort", sp.TargetPort.String()))
			c.certainty = Possible
			return []*cause{c}
		}
	}
	return nil
}

// governing: a StatefulSet names this Service for its Pods' names, and it
// cannot give them.
func (s *service) governing() []*cause {
	for _, set := range list[appsv1.StatefulSet](s.q, store.Query{Namespace: s.svc.Namespace}) {
		if set.Spec.ServiceName != s.svc.Name {
			continue
		}
		why := ""
		switch {
		case !kube.Headless(s.svc):
			why = "it is not headless"
		case kube.Selectable(s.svc) && !kube.Matches(s.svc.Spec.Selector, set.Spec.Template.Labels):
			why = "it does not select its Pods"
		}
		if why == "" {
			continue
		}
		c := s.cause("governing-service-mismatch", clause("Service %s is to give the Pods of StatefulSet %s their names, but %s", s, set.Name, why),
			s.q.see(set, "/spec/serviceName", set.Spec.ServiceName), s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP))
		return []*cause{c}
	}
	return nil
}

// sourceRanges: the load balancer admits only some addresses.
func (s *service) sourceRanges() []*cause {
	ranges := s.svc.Spec.LoadBalancerSourceRanges
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer || len(ranges) == 0 {
		return nil
	}
	client := s.q.client()
	for _, r := range ranges {
		r = strings.TrimSpace(r)
		if strings.HasSuffix(r, "/0") || client != nil && client.Pod == nil && kube.InCIDR(r, client.IP) {
			return nil
		}
	}
	c := s.cause("lb-source-ranges", clause("the load balancer admits only %s", enumerate(ranges, 4)), s.q.see(s.svc, "/spec/loadBalancerSourceRanges", strings.Join(ranges, ",")))
	c.certainty = Possible
	return []*cause{c}
}

// externalIPs: nothing in Kubernetes brings traffic to them.
func (s *service) externalIPs() []*cause {
	if len(s.svc.Spec.ExternalIPs) == 0 {
		return nil
	}
	c := s.cause("externalips-unmanaged", clause("nothing in Kubernetes routes the external IPs %s to the nodes", enumerate(s.svc.Spec.ExternalIPs, 3)), s.q.see(s.svc, "/spec/externalIPs", strings.Join(s.svc.Spec.ExternalIPs, ",")))
	c.certainty = Possible
	return []*cause{c}
}

// hostNetwork: the endpoints are the nodes' own addresses.
func (s *service) hostNetwork() []*cause {
	for _, p := range s.pods {
		if p.Spec.HostNetwork && !kube.Terminal(p) {
			c := s.cause("hostnetwork-backends", clause("the Pods use their nodes' network: NetworkPolicies do not apply, and one Pod fits a node per port"), s.q.see(p, "/spec/hostNetwork", "true"))
			return []*cause{c}
		}
	}
	return nil
}

// truncated: readers of the old Endpoints object miss addresses.
func (s *service) truncated() []*cause {
	e := get[endpointsV1](s.q, s.svc.Namespace, s.svc.Name)
	if e == nil || e.Annotations[corev1.EndpointsOverCapacity] != "truncated" {
		return nil
	}
	return []*cause{s.cause("endpoints-truncated", clause("Endpoints %s holds only the first 1000 addresses; EndpointSlices have all", s), s.q.see(e, "/metadata/annotations["+corev1.EndpointsOverCapacity+"]", "truncated"))}
}
