package analyzer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/store"
)

// peer is one end of a connection as NetworkPolicies see it.
type peer struct {
	pod       *corev1.Pod // nil for an address outside the cluster
	namespace *corev1.Namespace
	ip        string
}

// client is the peer that --from names; nil if it names none that is known.
func (q *inquiry) client() *peer {
	if p := q.fromPod(); p != nil {
		return &peer{pod: p, namespace: get[corev1.Namespace](q, "", p.Namespace), ip: p.Status.PodIP}
	}
	if ip, family := canonicalIP(q.options.From); family != "" {
		return &peer{ip: ip}
	}
	return nil
}

// isolating lists the policies that select a Pod for a direction, by name.
// Every policy counts for Ingress unless its types leave it out.
func isolating(policies []*networkingv1.NetworkPolicy, p *corev1.Pod, direction networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	var found []*networkingv1.NetworkPolicy
	for _, np := range policies {
		types := np.Spec.PolicyTypes
		if len(types) == 0 {
			types = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(np.Spec.Egress) > 0 {
				types = append(types, networkingv1.PolicyTypeEgress)
			}
		}
		if slices.Contains(types, direction) && selectorMatches(&np.Spec.PodSelector, p.Labels) {
			found = append(found, np)
		}
	}
	return found
}

// selectorMatches reads a label selector; an empty one matches everything.
func selectorMatches(s *metav1.LabelSelector, have map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(have))
}

// admits reports whether a rule's peers include the other end; home is the
// policy's namespace. An empty list includes everybody.
func admits(peers []networkingv1.NetworkPolicyPeer, other *peer, home string) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			return inBlock(p.IPBlock, other.ip)
		}
		if other.pod == nil {
			return false
		}
		if p.NamespaceSelector == nil {
			if other.pod.Namespace != home {
				return false
			}
		} else if other.namespace == nil || !selectorMatches(p.NamespaceSelector, other.namespace.Labels) {
			return false
		}
		return p.PodSelector == nil || selectorMatches(p.PodSelector, other.pod.Labels)
	})
}

func inBlock(b *networkingv1.IPBlock, ip string) bool {
	return inCIDR(b.CIDR, ip) && !slices.ContainsFunc(b.Except, func(cidr string) bool { return inCIDR(cidr, ip) })
}

func inCIDR(cidr, ip string) bool {
	p, err := netip.ParsePrefix(cidr)
	addr, bad := netip.ParseAddr(ip)
	return err == nil && bad == nil && p.Contains(addr)
}

// opens reports whether a rule's ports include a port of a Pod. Policies see
// the Pod's port, not the Service's. An empty list includes all.
func opens(ports []networkingv1.NetworkPolicyPort, number int32, protocol corev1.Protocol, p *corev1.Pod) bool {
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

// policyView is what policies mean for one port of a Service.
type policyView struct {
	port     *corev1.ServicePort
	pod      *corev1.Pod
	number   int32
	policies []*networkingv1.NetworkPolicy // that isolate the Pod
	peers    bool                          // some rule admits the client, or anybody, on some port
	open     bool                          // some rule admits the client, or anybody, on this port
	everyone bool                          // some rule admits everybody on this port
}

// policyViews looks at each port on one Pod for each set of labels: Pods with
// the same labels are treated alike.
func (s *service) policyViews(policies []*networkingv1.NetworkPolicy, client *peer) []policyView {
	var views []policyView
	seen := map[string]bool{}
	for _, p := range s.pods {
		if key := pairs(p.Labels); terminal(p) || p.Spec.HostNetwork || seen[key] {
			continue
		} else {
			seen[key] = true
		}
		isolated := isolating(policies, p, networkingv1.PolicyTypeIngress)
		if len(isolated) == 0 {
			continue
		}
		for i := range s.svc.Spec.Ports {
			sp := &s.svc.Spec.Ports[i]
			number, ok := FindPort(p, sp)
			if !ok || !s.asked(sp) {
				continue
			}
			v := policyView{port: sp, pod: p, number: number, policies: isolated}
			for _, np := range isolated {
				for _, rule := range np.Spec.Ingress {
					if client != nil && !admits(rule.From, client, np.Namespace) {
						continue
					}
					v.peers = true
					if opens(rule.Ports, number, sp.Protocol, p) {
						v.open = true
						v.everyone = v.everyone || len(rule.From) == 0
					}
				}
			}
			views = append(views, v)
		}
		if len(seen) >= maxRows {
			break
		}
	}
	return views
}

// policyHints say what NetworkPolicies would do to the Service's traffic.
// Whether anything enforces them cannot be seen, so they stay hints.
func (s *service) policyHints() []*cause {
	policies := list[networkingv1.NetworkPolicy](s.q, store.Query{Namespace: s.svc.Namespace})
	client := s.q.client()
	var hints []*cause
	for _, v := range s.policyViews(policies, client) {
		if c := s.policyHint(&v, client); c != nil && !slices.ContainsFunc(hints, c.same) {
			hints = append(hints, c)
		}
	}
	return append(hints, s.clientEgress(client)...)
}

func (s *service) policyHint(v *policyView, client *peer) *cause {
	var names []string
	for _, np := range v.policies {
		names = append(names, np.Name)
	}
	port := fmt.Sprintf("%d/%s", v.number, v.port.Protocol)
	who := "anybody"
	if client != nil {
		who = s.q.options.From
	}
	c := s.cause("netpol-denies-ingress", nil)
	c.certainty, c.key = Possible, portLabel(v.port)
	switch {
	case v.open && (v.everyone || client != nil):
		return nil
	case v.open:
		c.variant = "restricts"
		c.says = clause("NetworkPolicy %s admits only some clients to port %s", enumerate(names, 3), port)
	case v.peers && s.wrongPort(v, client):
		c.id = "netpol-wrong-port"
		c.says = clause("NetworkPolicy %s allows port %s, but policies see the Pods' port, which is %s", enumerate(names, 3), s.allowedPorts(v, client), port)
	default:
		c.variant = "denies-all"
		if client != nil {
			c.variant = "denies-client"
		}
		c.says = clause("NetworkPolicy %s isolates the Pods and no rule admits %s to port %s", enumerate(names, 3), who, port)
	}
	for _, np := range v.policies[:min(len(v.policies), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(np, "/spec/ingress", quantity(len(np.Spec.Ingress), "rule")))
		if t := s.q.seen(np).Time; t.After(c.since) {
			c.since = t
		}
	}
	c.evidence = append(c.evidence, s.q.see(v.pod, "/metadata/labels", pairs(v.pod.Labels)))
	c.next = commands(command.Kubectl("describe", "networkpolicy", "-n", s.svc.Namespace))
	return c
}

// wrongPort: a rule lists the Service's port, or its node port, where the
// Pod's is meant.
func (s *service) wrongPort(v *policyView, client *peer) bool {
	return s.eachAllowed(v, client, func(p intstr.IntOrString) bool {
		return p.Type == intstr.Int && (p.IntVal == v.port.Port || p.IntVal == v.port.NodePort && p.IntVal != 0) ||
			p.Type == intstr.String && p.StrVal == v.port.Name && p.StrVal != ""
	})
}

func (s *service) allowedPorts(v *policyView, client *peer) string {
	var list []string
	s.eachAllowed(v, client, func(p intstr.IntOrString) bool {
		if !slices.Contains(list, p.String()) {
			list = append(list, p.String())
		}
		return false
	})
	return enumerate(list, 3)
}

// eachAllowed calls f with the ports that rules for the client list, until it
// returns true.
func (s *service) eachAllowed(v *policyView, client *peer, f func(intstr.IntOrString) bool) bool {
	for _, np := range v.policies {
		for _, rule := range np.Spec.Ingress {
			if client != nil && !admits(rule.From, client, np.Namespace) {
				continue
			}
			for _, p := range rule.Ports {
				if p.Port != nil && f(*p.Port) {
					return true
				}
			}
		}
	}
	return false
}

// clientEgress: policies keep the client from the Pods, or from asking DNS.
func (s *service) clientEgress(client *peer) []*cause {
	if client == nil || client.pod == nil {
		return nil
	}
	policies := isolating(list[networkingv1.NetworkPolicy](s.q, store.Query{Namespace: client.pod.Namespace}), client.pod, networkingv1.PolicyTypeEgress)
	if len(policies) == 0 {
		return nil
	}
	allowed := func(to *peer, number int32, protocol corev1.Protocol) bool {
		for _, np := range policies {
			for _, rule := range np.Spec.Egress {
				if (to == nil || admits(rule.To, to, np.Namespace)) && opens(rule.Ports, number, protocol, podOr(to)) {
					return true
				}
			}
		}
		return false
	}
	var names []string
	for _, np := range policies {
		names = append(names, np.Name)
	}
	slices.SortFunc(names, cmp.Compare[string])
	hint := func(variant, what string) *cause {
		c := s.cause("netpol-client-egress", clause("NetworkPolicy %s does not let %s reach %s", strings.Join(names, ", "), s.q.options.From, what))
		c.variant, c.certainty = variant, Possible
		for _, np := range policies[:min(len(policies), maxRows)] {
			c.evidence = append(c.evidence, s.q.see(np, "/spec/egress", quantity(len(np.Spec.Egress), "rule")))
		}
		return c
	}
	var hints []*cause
	if !allowed(nil, 53, corev1.ProtocolUDP) {
		hints = append(hints, hint("dns", "DNS (53/UDP)"))
	}
	for _, p := range s.pods {
		if terminal(p) {
			continue
		}
		to := &peer{pod: p, namespace: get[corev1.Namespace](s.q, "", p.Namespace), ip: p.Status.PodIP}
		for i := range s.svc.Spec.Ports {
			sp := &s.svc.Spec.Ports[i]
			if n, ok := FindPort(p, sp); ok && s.asked(sp) && !allowed(to, n, sp.Protocol) {
				return append(hints, hint("backend", fmt.Sprintf("port %d/%s of the Pods", n, sp.Protocol)))
			}
		}
		break
	}
	return hints
}

func podOr(p *peer) *corev1.Pod {
	if p == nil || p.pod == nil {
		return &corev1.Pod{}
	}
	return p.pod
}

// allowed says what NetworkPolicies mean for the Service's Pods, for the
// checklist.
func (s *service) allowed(a *answer) (result, evidence string) {
	k := kindOf[networkingv1.NetworkPolicy]()
	if !s.q.covered(k, s.svc.Namespace) {
		return unknown, "NetworkPolicies were not all recorded"
	}
	for _, h := range a.hints {
		if d := byID[h.id]; d == nil || !d.hasStep("C8") {
			continue
		}
		if h.variant == "restricts" {
			return unknown, "policies admit only some clients; ask with --from"
		}
		return no, h.says("it") + ", if policies are enforced"
	}
	if s.svc.Spec.Type == corev1.ServiceTypeExternalName || len(s.pods) == 0 {
		return notApplicable, ""
	}
	return yes, "no NetworkPolicy stands in the way"
}
