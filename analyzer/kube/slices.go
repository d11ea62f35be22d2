package kube

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SliceController is who manages the slices of Services with a selector.
const SliceController = "endpointslice-controller.k8s.io"

// MirrorController copies Endpoints made by hand into slices.
const MirrorController = "endpointslicemirroring-controller.k8s.io"

func ManagedBy(sl *discoveryv1.EndpointSlice) string { return sl.Labels[discoveryv1.LabelManagedBy] }

// Own: the controller wrote the slice for this very Service, not for an
// earlier one of the same name.
func Own(s *corev1.Service, sl *discoveryv1.EndpointSlice) bool {
	return ManagedBy(sl) == SliceController && slices.ContainsFunc(sl.OwnerReferences, func(r metav1.OwnerReference) bool {
		return r.Kind == "Service" && r.UID == s.UID
	})
}

// Nil conditions: K/pkg/proxy/endpointslicecache.go, addEndpoints.
func EndpointReady(e *discoveryv1.Endpoint) bool {
	return e.Conditions.Ready == nil || *e.Conditions.Ready
}

func EndpointServing(e *discoveryv1.Endpoint) bool {
	return e.Conditions.Serving == nil || *e.Conditions.Serving
}

func EndpointTerminating(e *discoveryv1.Endpoint) bool {
	return e.Conditions.Terminating != nil && *e.Conditions.Terminating
}

// EndpointUsable: kube-proxy sends to it, if need be while it terminates (KEP-1669).
func EndpointUsable(e *discoveryv1.Endpoint) bool {
	return EndpointReady(e) || EndpointServing(e) && EndpointTerminating(e)
}

// PodOf returns the UID of the Pod behind an endpoint, "" if none is named.
func PodOf(e *discoveryv1.Endpoint) types.UID {
	if e.TargetRef == nil || e.TargetRef.Kind != "Pod" {
		return ""
	}
	return e.TargetRef.UID
}

// ProxyVisible: kube-proxy watches the slice (K/cmd/kube-proxy/app/server.go:
// it filters out headless slices) and understands its addresses.
func ProxyVisible(sl *discoveryv1.EndpointSlice) bool {
	_, headless := sl.Labels[corev1.IsHeadlessService]
	return !headless && (sl.AddressType == discoveryv1.AddressTypeIPv4 || sl.AddressType == discoveryv1.AddressTypeIPv6)
}

// Backend is an address to which kube-proxy may send what arrives at one port
// of a Service.
type Backend struct {
	IP                          string
	Port                        int32
	Ready, Serving, Terminating bool
	Node, Zone                  string
	ZoneHints, NodeHints        []string
	Pod                         *corev1.ObjectReference // nil if the endpoint names none

	slice *discoveryv1.EndpointSlice
}

func (b *Backend) Usable() bool { return b.Ready || b.Serving && b.Terminating }

// Backends returns what kube-proxy knows for a Service port and family, sorted
// by address. The rules are those of K/pkg/proxy/endpointslicecache.go: every
// slice with the Service's label counts, whoever manages it; the slice port
// must carry the Service port's name and protocol, and a number; only the
// first address of an endpoint is used; of two endpoints with one address the
// one that is not terminating stays.
func Backends(sp *corev1.ServicePort, family corev1.IPFamily, all []*discoveryv1.EndpointSlice) []Backend {
	var backends []Backend
	type address struct {
		ip   string
		port int32
	}
	seen := map[address]int{}
	for _, sl := range all {
		if !ProxyVisible(sl) || string(sl.AddressType) != string(family) {
			continue
		}
		for _, port := range sl.Ports {
			if !ServesPort(&port, sp) {
				continue
			}
			for i := range sl.Endpoints {
				e := &sl.Endpoints[i]
				if len(e.Addresses) == 0 {
					continue
				}
				b := backend(e, *port.Port, sl)
				key := address{b.IP, b.Port}
				if at, ok := seen[key]; !ok {
					seen[key] = len(backends)
					backends = append(backends, b)
				} else if !b.Terminating {
					backends[at] = b
				}
			}
		}
	}
	slices.SortStableFunc(backends, func(a, b Backend) int {
		return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.Port, b.Port))
	})
	return backends
}

// ServesPort: the slice port is the Service port, and can be used.
func ServesPort(port *discoveryv1.EndpointPort, sp *corev1.ServicePort) bool {
	return port.Name != nil && *port.Name == sp.Name && port.Port != nil && *port.Port != 0 &&
		(port.Protocol == nil || *port.Protocol == sp.Protocol)
}

func backend(e *discoveryv1.Endpoint, port int32, sl *discoveryv1.EndpointSlice) Backend {
	ip, _ := CanonicalIP(e.Addresses[0])
	b := Backend{
		IP: ip, Port: port,
		Ready: EndpointReady(e), Serving: EndpointServing(e), Terminating: EndpointTerminating(e),
		slice: sl,
	}
	if e.NodeName != nil {
		b.Node = *e.NodeName
	}
	if e.Zone != nil {
		b.Zone = *e.Zone
	}
	if e.Hints != nil {
		for _, z := range e.Hints.ForZones {
			b.ZoneHints = append(b.ZoneHints, z.Name)
		}
		for _, n := range e.Hints.ForNodes {
			b.NodeHints = append(b.NodeHints, n.Name)
		}
	}
	if PodOf(e) != "" {
		b.Pod = e.TargetRef
	}
	return b
}

// Families are the address families the controller writes slices for
// (k8s.io/endpointslice/utils.go, getAddressTypesForService): those of the
// Service, else that of its cluster IP, else both.
func Families(s *corev1.Service) []corev1.IPFamily {
	if len(s.Spec.IPFamilies) > 0 {
		return s.Spec.IPFamilies
	}
	if _, family := CanonicalIP(s.Spec.ClusterIP); family != "" {
		return []corev1.IPFamily{family}
	}
	return []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
}

// ExpectedEndpoint is an endpoint the controller should have written.
type ExpectedEndpoint struct {
	Pod                         *corev1.Pod
	Family                      corev1.IPFamily
	Addresses                   []string
	Ready, Serving, Terminating bool
	Ports                       map[string]int32 // Service port name -> number; unresolved ports are left out
}

// Expected returns what the EndpointSlice controller makes of the selected Pods
// (k8s.io/endpointslice/reconciler.go, utils.go), in the order of the Pods and
// Families. A Pod on a Node that does not exist is left out, unless the
// Service publishes addresses that are not ready.
func Expected(s *corev1.Service, pods []*corev1.Pod, nodeExists func(string) bool) []ExpectedEndpoint {
	var endpoints []ExpectedEndpoint
	for _, p := range pods {
		if !Listable(p) || !s.Spec.PublishNotReadyAddresses && !nodeExists(p.Spec.NodeName) {
			continue
		}
		ports := map[string]int32{}
		for i := range s.Spec.Ports {
			if port, ok := FindPort(p, &s.Spec.Ports[i]); ok {
				ports[s.Spec.Ports[i].Name] = port
			}
		}
		for _, f := range Families(s) {
			ips := PodIPs(p, f)
			if len(ips) == 0 {
				continue
			}
			endpoints = append(endpoints, ExpectedEndpoint{
				Pod: p, Family: f, Addresses: ips, Ports: ports,
				Ready:       s.Spec.PublishNotReadyAddresses || Ready(p) && !Terminating(p),
				Serving:     Ready(p),
				Terminating: Terminating(p),
			})
		}
	}
	return endpoints
}
