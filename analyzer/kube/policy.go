package kube

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// peer is one end of a connection as NetworkPolicies see it.
type Peer struct {
	Pod       *corev1.Pod // nil for an address outside the cluster
	Namespace *corev1.Namespace
	IP        string
}

// Isolating lists the policies that select a Pod for a direction, by name.
// Every policy counts for Ingress unless its types leave it out.
func Isolating(policies []*networkingv1.NetworkPolicy, p *corev1.Pod, direction networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	var found []*networkingv1.NetworkPolicy
	for _, np := range policies {
		types := np.Spec.PolicyTypes
		if len(types) == 0 {
			types = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(np.Spec.Egress) > 0 {
				types = append(types, networkingv1.PolicyTypeEgress)
			}
		}
		if slices.Contains(types, direction) && SelectorMatches(&np.Spec.PodSelector, p.Labels) {
			found = append(found, np)
		}
	}
	return found
}

// SelectorMatches reads a label selector; an empty one matches everything.
func SelectorMatches(s *metav1.LabelSelector, have map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(have))
}

// Admits reports whether a rule's peers include the other end; home is the
// policy's namespace. An empty list includes everybody.
func Admits(peers []networkingv1.NetworkPolicyPeer, other *Peer, home string) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			return inBlock(p.IPBlock, other.IP)
		}
		if other.Pod == nil {
			return false
		}
		if p.NamespaceSelector == nil {
			if other.Pod.Namespace != home {
				return false
			}
		} else if other.Namespace == nil || !SelectorMatches(p.NamespaceSelector, other.Namespace.Labels) {
			return false
		}
		return p.PodSelector == nil || SelectorMatches(p.PodSelector, other.Pod.Labels)
	})
}

func inBlock(b *networkingv1.IPBlock, ip string) bool {
	return InCIDR(b.CIDR, ip) && !slices.ContainsFunc(b.Except, func(cidr string) bool { return InCIDR(cidr, ip) })
}

// InCIDR reports whether a block holds an address; false if either cannot be read.
func InCIDR(cidr, ip string) bool {
	p, err := netip.ParsePrefix(cidr)
	addr, bad := netip.ParseAddr(ip)
	return err == nil && bad == nil && p.Contains(addr)
}

// Opens reports whether a rule's ports include a port of a Pod. Policies see
// the Pod's port, not the Service's. An empty list includes all.
func Opens(ports []networkingv1.NetworkPolicyPort, number int32, protocol corev1.Protocol, p *corev1.Pod) bool {
	if len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(np networkingv1.NetworkPolicyPort) bool {
		if np.Protocol != nil && *np.Protocol != protocol || np.Protocol == nil && protocol != corev1.ProtocolTCP {
			return false
		}
		switch {
		case np.Port == nil:
			return true
		case np.Port.Type == intstr.String:
			sp := &corev1.ServicePort{TargetPort: *np.Port, Protocol: protocol}
			n, ok := FindPort(p, sp)
			return ok && n == number
		case np.EndPort != nil:
			return np.Port.IntVal <= number && number <= *np.EndPort
		}
		return np.Port.IntVal == number
	})
}
