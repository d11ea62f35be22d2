package kube

import (
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Policy is what decides which endpoints kube-proxy uses for a Service port
// (K/pkg/proxy/serviceport.go).
type Policy struct {
	InternalLocal bool // internalTrafficPolicy: Local
	ExternalLocal bool // externalTrafficPolicy: Local
	External      bool // reachable by a node port, load balancer address or external IP
}

// PolicyOf returns the policy of a Service port in one family.
func PolicyOf(s *corev1.Service, sp *corev1.ServicePort, family corev1.IPFamily) Policy {
	p := Policy{
		InternalLocal: s.Spec.InternalTrafficPolicy != nil && *s.Spec.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyLocal,
		External:      sp.NodePort != 0,
	}
	external := slices.Clone(s.Spec.ExternalIPs)
	for _, in := range s.Status.LoadBalancer.Ingress {
		if in.IPMode == nil || *in.IPMode == corev1.LoadBalancerIPModeVIP {
			external = append(external, in.IP)
		}
	}
	for _, ip := range external {
		if _, f := CanonicalIP(ip); f == family {
			p.External = true
		}
	}
	p.ExternalLocal = ExternallyExposed(s) && s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	return p
}

// ExternallyExposed: the type opens the Service to the outside, or it has
// external IPs (K/pkg/api/v1/service/util.go, ExternallyAccessible).
func ExternallyExposed(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer || s.Spec.Type == corev1.ServiceTypeNodePort ||
		s.Spec.Type == corev1.ServiceTypeClusterIP && len(s.Spec.ExternalIPs) > 0
}

func (p Policy) usesCluster() bool { return !p.InternalLocal || p.External }

func (p Policy) usesLocal() bool { return p.InternalLocal || p.ExternalLocal && p.External }

// Routes are the backends kube-proxy on one node uses.
type Routes struct {
	Cluster []Backend // for Cluster traffic; nil if the policy has none
	Local   []Backend // for Local traffic; nil if the policy has none
	HasAny  bool      // something is usable somewhere in the cluster
}

// Route returns what kube-proxy on a node makes of the backends
// (K/pkg/proxy/topology.go, CategorizeEndpoints): ready endpoints, narrowed by
// topology hints for Cluster traffic; if none is ready, those that serve while
// Terminating, for Cluster and Local separately.
func Route(backends []Backend, p Policy, node, zone string) Routes {
	var r Routes
	if len(backends) == 0 {
		return r
	}
	if p.usesCluster() {
		near := hinted(backends, node, zone)
		r.Cluster = choose(backends, func(b *Backend) bool { return b.Ready && near(b) })
		if len(r.Cluster) == 0 {
			r.Cluster = choose(backends, servesTerminating)
		}
		r.HasAny = len(r.Cluster) > 0
	}
	if !p.usesLocal() {
		return r
	}
	r.HasAny = r.HasAny || slices.ContainsFunc(backends, func(b Backend) bool { return b.Usable() })
	local := func(b *Backend) bool { return node != "" && b.Node == node }
	r.Local = choose(backends, func(b *Backend) bool { return local(b) && b.Ready })
	if len(r.Local) == 0 {
		r.Local = choose(backends, func(b *Backend) bool { return local(b) && servesTerminating(b) })
	}
	return r
}

func servesTerminating(b *Backend) bool { return b.Serving && b.Terminating }

// hinted returns which ready backends topology hints leave for a node: those
// hinted for it if every ready one has a node hint and one is for this node,
// else the same by zone, else all.
func hinted(backends []Backend, node, zone string) func(*Backend) bool {
	byNode := func(b *Backend) []string { return b.NodeHints }
	byZone := func(b *Backend) []string { return b.ZoneHints }
	for _, try := range []struct {
		hints func(*Backend) []string
		here  string
	}{{byNode, node}, {byZone, zone}} {
		everyone, here := true, false
		for i := range backends {
			b := &backends[i]
			if !b.Ready {
				continue
			}
			everyone = everyone && len(try.hints(b)) > 0
			here = here || slices.Contains(try.hints(b), try.here)
		}
		if everyone && here {
			return func(b *Backend) bool { return slices.Contains(try.hints(b), try.here) }
		}
	}
	return func(*Backend) bool { return true }
}

func choose(backends []Backend, ok func(*Backend) bool) []Backend {
	var chosen []Backend
	for i := range backends {
		if ok(&backends[i]) {
			chosen = append(chosen, backends[i])
		}
	}
	return chosen
}

// Results of a class for one client (K/pkg/proxy/iptables/proxier.go,
// nftables/proxier.go: no endpoint anywhere is rejected, none of the wanted
// locality is dropped).
const (
	ResultOK        = "OK"
	ResultReject    = "REJECT"    // connection refused at once
	ResultDrop      = "DROP"      // timeout
	ResultBlackhole = "BLACKHOLE" // timeout: the addresses lead nowhere
	ResultNXDomain  = "NXDOMAIN"
	ResultPending   = "PENDING"
	ResultUnknown   = "UNKNOWN"
)

// outcome of traffic on a node under a traffic policy.
func (r *Routes) Outcome(local bool) (result string, chosen []Backend) {
	chosen = r.Cluster
	if local {
		chosen = r.Local
	}
	switch {
	case !r.HasAny:
		return ResultReject, nil
	case len(chosen) == 0:
		return ResultDrop, nil
	}
	return ResultOK, chosen
}

// Headless: DNS answers with the addresses of the Pods, nothing is proxied.
func Headless(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && s.Spec.ClusterIP == corev1.ClusterIPNone
}

// ProxyLabel makes kube-proxy leave a Service to another proxy.
const ProxyLabel = "service.kubernetes.io/service-proxy-name"

// Proxied: kube-proxy programs the Service.
func Proxied(s *corev1.Service) bool {
	_, other := s.Labels[ProxyLabel]
	return s.Spec.Type != corev1.ServiceTypeExternalName && !Headless(s) && !other && net.ParseIP(s.Spec.ClusterIP) != nil
}
