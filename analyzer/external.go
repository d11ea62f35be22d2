package analyzer

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

// ways are the ways in that are broken while the Service works: from outside,
// and from some of the nodes.
func (s *service) ways() []unit {
	var units []unit
	if c := s.pendingLoadBalancer(); c != nil {
		units = append(units, unit{kind: externalUnit, count: 1, cause: c})
	}
	for _, gap := range []struct {
		id, policy string
		kind       unitKind
		results    func(*portRoute) []nodeResult
	}{
		{"itp-local-gaps", "internalTrafficPolicy", nodeUnit, func(r *portRoute) []nodeResult { return r.inside }},
		{"etp-local-gaps", "externalTrafficPolicy", externalUnit, func(r *portRoute) []nodeResult { return r.outside }},
	} {
		dropped, all := s.dropped(gap.results)
		if len(dropped) == 0 {
			continue
		}
		c := s.cause(gap.id, clause("%s is Local and no endpoint runs on %s, so clients there get timeouts", gap.policy, phrase.Enumerate(dropped, 4)),
			s.q.see(s.svc, "/spec/"+gap.policy, "Local"))
		if gap.id == "etp-local-gaps" {
			c.says = clause("%s is Local and no endpoint runs on %s, so what enters there from outside is dropped", gap.policy, phrase.Enumerate(dropped, 4))
			// A load balancer's health check finds the nodes without endpoints.
			c.grace = s.svc.Spec.Type == corev1.ServiceTypeLoadBalancer && !all
		}
		for _, sl := range s.slices[:min(len(s.slices), maxRows-1)] {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints/nodeName", strings.Join(phrase.SliceNodes(sl), ",")))
		}
		c.next = commands(command.Kubectl("get", "pods", "-n", s.svc.Namespace, "-l", phrase.Pairs(s.svc.Spec.Selector), "-o", "wide"))
		s.madeLocal(c, gap.policy)
		units = append(units, unit{kind: gap.kind, count: len(dropped), cause: c})
	}
	return units
}

// madeLocal adds to the gaps of a traffic policy that it was another before, who
// changed it, and how to change it back.
func (s *service) madeLocal(c *cause, policy string) {
	value := func(svc *corev1.Service) string {
		if policy == "externalTrafficPolicy" {
			return string(svc.Spec.ExternalTrafficPolicy)
		}
		if svc.Spec.InternalTrafficPolicy != nil {
			return string(*svc.Spec.InternalTrafficPolicy)
		}
		return string(corev1.ServiceInternalTrafficPolicyCluster)
	}
	changed := s.q.seen(s.svc)
	s.localSince(c, policy)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID {
			return
		}
		was := value(old)
		if was == value(s.svc) || was == "" {
			changed = o
			continue
		}
		by := ""
		if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:"+policy); w != nil {
			by = " by " + w.String()
		}
		says := c.says
		c.says = func(who string) string {
			return fmt.Sprintf("%s (it was %s until %s, changed%s)", says(who), was, phrase.Clock(changed.Time, s.q.now), by)
		}
		c.evidence[0].Old = was
		at := changed.Time
		c.since, c.onset = at, func() (time.Time, string) { return at, "" }
		c.next = append(commands(s.kubectl("patch").Add("-p", fmt.Sprintf(`{"spec":{%q:%q}}`, policy, was))), c.next...)
		return
	}
}

// dropped lists the nodes whose clients get nothing for want of a local
// endpoint, and whether that is all nodes.
func (s *service) dropped(results func(*portRoute) []nodeResult) (names []string, all bool) {
	all = true
	for i := range s.routes {
		for _, r := range results(&s.routes[i]) {
			if r.result != kube.ResultDrop {
				all = false
				continue
			}
			for _, n := range r.nodes {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
	}
	slices.Sort(names)
	return names, all && len(names) > 0
}

// outsideFails: a way in that was asked for does not work, beyond its grace.
func (s *service) outsideFails(a *answer) bool {
	return slices.ContainsFunc(a.units, func(u unit) bool {
		return (u.kind == externalUnit || u.kind == nodeUnit) && !u.cause.root().grace
	})
}

// loadBalancerClass is the result of the lb class.
func (s *service) loadBalancerClass() (ClassResult, bool) {
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return ClassResult{}, false
	}
	if len(s.svc.Status.LoadBalancer.Ingress) == 0 {
		return ClassResult{"lb", kube.ResultPending, "no address yet"}, true
	}
	return ClassResult{"lb", kube.ResultOK, strings.Join(addresses(s.svc), ", ")}, true
}

// addresses of the Service's load balancer.
func addresses(s *corev1.Service) []string {
	var list []string
	for _, in := range s.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			list = append(list, in.IP)
		}
		if in.Hostname != "" {
			list = append(list, in.Hostname)
		}
	}
	return list
}

// excludeNode keeps a Node from being a backend of cloud load balancers.
const excludeNode = corev1.LabelNodeExcludeBalancers

// excludedNodes: the Service has an address, and no Node may stand behind it.
func (s *service) excludedNodes() []*cause {
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer || len(s.svc.Status.LoadBalancer.Ingress) == 0 {
		return nil
	}
	which, meant := "every Node", func(*corev1.Node) bool { return true }
	if !s.noBackendNodes() {
		local := s.localNodes()
		if len(local) == 0 || slices.ContainsFunc(local, func(n *corev1.Node) bool { _, out := n.Labels[excludeNode]; return !out }) {
			return nil
		}
		which, meant = "every Node with an endpoint, and to others externalTrafficPolicy Local sends nothing,", func(n *corev1.Node) bool { return slices.Contains(local, n) }
	}
	c := s.cause("lb-nodes-excluded", clause("%s is excluded from external load balancers; only the balancer's implementation knows where it sends", which))
	for _, n := range slices.SortedFunc(maps.Values(s.q.allNodes()), func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) }) {
		if meant(n) && len(c.evidence) < maxRows {
			c.evidence = append(c.evidence, s.q.see(n, "/metadata/labels["+excludeNode+"]", n.Labels[excludeNode]))
		}
	}
	c.certainty = Possible
	c.since, _ = held(s.q, s.q.node(c.evidence[0].Name), func(n *corev1.Node) bool { _, out := n.Labels[excludeNode]; return out })
	c.next = commands(command.Kubectl("get", "nodes", "-L", excludeNode))
	return []*cause{c}
}

// localNodes are the Nodes that have a ready endpoint of a Service whose external traffic
// stays on each node; none if it does not.
func (s *service) localNodes() []*corev1.Node {
	if s.svc.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return nil
	}
	var nodes []*corev1.Node
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if !s.counts(sl) || !kube.EndpointReady(e) || e.NodeName == nil || s.gone(e) {
				continue
			}
			n := s.q.node(*e.NodeName)
			if n == nil {
				return nil // nothing tells
			}
			if !slices.Contains(nodes, n) {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes
}

// pendingLoadBalancer: nothing has given the Service an external address.
func (s *service) pendingLoadBalancer() *cause {
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer || len(s.svc.Status.LoadBalancer.Ingress) > 0 {
		return nil
	}
	since, note := held(s.q, s.svc, func(old *corev1.Service) bool {
		return old.Spec.Type == corev1.ServiceTypeLoadBalancer && len(old.Status.LoadBalancer.Ingress) == 0
	})
	if t := s.q.writtenAt(s.svc); note != "" && t.Before(since) {
		since, note = t, "per status"
	}
	c := s.cause("lb-pending", nil, s.q.see(s.svc, "/status/loadBalancer/ingress", ""))
	c.since = since
	c.onset = func() (time.Time, string) { return since, note }
	c.grace = s.q.within(since, loadBalancer) && !s.hadAddress(since)
	c.next = commands(s.kubectl("describe"))
	why := ""
	event := s.balancerEvent()
	switch {
	case event != nil && event.Type == corev1.EventTypeWarning:
		c.variant, why, c.grace, c.certainty = event.Reason, phrase.Sentence(event.Reason, event.Message), false, Likely
	case s.svc.Spec.LoadBalancerClass != nil:
		c.variant = "class " + *s.svc.Spec.LoadBalancerClass
		why = fmt.Sprintf("the controller of class %s has not answered", *s.svc.Spec.LoadBalancerClass)
		c.evidence = append(c.evidence, s.q.see(s.svc, "/spec/loadBalancerClass", *s.svc.Spec.LoadBalancerClass))
	case s.noBackendNodes():
		c.variant, why = "no backend nodes", "every Node is excluded from load balancers"
	case event != nil:
		c.variant, why, c.certainty = event.Reason, "a controller is at work on it", Likely
	case len(s.svc.Finalizers) == 0:
		c.variant, why = "no controller", "no controller has taken it up"
		c.evidence = append(c.evidence, s.q.see(s.svc, "/metadata/finalizers", ""))
	default:
		why = "its controller has not given one"
	}
	if event != nil {
		c.evidence = append(c.evidence, s.q.see(event, "/message", event.Message))
	}
	c.says = clause("the load balancer has no address: %s", why)
	return c
}

// hadAddress reports whether the load balancer had an address just before an instant:
// one that is taken away needs no time to come.
func (s *service) hadAddress(at time.Time) bool {
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.Time.Before(at) {
			return o.UID == s.svc.UID && old.Spec.Type == corev1.ServiceTypeLoadBalancer && len(old.Status.LoadBalancer.Ingress) > 0
		}
	}
	return false
}

// balancerEvent is the newest Event in which a cloud controller speaks of the
// Service's load balancer.
func (s *service) balancerEvent() *corev1.Event {
	for _, e := range s.q.events(s.svc) {
		if strings.Contains(e.Reason, "LoadBalancer") {
			return e
		}
	}
	return nil
}

func (s *service) noBackendNodes() bool {
	nodes := s.q.allNodes()
	for _, n := range nodes {
		if _, out := n.Labels[excludeNode]; !out && n.DeletionTimestamp == nil &&
			!slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == "ToBeDeletedByClusterAutoscaler" }) {
			return false
		}
	}
	return len(nodes) > 0 && s.q.covered(kindOf[corev1.Node](), "")
}

// externalName: the Service is only a DNS alias.
func (s *service) externalName(a *answer) {
	target := strings.TrimSuffix(s.svc.Spec.ExternalName, ".")
	see := s.q.see(s.svc, "/spec/externalName", s.svc.Spec.ExternalName)
	fail := func(result string, c *cause) {
		a.state, a.classes = NotServing, []ClassResult{{"externalname", result, target}}
		a.units = []unit{{kind: serviceUnit, count: 1, cause: c}}
		a.prefix = fmt.Sprintf("Service %s is not serving: ", s)
	}
	if net.ParseIP(target) != nil {
		c := s.cause("externalname-misfit", clause("its externalName %s is an IP address, and DNS has no alias to an address", target), see)
		c.variant, c.since = "is-ip", s.q.writtenAt(s.svc)
		c.next = []next{{advice: "use a Service without selector and an EndpointSlice for the address"}}
		fail(kube.ResultNXDomain, c)
		return
	}
	name, namespace, inside := s.clusterName(target)
	if !inside {
		a.state = Unknown
		a.classes = []ClassResult{{"externalname", "CNAME", target}}
		a.ok = fmt.Sprintf("Service %s is an alias for %s, outside the cluster: nothing recorded tells whether it answers", s, target)
		s.q.aside(func() { s.externalMisfits(a); a.checklist = s.checklist(a) })
		return
	}
	next := s.q.serviceAnswer(namespace, name)
	switch {
	case next == nil:
		c := s.cause("externalname-loop", clause("its alias %s leads back to itself", target), see)
		fail(kube.ResultNXDomain, c)
	case next.state == Absent || next.state == NotServing:
		c := s.cause("externalname-dead-target", clause("it is an alias for Service %s/%s, which %s", namespace, name, map[State]string{Absent: "does not exist", NotServing: "does not serve"}[next.state]), see)
		c.next = commands(command.Kubectl("get", "services", "-n", namespace))
		for _, g := range next.groups()[:min(1, len(next.groups()))] {
			c.evidence = append(c.evidence, g.root.evidence...)
			c.since = g.since
			a.symptoms = append(a.symptoms, g.root)
		}
		fail("DEAD_TARGET", c)
	case next.state == Unknown:
		a.state, a.classes = Unknown, []ClassResult{{"externalname", kube.ResultUnknown, target}}
		a.ok = fmt.Sprintf("Service %s is an alias for Service %s/%s, whose state cannot be known", s, namespace, name)
	default:
		a.state, a.classes = next.state, []ClassResult{{"externalname", "CNAME", target}}
		a.units, a.prefix = next.units, fmt.Sprintf("Service %s is an alias for Service %s/%s: ", s, namespace, name)
		a.steady, a.steadyBut = next.steady, next.steadyBut
		a.ok = fmt.Sprintf("Traffic should flow: Service %s is an alias for Service %s/%s, which serves", s, namespace, name)
		a.endpoints = next.endpoints
	}
	s.q.aside(func() { s.externalMisfits(a); a.checklist = s.checklist(a) })
}

// clusterName reads NAME.NAMESPACE.svc, with or without the cluster's domain,
// and NAME.NAMESPACE if that Namespace exists.
func (s *service) clusterName(target string) (name, namespace string, inside bool) {
	labels := strings.Split(target, ".")
	switch {
	case len(labels) == 3 && labels[2] == "svc",
		len(labels) == 5 && labels[2] == "svc" && labels[3] == "cluster" && labels[4] == "local":
		return labels[0], labels[1], true
	case len(labels) == 2 && get[corev1.Namespace](s.q, "", labels[1]) != nil:
		return labels[0], labels[1], true
	}
	return "", "", false
}

// externalMisfits are fields an alias ignores, and uses that often fail.
func (s *service) externalMisfits(a *answer) {
	add := func(variant, path, value, text string) {
		c := s.cause("externalname-misfit", clause("%s", text), s.q.see(s.svc, path, value))
		c.variant, c.certainty = variant, Possible
		a.hints = append(a.hints, c)
	}
	if len(s.svc.Spec.Selector) > 0 {
		add("ignored-fields", "/spec/selector", phrase.Pairs(s.svc.Spec.Selector), "the selector is ignored: an ExternalName is only a DNS alias")
	}
	if !strings.Contains(strings.TrimSuffix(s.svc.Spec.ExternalName, "."), ".") {
		add("single-label", "/spec/externalName", s.svc.Spec.ExternalName, "the name has one label: it resolves only through a search path")
	}
	for _, sp := range s.svc.Spec.Ports {
		if sp.TargetPort.IntVal != 0 && sp.TargetPort.IntVal != sp.Port {
			add("ignored-fields", phrase.PortPath(&sp)+"/targetPort", sp.TargetPort.String(), "target ports are ignored: an ExternalName is only a DNS alias")
		}
		if sp.Port == 443 || sp.AppProtocol != nil && strings.Contains(*sp.AppProtocol, "http") {
			add("https-or-host", phrase.PortPath(&sp), fmt.Sprint(sp.Port), "clients send the alias as Host and SNI, which the target may not know")
		}
	}
}
