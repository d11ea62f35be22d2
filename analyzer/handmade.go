package analyzer

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// invisible returns the cause if a slice of the Service has endpoints that
// kube-proxy cannot use.
func (s *service) invisible() *cause {
	for _, sl := range s.slices {
		if c := s.invisibleSlice(sl); c != nil {
			return c
		}
	}
	return nil
}

// invisibleSlice returns why kube-proxy gets no backend from a slice that has
// endpoints; nil if it gets some, or is not concerned.
func (s *service) invisibleSlice(sl *discoveryv1.EndpointSlice) *cause {
	if !proxied(s.svc) || len(sl.Endpoints) == 0 || managedBy(sl) == sliceController || s.counts(sl) {
		return nil
	}
	path, value, why := "/ports", strings.Join(slicePorts(sl), ","), ""
	_, isHeadless := sl.Labels[corev1.IsHeadlessService]
	switch {
	case isHeadless:
		path, value, why = "/metadata/labels", corev1.IsHeadlessService, "it has the label of a headless Service"
	case !proxyVisible(sl):
		path, value, why = "/addressType", string(sl.AddressType), fmt.Sprintf("its address type is %s", sl.AddressType)
	case len(sl.Ports) == 0:
		why = "it has no port"
	default:
		why = fmt.Sprintf("its ports (%s) carry none of the names and protocols of the Service's ports (%s)", value, servicePorts(s.svc))
	}
	c := s.cause("slice-invisible-to-proxy", clause("kube-proxy cannot use EndpointSlice %s: %s", sl.Name, why),
		s.q.see(sl, path, value), s.q.see(s.svc, "/spec/ports", servicePorts(s.svc)))
	c.key, c.since = sl.Name, s.q.seen(sl).Time
	c.next = commands(command.Kubectl("get").Add(command.Object("endpointslice", sl.Namespace, sl.Name)...).Add("-o", "yaml"))
	return c
}

// notMirrored: there are Endpoints made by hand, and nothing copies them into
// slices.
func (s *service) notMirrored() *cause {
	e := get[endpointsV1](s.q, s.svc.Namespace, s.svc.Name)
	if e == nil || len(e.Subsets) == 0 {
		return nil
	}
	for _, sl := range s.slices {
		if managedBy(sl) == mirrorController {
			return nil
		}
	}
	why, path, value := "", "/subsets", quantity(len(e.Subsets), "subset")
	switch {
	case e.Labels[discoveryv1.LabelSkipMirror] == "true":
		why, path, value = "its label says to skip it", "/metadata/labels["+discoveryv1.LabelSkipMirror+"]", "true"
	case e.Annotations["control-plane.alpha.kubernetes.io/leader"] != "":
		why, path, value = "it is a lock of leader election", "/metadata/annotations", "control-plane.alpha.kubernetes.io/leader"
	}
	c := s.cause("endpoints-not-mirrored", clause("Endpoints %s is not copied into EndpointSlices%s", s, prefixed(": ", why)), s.q.see(e, path, value))
	c.since = s.q.seen(e).Time
	c.grace = s.q.within(c.since, sliceGrace)
	return c
}
