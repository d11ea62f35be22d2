package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/store"
)

// client is the peer that --from names; nil if it names none that is known.
func (q *inquiry) client() *kube.Peer {
	if p := q.fromPod(); p != nil {
		return &kube.Peer{Pod: p, Namespace: get[corev1.Namespace](q, "", p.Namespace), IP: p.Status.PodIP}
	}
	if ip, family := kube.CanonicalIP(q.options.From); family != "" {
		return &kube.Peer{IP: ip}
	}
	return nil
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
func (s *service) policyViews(policies []*networkingv1.NetworkPolicy, client *kube.Peer) []policyView {
	var views []policyView
	seen := map[string]bool{}
	for _, p := range s.pods {
		if key := phrase.Pairs(p.Labels); kube.Terminal(p) || p.Spec.HostNetwork || seen[key] {
			continue
		} else {
			seen[key] = true
		}
		isolated := kube.Isolating(policies, p, networkingv1.PolicyTypeIngress)
		if len(isolated) == 0 {
			continue
		}
		for i := range s.svc.Spec.Ports {
			sp := &s.svc.Spec.Ports[i]
			number, ok := kube.FindPort(p, sp)
			if !ok || !s.asked(sp) {
				continue
			}
			v := policyView{port: sp, pod: p, number: number, policies: isolated}
			for _, np := range isolated {
				for _, rule := range np.Spec.Ingress {
					if client != nil && !kube.Admits(rule.From, client, np.Namespace) {
						continue
					}
					v.peers = true
					if kube.Opens(rule.Ports, number, sp.Protocol, p) {
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

func (s *service) policyHint(v *policyView, client *kube.Peer) *cause {
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
	c.certainty, c.key = Possible, phrase.PortLabel(v.port)
	switch {
	case v.open && (v.everyone || client != nil):
		return nil
	case v.open:
		c.variant = "restricts"
		c.says = clause("NetworkPolicy %s admits only some clients to port %s", phrase.Enumerate(names, 3), port)
	case v.peers && s.wrongPort(v, client):
		c.id = "netpol-wrong-port"
		c.says = clause("NetworkPolicy %s allows port %s, but policies see the Pods' port, which is %s", phrase.Enumerate(names, 3), s.allowedPorts(v, client), port)
	default:
		c.variant = "denies-all"
		if client != nil {
			c.variant = "denies-client"
		}
		c.says = clause("NetworkPolicy %s isolates the Pods and no rule admits %s to port %s", phrase.Enumerate(names, 3), who, port)
	}
	for _, np := range v.policies[:min(len(v.policies), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(np, "/spec/ingress", phrase.Quantity(len(np.Spec.Ingress), "rule")))
		if t := s.q.seen(np).Time; t.After(c.since) {
			c.since = t
		}
	}
	c.evidence = append(c.evidence, s.q.see(v.pod, "/metadata/labels", phrase.Pairs(v.pod.Labels)))
	c.next = commands(command.Kubectl("describe", "networkpolicy", "-n", s.svc.Namespace))
	return c
}

// wrongPort: a rule lists the Service's port, or its node port, where the
// Pod's is meant.
func (s *service) wrongPort(v *policyView, client *kube.Peer) bool {
	return s.eachAllowed(v, client, func(p intstr.IntOrString) bool {
		return p.Type == intstr.Int && (p.IntVal == v.port.Port || p.IntVal == v.port.NodePort && p.IntVal != 0) ||
			p.Type == intstr.String && p.StrVal == v.port.Name && p.StrVal != ""
	})
}

func (s *service) allowedPorts(v *policyView, client *kube.Peer) string {
	var list []string
	s.eachAllowed(v, client, func(p intstr.IntOrString) bool {
		if !slices.Contains(list, p.String()) {
			list = append(list, p.String())
		}
		return false
	})
	return phrase.Enumerate(list, 3)
}

// eachAllowed calls f with the ports that rules for the client list, until it
// returns true.
func (s *service) eachAllowed(v *policyView, client *kube.Peer, f func(intstr.IntOrString) bool) bool {
	for _, np := range v.policies {
		for _, rule := range np.Spec.Ingress {
			if client != nil && !kube.Admits(rule.From, client, np.Namespace) {
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
func (s *service) clientEgress(client *kube.Peer) []*cause {
	if client == nil || client.Pod == nil {
		return nil
	}
	policies := kube.Isolating(list[networkingv1.NetworkPolicy](s.q, store.Query{Namespace: client.Pod.Namespace}), client.Pod, networkingv1.PolicyTypeEgress)
	if len(policies) == 0 {
		return nil
	}
	allowed := func(to *kube.Peer, number int32, protocol corev1.Protocol) bool {
		for _, np := range policies {
			for _, rule := range np.Spec.Egress {
				if (to == nil || kube.Admits(rule.To, to, np.Namespace)) && kube.Opens(rule.Ports, number, protocol, podOr(to)) {
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
			c.evidence = append(c.evidence, s.q.see(np, "/spec/egress", phrase.Quantity(len(np.Spec.Egress), "rule")))
		}
		return c
	}
	var hints []*cause
	if !allowed(nil, 53, corev1.ProtocolUDP) {
		hints = append(hints, hint("dns", "DNS (53/UDP)"))
	}
	for _, p := range s.pods {
		if kube.Terminal(p) {
			continue
		}
		to := &kube.Peer{Pod: p, Namespace: get[corev1.Namespace](s.q, "", p.Namespace), IP: p.Status.PodIP}
		for i := range s.svc.Spec.Ports {
			sp := &s.svc.Spec.Ports[i]
			if n, ok := kube.FindPort(p, sp); ok && s.asked(sp) && !allowed(to, n, sp.Protocol) {
				return append(hints, hint("backend", fmt.Sprintf("port %d/%s of the Pods", n, sp.Protocol)))
			}
		}
		break
	}
	return hints
}

func podOr(p *kube.Peer) *corev1.Pod {
	if p == nil || p.Pod == nil {
		return &corev1.Pod{}
	}
	return p.Pod
}

// allowed says what NetworkPolicies mean for the Service's Pods, for the
// checklist.
func (s *service) allowed(a *answer) (result, evidence string) {
	k := kindOf[networkingv1.NetworkPolicy]()
	if !s.q.covered(k, s.svc.Namespace) {
		return unknown, "NetworkPolicies were not all recorded"
	}
	for _, h := range a.hints {
		if d := registry.Known(h.id); d == nil || !d.HasStep("C8") {
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
