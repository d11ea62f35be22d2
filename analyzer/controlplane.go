package analyzer

import (
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/store"
)

// leaseGrace is how long beyond its duration a Lease may go without renewal.
const leaseGrace = 15 * time.Second

// stalled returns the cause if a component of the control plane has stopped
// renewing its Lease. A cluster may run it without one: no Lease, no claim.
func (q *inquiry) stalled(component string) *cause {
	l := get[coordinationv1.Lease](q, "kube-system", component)
	if l == nil || l.Spec.RenewTime == nil || l.Spec.LeaseDurationSeconds == nil {
		return nil
	}
	renewed := l.Spec.RenewTime.Time
	if q.within(renewed, time.Duration(*l.Spec.LeaseDurationSeconds)*time.Second+leaseGrace) {
		return nil
	}
	return &cause{
		id: "control-plane-stalled", subject: q.subject(l), key: component, certainty: Certain, since: renewed,
		says:     clause("%s stopped renewing its lease, so nothing is updated", component),
		evidence: []Evidence{q.see(l, "/spec/renewTime", renewed.UTC().Format(time.RFC3339))},
		next:     commands(leaseOf(component)),
	}
}

// controllersStalled is stalled for what writes EndpointSlices.
func (s *service) controllersStalled() *cause { return s.q.stalled("kube-controller-manager") }

// dnsServices are where distributions put cluster DNS.
var dnsServices = [][2]string{{"kube-system", "kube-dns"}, {"kube-system", "coredns"}, {"kube-system", "rke2-coredns-rke2-coredns"}, {"openshift-dns", "dns-default"}}

// dnsService returns the Service of cluster DNS, nil if none is known.
func (q *inquiry) dnsService() *corev1.Service {
	q.covered(kindOf[corev1.Service](), "kube-system")
	for _, at := range dnsServices {
		if q.view.Get(store.Ref{Resource: kindOf[corev1.Service]().resource, Namespace: at[0], Name: at[1]}) != nil {
			return get[corev1.Service](q, at[0], at[1])
		}
	}
	return nil
}

// dns says whether cluster DNS works, as far as its Service tells.
func (q *inquiry) dns() (result, evidence string) {
	svc := q.dnsService()
	if svc == nil {
		return unknown, "no DNS Service is recorded; the name exists if cluster DNS works"
	}
	name := svc.Namespace + "/" + svc.Name
	a := q.serviceAnswer(svc.Namespace, svc.Name)
	switch {
	case a == nil:
		return yes, "this is cluster DNS itself"
	case a.state == NotServing:
		return no, fmt.Sprintf("cluster DNS (Service %s) does not serve", name)
	case a.state == Unknown:
		return unknown, fmt.Sprintf("the state of cluster DNS (Service %s) cannot be known", name)
	}
	return yes, fmt.Sprintf("cluster DNS (Service %s) serves", name)
}

func (s *service) proxyPods() []*corev1.Pod {
	return list[corev1.Pod](s.q, store.Query{Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-proxy"}})
}

// proxyDown lists the ready nodes that have kube-proxy Pods by rights and no
// ready one. Other dataplanes have no such Pods: then nothing is known.
func (s *service) proxyDown() (down []string, known bool) {
	pods := s.proxyPods()
	if len(pods) == 0 {
		return nil, false
	}
	up := map[string]bool{}
	for _, p := range pods {
		up[p.Spec.NodeName] = up[p.Spec.NodeName] || ready(p) || s.q.within((&podCase{q: s.q, pod: p}).changed(), controllerGrace)
	}
	for name, n := range s.q.allNodes() {
		if nodeReady(n) && !up[name] {
			down = append(down, name)
		}
	}
	slices.Sort(down)
	return down, true
}

// proxyWorks says whether kube-proxy runs on every node that is ready.
func (s *service) proxyWorks(*answer) (result, evidence string) {
	if !proxied(s.svc) {
		return notApplicable, ""
	}
	down, known := s.proxyDown()
	switch {
	case !known:
		return unknown, "no kube-proxy Pods are recorded; slices are programmed if a proxy runs"
	case len(down) > 0:
		return no, "no ready kube-proxy on " + enumerate(down, 3)
	}
	return yes, "a ready kube-proxy on every ready node"
}

// proxyMissing: some nodes go on with the rules they had.
func (s *service) proxyMissing() []*cause {
	if !proxied(s.svc) {
		return nil
	}
	down, _ := s.proxyDown()
	if len(down) == 0 {
		return nil
	}
	text := fmt.Sprintf("no ready kube-proxy on %s: what runs there keeps the rules it had", enumerate(down, 3))
	c := s.cause("kube-proxy-missing", nil, s.q.see(s.q.node(down[0]), conditionPath(corev1.NodeReady)+"/status", "True"))
	for _, p := range s.proxyPods() {
		if p.Spec.NodeName != down[0] {
			continue
		}
		since := (&podCase{q: s.q, pod: p}).changed()
		c.since = since
		c.evidence = append(c.evidence, s.q.see(p, conditionPath(corev1.PodReady)+"/status", "False"))
		if at := s.lastSliceChange(); at.After(since) {
			text += fmt.Sprintf(", and the endpoints changed since then, at %s", clock(at, s.q.now))
		}
		break
	}
	c.says = clause("%s", text)
	c.next = commands(command.Kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "wide"))
	return []*cause{c}
}
