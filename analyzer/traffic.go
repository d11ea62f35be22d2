package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// portRoute is what kube-proxy makes of one port and family.
type portRoute struct {
	port     *corev1.ServicePort
	family   corev1.IPFamily
	backends []kube.Backend
	policy   kube.Policy
	inside   []nodeResult // what clients on the nodes get through the cluster IP
	outside  []nodeResult // what enters at the nodes from outside gets; nil if nothing can
}

// nodeResult is the result for clients on nodes that are all alike.
type nodeResult struct {
	result string
	nodes  []string // nil: all nodes there are
	live   int      // addresses that lead somewhere
}

func (r *portRoute) label() string {
	if r.port == nil {
		return string(r.family)
	}
	return phrase.PortLabel(r.port)
}

// traffic works out what clients of each class experience.
func (s *service) traffic(a *answer) {
	if !s.q.covered(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace) && !s.surelyReady() {
		a.classes = append(a.classes, ClassResult{"dns", kube.ResultOK, ""}, ClassResult{s.class(), kube.ResultUnknown, "EndpointSlices " + s.q.hole(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace)})
		return
	}
	if kube.Headless(s.svc) {
		s.headlessTraffic(a)
		return
	}
	a.classes = append(a.classes, ClassResult{"dns", kube.ResultOK, ""})
	nodes := s.clientNodes()
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if !s.asked(sp) {
			continue
		}
		for _, f := range kube.Families(s.svc) {
			r := portRoute{port: sp, family: f, backends: kube.Backends(sp, f, s.slices), policy: kube.PolicyOf(s.svc, sp, f)}
			s.routeNodes(&r, nodes)
			s.routes = append(s.routes, r)
		}
	}
	if !kube.Proxied(s.svc) {
		a.classes = append(a.classes, ClassResult{"cluster", "NOT_PROXIED", "kube-proxy leaves this Service to another proxy"})
		return
	}
	a.classes = append(a.classes, s.summary("cluster", func(r *portRoute) []nodeResult { return r.inside }))
	if s.svc.Spec.Type == corev1.ServiceTypeNodePort || s.svc.Spec.Type == corev1.ServiceTypeLoadBalancer && slices.ContainsFunc(s.svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.NodePort != 0 }) {
		a.classes = append(a.classes, s.summary("nodeport", func(r *portRoute) []nodeResult { return r.outside }))
	}
	if lb, ok := s.loadBalancerClass(); ok {
		a.classes = append(a.classes, lb)
	}
}

// surelyReady reports whether a known slice is up to date and has a ready
// endpoint. Then the Service has one, whatever other slices there are.
func (s *service) surelyReady() bool {
	if !s.q.proof(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace).status.ContentCurrent() {
		return false
	}
	ready, _ := s.usable()
	return ready > 0
}

// class is the class by which clients inside the cluster reach the Service.
func (s *service) class() string {
	if kube.Headless(s.svc) {
		return "headless"
	}
	return "cluster"
}

// clientNodes are the nodes whose clients are asked about: that of --from, or
// all. Those that no rule tells apart are asked about once.
func (s *service) clientNodes() []*corev1.Node {
	if n := s.q.fromNode(); n != nil {
		return []*corev1.Node{n}
	}
	if !s.local() && !s.hinted() {
		return nil
	}
	var nodes []*corev1.Node
	for _, n := range s.q.allNodes() {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes
}

// local: where the client is decides what it gets.
func (s *service) local() bool {
	return len(s.svc.Spec.Ports) > 0 && func(p kube.Policy) bool { return p.InternalLocal || p.ExternalLocal }(kube.PolicyOf(s.svc, &s.svc.Spec.Ports[0], corev1.IPv4Protocol))
}

func (s *service) hinted() bool {
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			if sl.Endpoints[i].Hints != nil {
				return true
			}
		}
	}
	return false
}

// routeNodes fills in the results of a port for the nodes; without nodes for
// one that stands for all. Nodes that host the same of its endpoints and lie
// in the same zone get the same, so each such set is routed once.
func (s *service) routeNodes(r *portRoute, nodes []*corev1.Node) {
	if len(nodes) == 0 {
		s.routeNode(r, "", "", nil)
		return
	}
	special := map[string]bool{}
	for _, b := range r.backends {
		special[b.Node] = true
		for _, n := range b.NodeHints {
			special[n] = true
		}
	}
	type place struct{ node, zone string }
	alike := map[place][]string{}
	var order []place
	for _, n := range nodes {
		at := place{zone: n.Labels[corev1.LabelTopologyZone]}
		if special[n.Name] {
			at.node = n.Name
		}
		if alike[at] == nil {
			order = append(order, at)
		}
		alike[at] = append(alike[at], n.Name)
	}
	for _, at := range order {
		s.routeNode(r, at.node, at.zone, alike[at])
	}
}

func (s *service) routeNode(r *portRoute, node, zone string, nodes []string) {
	routes := kube.Route(r.backends, r.policy, node, zone)
	r.inside = append(r.inside, s.result(&routes, r.policy.InternalLocal, nodes))
	if r.policy.External || r.policy.ExternalLocal {
		r.outside = append(r.outside, s.result(&routes, r.policy.ExternalLocal, nodes))
	}
}

// result of traffic, with what kube-proxy cannot know: addresses behind which
// no Pod is left.
func (s *service) result(routes *kube.Routes, local bool, nodes []string) nodeResult {
	result, chosen := routes.Outcome(local)
	n := nodeResult{result: result, nodes: nodes}
	for i := range chosen {
		if b := &chosen[i]; b.Pod == nil || !s.dead(b.Pod, b.IP) && !s.hasEnded(b.Pod) {
			n.live++
		}
	}
	if result == kube.ResultOK && n.live == 0 {
		n.result = kube.ResultBlackhole
	}
	return n
}

// dead: the endpoint's Pod is gone or has lost the address. Where a controller
// keeps the slices they follow the Pods with a delay, so it counts only after
// that.
func (s *service) dead(ref *corev1.ObjectReference, ip string) bool {
	late := func(since time.Time) bool {
		return !kube.Selectable(s.svc) || !s.q.within(since, sliceGrace) || s.writesRefused(since) != nil
	}
	if !s.q.covered(kindOf[corev1.Pod](), s.svc.Namespace) {
		// That it is not known proves nothing; that it was deleted does.
		if s.podBehind(ref) != nil || !s.q.proof(kindOf[corev1.Pod](), s.svc.Namespace).status.ContentCurrent() {
			return false
		}
		o, _ := s.lastPod(ref)
		return o != nil && o.Type == watch.Deleted && late(o.Time)
	}
	if p := s.podBehind(ref); p != nil {
		lost := len(p.Status.PodIPs) > 0 && !slices.ContainsFunc(p.Status.PodIPs, func(i corev1.PodIP) bool { c, _ := kube.CanonicalIP(i.IP); return c == ip })
		return lost && late(s.q.writtenAt(p))
	}
	if o, _ := s.lastPod(ref); o != nil {
		return late(o.Time)
	}
	return s.longGone(ref, late)
}

// hasEnded: the Pod was deleted, and its containers have ended: nothing answers
// at its address, whatever slices say until they follow.
func (s *service) hasEnded(ref *corev1.ObjectReference) bool {
	return slices.ContainsFunc(s.ended, func(p *corev1.Pod) bool { return p.UID == ref.UID })
}

// podBehind returns the Pod an endpoint names, nil if it is not there.
func (s *service) podBehind(ref *corev1.ObjectReference) *corev1.Pod {
	if p := s.byUID[ref.UID]; p != nil {
		return p
	}
	if p := get[corev1.Pod](s.q, s.svc.Namespace, ref.Name); p != nil && p.UID == ref.UID {
		return p
	}
	return nil
}

// gone is dead, for an endpoint as it stands in a slice.
func (s *service) gone(e *discoveryv1.Endpoint) bool {
	if kube.PodOf(e) == "" || len(e.Addresses) == 0 {
		return false
	}
	if p := s.byUID[kube.PodOf(e)]; p != nil && p.Status.PodIP == e.Addresses[0] {
		return false // as it is nearly always
	}
	ip, _ := kube.CanonicalIP(e.Addresses[0])
	return s.dead(e.TargetRef, ip)
}

// usable counts the addresses that clients inside the cluster can be sent to,
// over all ports: ready ones, and if none is, those that serve while they
// terminate.
func (s *service) usable() (ready, terminating int) {
	if s.counted == nil {
		ready, terminating := s.countUsable()
		s.counted = &tally{ready: ready, terminating: terminating}
	}
	return s.counted.ready, s.counted.terminating
}

func (s *service) countUsable() (ready, terminating int) {
	state := map[string]bool{} // address or Pod -> ready
	note := func(e *discoveryv1.Endpoint) {
		if !kube.EndpointUsable(e) || s.gone(e) || len(e.Addresses) == 0 || e.TargetRef != nil && s.hasEnded(e.TargetRef) {
			return
		}
		key := string(kube.PodOf(e))
		if key == "" {
			key = e.Addresses[0]
		}
		state[key] = state[key] || kube.EndpointReady(e)
	}
	for _, sl := range s.slices {
		if !s.counts(sl) {
			continue
		}
		for i := range sl.Endpoints {
			note(&sl.Endpoints[i])
		}
	}
	for _, r := range state {
		if r {
			ready++
		} else {
			terminating++
		}
	}
	return ready, terminating
}

// counts: what is in the slice is reachable by clients in the cluster, on some
// port.
func (s *service) counts(sl *discoveryv1.EndpointSlice) bool {
	if kube.Headless(s.svc) {
		return true
	}
	if !kube.ProxyVisible(sl) || !slices.Contains(kube.Families(s.svc), corev1.IPFamily(sl.AddressType)) {
		return false
	}
	return slices.ContainsFunc(s.svc.Spec.Ports, func(sp corev1.ServicePort) bool { return hasPort(sl, &sp) })
}

// headlessTraffic: DNS answers with the ready addresses, and does not fall
// back to terminating ones.
func (s *service) headlessTraffic(a *answer) {
	n := 0
	seen := map[types.UID]bool{}
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			if e := &sl.Endpoints[i]; kube.EndpointReady(e) && !seen[kube.PodOf(e)] {
				seen[kube.PodOf(e)] = kube.PodOf(e) != ""
				n++
			}
		}
	}
	if n == 0 {
		a.classes = append(a.classes, ClassResult{"headless", kube.ResultNXDomain, "no ready address"})
		return
	}
	a.classes = append(a.classes, ClassResult{"headless", kube.ResultOK, phrase.Quantity(n, "address")})
}

// summary is the result of a class over all ports and nodes: the worst one,
// with what gets what if they differ.
func (s *service) summary(class string, of func(*portRoute) []nodeResult) ClassResult {
	worst := ClassResult{Class: class, Result: kube.ResultOK}
	live, broken, total := -1, 0, 0
	var details []string
	for i := range s.routes {
		r := &s.routes[i]
		for _, n := range of(r) {
			total++
			if n.result == kube.ResultOK {
				live = max(live, n.live)
				continue
			}
			broken++
			if resultRank(n.result) > resultRank(worst.Result) {
				worst.Result = n.result
			}
			where := "port " + r.label()
			if len(kube.Families(s.svc)) > 1 {
				where += " " + string(r.family)
			}
			if n.nodes != nil {
				where += " on " + phrase.Enumerate(n.nodes, 3)
			}
			details = append(details, where+" "+n.result)
		}
	}
	switch {
	case total == 0:
		worst.Result, worst.Detail = kube.ResultUnknown, "the Service has no ports"
	case broken == 0:
		worst.Detail = phrase.Quantity(live, "endpoint")
	case broken < total:
		worst.Detail = strings.Join(details[:min(len(details), 6)], "; ") + fmt.Sprintf("; the rest OK (%s)", phrase.Quantity(live, "endpoint"))
	}
	return worst
}

func resultRank(result string) int {
	return slices.Index([]string{kube.ResultOK, kube.ResultBlackhole, kube.ResultDrop, kube.ResultReject}, result)
}

// inside tells whether all, some or none of the ways through the cluster IP
// work.
func (s *service) inside() (works, fails bool) {
	for _, r := range s.routes {
		for _, n := range r.inside {
			if n.result == kube.ResultOK {
				works = true
			} else {
				fails = true
			}
		}
	}
	return works, fails
}

// fromNode is the node of the client that --from names, nil if it names none
// that is known.
func (q *inquiry) fromNode() *corev1.Node {
	kind, name, _ := strings.Cut(q.options.From, "/")
	switch kind {
	case "node":
		return q.node(name)
	case "pod":
		if p := q.fromPod(); p != nil {
			return q.node(p.Spec.NodeName)
		}
	}
	return nil
}

// fromPod is the client Pod that --from names: pod/NAMESPACE/NAME, or pod/NAME
// if one Pod only has that name.
func (q *inquiry) fromPod() *corev1.Pod {
	parts := strings.Split(q.options.From, "/")
	switch {
	case len(parts) == 3 && parts[0] == "pod":
		return get[corev1.Pod](q, parts[1], parts[2])
	case len(parts) == 2 && parts[0] == "pod":
		if found := list[corev1.Pod](q, store.Query{Name: parts[1]}); len(found) == 1 {
			return found[0]
		}
	}
	return nil
}
