package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

func nodeCondition(n *corev1.Node, t corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == t {
			return &n.Status.Conditions[i]
		}
	}
	return nil
}

// nodeReady: the Node says it is ready. One that says nothing is not.
func nodeReady(n *corev1.Node) bool {
	c := nodeCondition(n, corev1.NodeReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// nodeNotReady returns the cause that lies in a Node, nil if it is ready or
// not known.
func (q *inquiry) nodeNotReady(n *corev1.Node) *cause {
	if n == nil || nodeReady(n) {
		return nil
	}
	reason, message := "no Ready condition", ""
	found := &cause{
		id: "node-not-ready", subject: q.subject(n), key: n.Name, certainty: Certain, since: n.CreationTimestamp.Time,
		next: commands(describe("node", "", n.Name)),
	}
	if c := nodeCondition(n, corev1.NodeReady); c != nil {
		reason, message = c.Reason, c.Message
		found.since = c.LastTransitionTime.Time
		found.evidence = append(found.evidence, q.see(n, phrase.ConditionPath(c.Type)+"/status", string(c.Status)), q.see(n, phrase.ConditionPath(c.Type)+"/reason", c.Reason))
		if phrase.ContainsAny(message, "NetworkPluginNotReady|cni|network is not ready") {
			found.variant = "cni"
		}
	} else {
		found.evidence = append(found.evidence, q.see(n, "/status/conditions", "no Ready condition"))
	}
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoExecute {
			found.evidence = append(found.evidence, q.see(n, "/spec/taints", t.Key+":"+string(t.Effect)))
		}
	}
	found.says = func(who string) string {
		return fmt.Sprintf("Node %s is not ready (%s), which puts %s out of service", n.Name, phrase.Sentence(reason, message), who)
	}
	found.several = func(names []string, who string) string {
		return fmt.Sprintf("Nodes %s are not ready (%s), which puts %s out of service", mostNames(names), phrase.Sentence(reason, message), who)
	}
	found.onset = func() (since time.Time, note string) {
		return held(q, n, func(n *corev1.Node) bool { return !nodeReady(n) })
	}
	return found
}

// mostNames names a few of many: "n1, n2 and n3", or "n1, n2, n3 and 4 more".
func mostNames(names []string) string {
	if len(names) > 4 {
		return phrase.Enumerate(names, 3)
	}
	return joined(names)
}

// nodeDraining returns the cause that a Node is being drained, nil if it is
// not cordoned.
func (q *inquiry) nodeDraining(n *corev1.Node) *cause {
	if n == nil || !n.Spec.Unschedulable {
		return nil
	}
	c := &cause{
		id: "node-draining", subject: q.subject(n), key: n.Name, certainty: Likely, since: q.seen(n).Time,
		evidence: []Evidence{q.see(n, "/spec/unschedulable", "true")},
		next:     commands(describe("node", "", n.Name)),
	}
	by := ""
	if w := writerOf(&n.ObjectMeta, "f:spec", "f:unschedulable"); w != nil {
		by = " by " + w.String()
		c.since = w.time
		c.evidence = append(c.evidence, q.see(n, "/metadata/managedFields", w.String()+" at "+phrase.Clock(w.time, q.now)))
	}
	c.says = func(who string) string {
		return fmt.Sprintf("Node %s is being drained (cordoned%s), which takes %s away", n.Name, by, who)
	}
	return c
}

// nodeNetwork returns the cause if the Node says its network is not set up.
func (q *inquiry) nodeNetwork(n *corev1.Node) *cause {
	if n == nil {
		return nil
	}
	c := nodeCondition(n, corev1.NodeNetworkUnavailable)
	if c == nil || c.Status != corev1.ConditionTrue {
		return nil
	}
	return &cause{
		id: "node-network-unavailable", subject: q.subject(n), key: n.Name, certainty: Certain, since: c.LastTransitionTime.Time,
		says: func(who string) string {
			return fmt.Sprintf("the network of Node %s is not set up, which puts %s out of service", n.Name, who)
		},
		evidence: []Evidence{q.see(n, phrase.ConditionPath(c.Type)+"/status", string(c.Status)), q.see(n, phrase.ConditionPath(c.Type)+"/reason", c.Reason)},
		next:     commands(describe("node", "", n.Name)),
	}
}

// networkOfNodes: what is wrong with the sandboxes of several Pods on one node
// is wrong with the node.
func (s *service) networkOfNodes(units []unit) {
	byNode := map[string][]unit{}
	for _, u := range units {
		if u.cause.id == "pod-sandbox-failed" {
			byNode[u.pod.Spec.NodeName] = append(byNode[u.pod.Spec.NodeName], u)
		}
	}
	for name, failed := range byNode {
		n := s.q.node(name)
		deeper := s.q.nodeNetwork(n)
		if deeper == nil && n != nil && len(failed) > 1 {
			deeper = &cause{
				id: "node-network-unavailable", subject: s.q.subject(n), key: name, certainty: Likely, since: failed[0].cause.since,
				says:     func(who string) string { return fmt.Sprintf("Node %s cannot set up the network of %s", name, who) },
				evidence: failed[0].cause.evidence, next: commands(describe("node", "", name)),
			}
		}
		for _, u := range failed {
			u.cause.because(deeper)
		}
	}
}

// nodeSubject answers for a Node: is it ready, does its network work, is it
// being drained, and what does that mean for the Pods on it?
func (q *inquiry) nodeSubject(name string) *answer {
	n := q.node(name)
	if n == nil {
		return q.nothing(kindOf[corev1.Node](), "", name)
	}
	a := &answer{subject: q.subject(n), state: Serving}
	up, all, evicted := 0, 0, 0
	for _, p := range list[corev1.Pod](q, store.Query{}) {
		if p.Spec.NodeName != name || kube.Terminal(p) {
			continue
		}
		all++
		if kube.Terminating(p) || kube.PodConditionIs(p, corev1.DisruptionTarget, corev1.ConditionTrue) {
			evicted++
		}
		item := Endpoint{Address: p.Status.PodIP, State: "ready", Pod: p.Namespace + "/" + p.Name, Node: name}
		switch {
		case kube.Terminating(p):
			item.State = "terminating"
		case kube.Ready(p):
			up++
		default:
			item.State = "notready"
			item.Reason = q.podCause(p, nil).root().short()
		}
		a.endpoints.Items = append(a.endpoints.Items, item)
	}
	a.endpoints.Ready, a.endpoints.Desired = up, all
	a.ok = fmt.Sprintf("Node %s is ready, with %d of %s ready", name, up, phrase.Quantity(all, "Pod"))
	a.steady, a.steadyBut = n.CreationTimestamp.Time, "per status"
	if c := nodeCondition(n, corev1.NodeReady); c != nil {
		a.steady = c.LastTransitionTime.Time
	}
	pods := phrase.Quantity(all, "Pod")
	say := func(c *cause, state State) {
		if c == nil {
			return
		}
		text := c.says(pods)
		c.says = clause("%s", text)
		a.units = append(a.units, unit{kind: serviceUnit, count: max(1, all), cause: c})
		if stateRank(state) < stateRank(a.state) {
			a.state = state
		}
	}
	say(q.nodeNotReady(n), NotServing)
	say(q.nodeNetwork(n), NotServing)
	if c := q.nodeDraining(n); c != nil && evicted > 0 {
		pods = phrase.Quantity(evicted, "Pod")
		say(c, Degraded)
	} else if c != nil {
		c.variant, c.says = "cordoned", clause("Node %s is cordoned: no new Pod comes to it", name)
		a.risks = append(a.risks, c)
	}
	return a
}

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

// ClusterDNS reports whether a Service is where distributions put cluster DNS.
func ClusterDNS(namespace, name string) bool {
	return slices.Contains(dnsServices[:], [2]string{namespace, name})
}

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
	case a.nothingServes():
		return no, fmt.Sprintf("cluster DNS (Service %s) does not serve", name)
	case a.state == PartiallyServing:
		return no, fmt.Sprintf("cluster DNS (Service %s) serves only in part: %s", name, a.partly())
	case a.state == Unknown:
		return unknown, fmt.Sprintf("the state of cluster DNS (Service %s) cannot be known", name)
	}
	return yes, fmt.Sprintf("cluster DNS (Service %s) serves", name)
}

// nothingServes: no client in the cluster gets through, which a Service that is still
// coming up has in common with one that is broken.
func (a *answer) nothingServes() bool {
	return a.state == NotServing || a.state == Converging && slices.ContainsFunc(a.classes, func(c ClassResult) bool {
		return c.Class == "cluster" && c.Result != kube.ResultOK && c.Result != kube.ResultUnknown
	})
}

// partly says which ways through a Service fail, and where.
func (a *answer) partly() string {
	for _, c := range a.classes {
		if c.Class != "dns" && c.Result != kube.ResultOK {
			return c.Detail
		}
	}
	return "some of its endpoints are missing"
}

// named puts into the class dns what cluster DNS makes of the name.
func (s *service) named(a *answer) {
	i := slices.IndexFunc(a.classes, func(c ClassResult) bool { return c.Class == "dns" })
	svc := s.q.dnsService()
	if i < 0 || svc == nil || a.classes[i].Result != kube.ResultOK {
		return
	}
	dns := s.q.serviceAnswer(svc.Namespace, svc.Name)
	if dns == nil || !dns.nothingServes() && dns.state != PartiallyServing {
		return
	}
	for _, c := range dns.classes {
		if c.Class != "cluster" || c.Result == kube.ResultOK {
			continue
		}
		if dns.nothingServes() {
			a.classes[i].Result = c.Result
		}
		a.classes[i].Detail = phrase.Prefixed("cluster DNS: ", cmp.Or(c.Detail, c.Result))
	}
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
		up[p.Spec.NodeName] = up[p.Spec.NodeName] || kube.Ready(p) || s.q.within((&podCase{q: s.q, pod: p}).changed(), controllerGrace)
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
	if !kube.Proxied(s.svc) {
		return notApplicable, ""
	}
	down, known := s.proxyDown()
	switch {
	case !known:
		return unknown, "no kube-proxy Pods are recorded; slices are programmed if a proxy runs"
	case len(down) > 0:
		return no, "no ready kube-proxy on " + phrase.Enumerate(down, 3)
	}
	return yes, "a ready kube-proxy on every ready node"
}

// proxyMissing: some nodes go on with the rules they had.
func (s *service) proxyMissing() []*cause {
	if !kube.Proxied(s.svc) {
		return nil
	}
	down, _ := s.proxyDown()
	if len(down) == 0 {
		return nil
	}
	text := fmt.Sprintf("no ready kube-proxy on %s: what runs there keeps the rules it had", phrase.Enumerate(down, 3))
	c := s.cause("kube-proxy-missing", nil, s.q.see(s.q.node(down[0]), phrase.ConditionPath(corev1.NodeReady)+"/status", "True"))
	for _, p := range s.proxyPods() {
		if p.Spec.NodeName != down[0] {
			continue
		}
		since := (&podCase{q: s.q, pod: p}).changed()
		c.since = since
		c.evidence = append(c.evidence, s.q.see(p, phrase.ConditionPath(corev1.PodReady)+"/status", "False"))
		if at := s.lastSliceChange(); at.After(since) {
			text += fmt.Sprintf(", and the endpoints changed since then, at %s", phrase.Clock(at, s.q.now))
		}
		break
	}
	c.says = clause("%s", text)
	c.next = commands(command.Kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "wide"))
	return []*cause{c}
}
