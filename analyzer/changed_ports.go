package analyzer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

// changedPorts: a change of the Service leads a port where no container of its
// Pods declares one and no probe looks, and before it did not.
func (s *service) changedPorts(a *answer) []*cause {
	var found []*cause
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if sp.TargetPort.Type != intstr.Int || len(s.pods) == 0 || s.leadsToDeclared(sp) {
			continue
		}
		changed := s.q.seen(s.svc)
		var before *corev1.ServicePort
		for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
			was := samePort(old, s.svc, sp)
			if o.UID != s.svc.UID || was == nil {
				break
			}
			if was.TargetPort != sp.TargetPort || was.Protocol != sp.Protocol {
				before = was
				break
			}
			changed = o
		}
		if before == nil || !s.leadsToDeclared(before) {
			continue
		}
		from, to := before.TargetPort.String()+"/"+string(before.Protocol), sp.TargetPort.String()+"/"+string(sp.Protocol)
		by := ""
		row := s.q.see(s.svc, phrase.PortPath(sp)+"/targetPort", to)
		row.Old = from
		c := s.cause("service-port-changed", nil, row, s.q.see(s.pods[0], "/spec/containers/ports", strings.Join(kube.DeclaredPorts(&s.pods[0].Spec), ", ")))
		if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:ports", fmt.Sprintf(`k:{"port":%d,"protocol":%q}`, sp.Port, sp.Protocol)); w != nil {
			by = " by " + w.String()
		}
		c.says = clause("port %s was changed from %s to %s%s, which no container declares and no probe covers", phrase.PortLabel(sp), from, to, by)
		c.key, c.since, c.certainty = phrase.PortLabel(sp), changed.Time, Likely
		c.onset = func() (time.Time, string) { return changed.Time, "" }
		c.next = commands(s.kubectl("patch").Add("-p", portPatch(sp, before)))
		found = append(found, c)
	}
	found = append(found, s.lostPorts()...)
	if len(found) > 0 && a.state == Serving {
		a.ok = fmt.Sprintf("Service %s has ready endpoints, but %s", s, found[0].says(""))
	}
	return found
}

// lostPorts: clients that call a port which the Service had until lately are
// refused, however ready its endpoints are. A port that came and went again, while
// the Service is what it was before, is missed by nobody.
func (s *service) lostPorts() []*cause {
	changed, had := s.q.seen(s.svc), (*corev1.Service)(nil)
	var lost []corev1.ServicePort
	n := 0
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if n++; o.UID != s.svc.UID || n > maxHistory || !s.q.within(changed.Time, window) {
			break
		}
		gone := slices.DeleteFunc(slices.Clone(old.Spec.Ports), func(was corev1.ServicePort) bool { return hasServicePort(s.svc, &was) })
		switch {
		case had == nil && len(gone) == 0:
			changed = o
		case had == nil:
			had, lost = old, gone
		case len(gone) == 0 && !hasServicePort(old, &lost[0]):
			return nil
		}
	}
	if had == nil {
		return nil
	}
	return []*cause{s.lostPort(had, &lost[0], changed)}
}

func hasServicePort(svc *corev1.Service, sp *corev1.ServicePort) bool {
	return slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == sp.Port && p.Protocol == sp.Protocol })
}

// lostPort says that a port is gone since a version of the Service, what there
// is now and who wrote that.
func (s *service) lostPort(old *corev1.Service, lost *corev1.ServicePort, changed *Object) *cause {
	gone, now := fmt.Sprintf("%d/%s", lost.Port, lost.Protocol), phrase.ServicePorts(s.svc)
	row := s.q.see(s.svc, "/spec/ports", now)
	row.Old = phrase.ServicePorts(old)
	c := s.cause("service-port-changed", nil, row)
	by := ""
	patch := map[string]any{"op": "replace", "path": "/spec/ports", "value": clientPorts(old)}
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if hasServicePort(old, sp) {
			continue
		}
		if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:ports", fmt.Sprintf(`k:{"port":%d,"protocol":%q}`, sp.Port, sp.Protocol)); w != nil {
			by = " by " + w.String()
		}
	}
	c.says = clause("port %s is gone since %s, changed%s: clients that call it are refused, the Service has %s", gone, phrase.Clock(changed.Time, s.q.now), by, now)
	c.variant, c.key, c.since, c.certainty = "port gone", gone, changed.Time, Likely
	if text, err := json.Marshal([]any{patch}); err == nil {
		c.next = commands(s.kubectl("patch").Add("--type=json", "-p", string(text)))
	}
	return c
}

// clientPorts are the ports of a Service as a patch writes them.
func clientPorts(svc *corev1.Service) []any {
	var all []any
	for i := range svc.Spec.Ports {
		sp := &svc.Spec.Ports[i]
		port := map[string]any{"port": sp.Port, "protocol": sp.Protocol, "targetPort": sp.TargetPort}
		if sp.Name != "" {
			port["name"] = sp.Name
		}
		if sp.NodePort != 0 {
			port["nodePort"] = sp.NodePort
		}
		all = append(all, port)
	}
	return all
}

// samePort returns the port of an older version that is the same to clients: by
// name, or by number, or the only one on both sides.
func samePort(old, now *corev1.Service, sp *corev1.ServicePort) *corev1.ServicePort {
	for i := range old.Spec.Ports {
		was := &old.Spec.Ports[i]
		if was.Name == sp.Name && (was.Name != "" || was.Port == sp.Port) || len(old.Spec.Ports) == 1 && len(now.Spec.Ports) == 1 {
			return was
		}
	}
	return nil
}

// portPatch is the patch that gives a port back what it had.
func portPatch(now, before *corev1.ServicePort) string {
	port := map[string]any{"port": now.Port, "protocol": before.Protocol, "targetPort": before.TargetPort}
	if now.Name != "" {
		port["name"] = now.Name
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ports": []any{port}}})
	if err != nil {
		panic(err) // texts and numbers can be encoded
	}
	return string(patch)
}

// leadsToDeclared: some Pod of the Service declares what the port leads to, or a
// probe of it looks there.
func (s *service) leadsToDeclared(sp *corev1.ServicePort) bool {
	return slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool {
		number, ok := kube.FindPort(p, sp)
		if !ok {
			return false
		}
		for c := range kube.PortContainers(&p.Spec) {
			if slices.ContainsFunc(c.Ports, func(cp corev1.ContainerPort) bool {
				return cp.ContainerPort == number && cmp.Or(cp.Protocol, corev1.ProtocolTCP) == cmp.Or(sp.Protocol, corev1.ProtocolTCP)
			}) {
				return true
			}
			for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe} {
				if probe != nil && cmp.Or(sp.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP && probes(probe, number) {
					return true
				}
			}
		}
		return false
	})
}

// probes: the probe connects to the port.
func probes(p *corev1.Probe, number int32) bool {
	switch {
	case p.HTTPGet != nil:
		return p.HTTPGet.Port.IntVal == number
	case p.TCPSocket != nil:
		return p.TCPSocket.Port.IntVal == number
	case p.GRPC != nil:
		return p.GRPC.Port == number
	}
	return false
}
