package kube

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FindPort resolves a Service's targetPort on a Pod, as the EndpointSlice
// controller does (k8s.io/endpointslice/utils.go, FindPort): a number always
// resolves; a name is looked for in the containers' ports, protocol included,
// then in those of restartable init containers. Ordinary init containers and
// ephemeral containers never count.
func FindPort(p *corev1.Pod, sp *corev1.ServicePort) (port int32, ok bool) {
	if sp.TargetPort.Type == intstr.Int {
		return sp.TargetPort.IntVal, true
	}
	for c := range PortContainers(&p.Spec) {
		for _, cp := range c.Ports {
			if cp.Name == sp.TargetPort.StrVal && cp.Protocol == sp.Protocol {
				return cp.ContainerPort, true
			}
		}
	}
	return 0, false
}

// PortContainers yields the containers whose ports a Service can name.
func PortContainers(spec *corev1.PodSpec) func(yield func(*corev1.Container) bool) {
	return func(yield func(*corev1.Container) bool) {
		for i := range spec.Containers {
			if !yield(&spec.Containers[i]) {
				return
			}
		}
		for i := range spec.InitContainers {
			if Sidecar(&spec.InitContainers[i]) && !yield(&spec.InitContainers[i]) {
				return
			}
		}
	}
}

// Sidecar: an init container that keeps running beside the others.
func Sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// DeclaredPorts lists the ports a Pod declares: "web 8080/TCP".
func DeclaredPorts(spec *corev1.PodSpec) []string {
	var ports []string
	for c := range PortContainers(spec) {
		for _, cp := range c.Ports {
			s := fmt.Sprintf("%d/%s", cp.ContainerPort, cp.Protocol)
			if cp.Name != "" {
				s = fmt.Sprintf("%q %s", cp.Name, s)
			}
			ports = append(ports, s)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// FindServicePort returns the Service port a caller means by a number or a
// name, nil if there is none.
func FindServicePort(s *corev1.Service, asked string) *corev1.ServicePort {
	asked, protocol, _ := strings.Cut(asked, "/")
	for i := range s.Spec.Ports {
		sp := &s.Spec.Ports[i]
		if protocol != "" && !strings.EqualFold(protocol, string(sp.Protocol)) {
			continue
		}
		if fmt.Sprint(sp.Port) == asked || sp.Name != "" && sp.Name == asked {
			return sp
		}
	}
	return nil
}
