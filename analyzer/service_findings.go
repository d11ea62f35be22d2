package analyzer

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/store"
)

// observation is something about a Service that does not decide its verdict.
type observation func() []*cause

// aside looks for what does not change the verdict, in the order of the
// report: symptoms, risks and hints.
func (s *service) aside(a *answer) {
	for _, look := range []observation{s.stuckPods, s.flapping, s.removed, s.fewer, s.pausedRollouts} {
		a.symptoms = append(a.symptoms, look()...)
	}
	for _, look := range []observation{
		s.terminatingService, s.recreated, s.addressChanged, s.capacityCut, s.frozen, s.foreign, s.unreadyPublished,
		s.sharedAddress, s.concentrated, s.allocation, s.otherProxy, s.proxyMissing, s.dnsDown, s.ingressPaths,
		s.balancerErrors, s.excludedNodes, s.refusedRollouts, s.mixedPorts, s.unlikePods, s.emptySubsets, s.lag, s.undrained, s.blockedEvictions, s.stalledControllers, s.latentConfig,
	} {
		a.risks = append(a.risks, look()...)
	}
	for _, look := range []observation{
		s.policyHints, s.mixedPods, s.detachedPods, s.undeclaredPort, s.unprobedPort, s.unmappedPort,
		s.governing, s.sourceRanges, s.externalIPs, s.hostNetwork, s.truncated,
	} {
		a.hints = append(a.hints, look()...)
	}
	// A policy that admits nobody, or not the client: whether it is enforced stands nowhere.
	a.doubtful = a.doubtful || a.state != NotServing && slices.ContainsFunc(a.hints, func(c *cause) bool {
		return c.id == "netpol-denies-ingress" && c.variant != "restricts"
	})
	if a.state == Serving && slices.ContainsFunc(a.risks, func(c *cause) bool { return c.id == "cluster-dns-down" && c.variant == "" }) {
		a.ok = strings.Replace(a.ok, "Traffic should flow:", "Traffic should flow to its address, but no name resolves, as cluster DNS does not serve:", 1)
	}
	if a.state != Serving {
		a.explains = s.explain(a)
	}
	a.risks = slices.DeleteFunc(a.risks, a.blames)
	a.symptoms = slices.DeleteFunc(a.symptoms, a.blames)
}

// blames: the cause is already one of those that decide the verdict.
func (a *answer) blames(c *cause) bool {
	for _, u := range a.units {
		for _, d := range u.cause.chain() {
			if d.id == c.id && d.subject == c.subject {
				return true
			}
		}
	}
	return slices.ContainsFunc(a.effects, func(d *cause) bool { return d.id == c.id && d.subject == c.subject })
}

// terminatingService: the Service or its Namespace is being deleted.
func (s *service) terminatingService() []*cause {
	if t := s.svc.DeletionTimestamp; t != nil {
		c := s.cause("svc-terminating", clause("Service %s is being deleted since %s%s", s, phrase.Clock(t.Time, s.q.now), phrase.Prefixed(" and waits for finalizers ", strings.Join(s.svc.Finalizers, ", "))),
			s.q.see(s.svc, "/metadata/deletionTimestamp", phrase.Clock(t.Time, s.q.now)), s.q.see(s.svc, "/metadata/finalizers", strings.Join(s.svc.Finalizers, ", ")))
		c.since = t.Time
		return []*cause{c}
	}
	if ns := get[corev1.Namespace](s.q, "", s.svc.Namespace); ns != nil && ns.Status.Phase == corev1.NamespaceTerminating {
		c := s.cause("svc-terminating", clause("Namespace %s is being deleted, and Service %s with it", ns.Name, s), s.q.see(ns, "/status/phase", string(ns.Status.Phase)))
		c.variant, c.grace = "namespace", false
		if ns.DeletionTimestamp != nil {
			c.since = ns.DeletionTimestamp.Time
		}
		for _, cond := range ns.Status.Conditions {
			if cond.Status == corev1.ConditionTrue && (cond.Type == corev1.NamespaceFinalizersRemaining || cond.Type == corev1.NamespaceDeletionContentFailure) {
				c.says = clause("Namespace %s is being deleted, and Service %s with it; what holds it: %s", ns.Name, s, phrase.FirstWords(cond.Message, 160))
				c.evidence = append(c.evidence, s.q.see(ns, phrase.ConditionPath(cond.Type)+"/message", cond.Message))
			}
		}
		c.next = commands(describe("namespace", "", ns.Name))
		return []*cause{c}
	}
	return nil
}

// refusedRollouts: the Service serves, and no Pod of the new revision can be made.
func (s *service) refusedRollouts() []*cause {
	var found []*cause
	for _, w := range s.workloads {
		if r := s.q.rollout(w); r != nil {
			if c := s.q.refusedRollout(r); c != nil {
				found = append(found, c)
			}
		}
	}
	return found
}

// stuckPods are deleted Pods that linger.
func (s *service) stuckPods() []*cause {
	var found []*cause
	for _, p := range slices.Concat(s.pods, s.ended) {
		if c := s.q.stuckTerminating(p); c != nil && len(found) < maxRows {
			found = append(found, c)
		}
	}
	return found
}

// flapping: the Service keeps falling below its best and recovering.
func (s *service) flapping() []*cause {
	n, since := s.dips()
	if n < 3 {
		return nil
	}
	c := s.cause("readiness-flapping", clause("endpoints of Service %s became unready and ready again %d times since %s", s, n, phrase.Clock(since, s.q.now)))
	for _, sl := range s.slices[:min(len(s.slices), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", phrase.Quantity(len(sl.Endpoints), "endpoint")))
	}
	c.since = since
	return []*cause{c}
}

// fewer: a DaemonSet or an autoscaler accounts for missing endpoints.
func (s *service) fewer() []*cause {
	var found []*cause
	for _, w := range s.workloads {
		if d, ok := w.object.(*appsv1.DaemonSet); ok && d.Status.NumberReady < d.Status.DesiredNumberScheduled {
			found = append(found, s.q.workloadCause(w, "daemonset-gaps", clause("DaemonSet %s has a ready Pod on %d of %s", d.Name, d.Status.NumberReady, phrase.Quantity(int(d.Status.DesiredNumberScheduled), "node")),
				s.q.see(d, "/status/numberReady", fmt.Sprint(d.Status.NumberReady))))
		}
		found = append(found, s.q.autoscaling(w)...)
	}
	return found
}

// pausedRollouts: changes are held back.
func (s *service) pausedRollouts() []*cause {
	var found []*cause
	for _, w := range s.workloads {
		r := s.q.rollout(w)
		if r == nil || !r.deployment.Spec.Paused || r.current != nil && r.complete() {
			continue
		}
		c := s.q.rolloutCause(r, "rollout-paused", clause("Deployment %s is paused, so its last change%s is not rolled out", r.deployment.Name, phrase.Prefixed(" ", r.pending())), s.q.see(r.deployment, "/spec/paused", "true"))
		c.next = commands(rolloutCommand("resume", r.deployment.Namespace, r.deployment.Name))
		found = append(found, c)
	}
	return found
}

// capacityCut: a rollout that now fails otherwise began by taking capacity.
func (s *service) capacityCut() []*cause {
	for _, w := range s.workloads {
		if r := s.q.rollout(w); r != nil && s.lost() {
			if c := s.cutCapacity(r); c != nil {
				prevent(c, r.deployment)
				return []*cause{c}
			}
		}
	}
	return nil
}

// recreated: another Service had the name not long before this one.
func (s *service) recreated() []*cause {
	if !s.q.within(s.svc.CreationTimestamp.Time, window) {
		return nil
	}
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID == s.svc.UID {
			continue
		}
		if s.svc.CreationTimestamp.Sub(o.Time) > window {
			return nil
		}
		e := s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP)
		e.Old = old.Spec.ClusterIP
		text := fmt.Sprintf("Service %s was deleted and made again", s)
		switch {
		case kube.Headless(s.svc) && !kube.Headless(old) && old.Spec.ClusterIP != "":
			text += fmt.Sprintf(": its cluster IP %s is gone, as it is headless now, and clients that kept it fail", old.Spec.ClusterIP)
		case old.Spec.ClusterIP != s.svc.Spec.ClusterIP:
			text += fmt.Sprintf(": its cluster IP moved from %s to %s, and clients that kept the old one fail", old.Spec.ClusterIP, s.svc.Spec.ClusterIP)
		}
		return []*cause{s.cause("svc-recreated", clause("%s", text), e)}
	}
	return nil
}

// addressChanged: the load balancer's address moved, or vanished.
func (s *service) addressChanged() []*cause {
	now := addresses(s.svc)
	changed := s.q.seen(s.svc)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID || !s.q.within(changed.Time, window) {
			return nil
		}
		was := addresses(old)
		if slices.Equal(was, now) {
			changed = o
			continue
		}
		if len(was) == 0 {
			return nil
		}
		e := s.q.see(s.svc, "/status/loadBalancer/ingress", phrase.Enumerate(now, 3))
		e.Old = phrase.Enumerate(was, 3)
		to := "none"
		if len(now) > 0 {
			to = e.Value
		}
		c := s.cause("lb-address-changed", clause("the external address changed from %s to %s: DNS records and firewalls may still have the old one", e.Old, to), e)
		c.since = changed.Time
		return []*cause{c}
	}
	return nil
}

// unreadyPublished: Pods that are not ready get traffic.
func (s *service) unreadyPublished() []*cause {
	if !s.svc.Spec.PublishNotReadyAddresses || kube.Headless(s.svc) {
		return nil
	}
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			if e := &sl.Endpoints[i]; kube.EndpointReady(e) && !kube.EndpointServing(e) {
				return []*cause{s.cause("publish-not-ready", clause("Pods that are not ready get traffic, as publishNotReadyAddresses asks"),
					s.q.see(s.svc, "/spec/publishNotReadyAddresses", "true"), s.q.see(sl, "/endpoints/conditions/serving", "false"))}
			}
		}
	}
	return nil
}

// sharedAddress: two Pods have one address, or an endpoint has one its Pod has
// not.
func (s *service) sharedAddress() []*cause {
	holder := map[string]*corev1.Pod{}
	for _, p := range s.pods {
		if kube.Terminal(p) || p.Spec.HostNetwork {
			continue
		}
		for _, ip := range p.Status.PodIPs {
			if other := holder[ip.IP]; other != nil && other.UID != p.UID {
				return []*cause{s.cause("duplicate-pod-ip", clause("Pods %s and %s have the same address %s", other.Name, p.Name, ip.IP),
					s.q.see(other, "/status/podIP", ip.IP), s.q.see(p, "/status/podIP", ip.IP))}
			}
			holder[ip.IP] = p
		}
	}
	return nil
}

// concentrated: topology hints leave a node's clients few endpoints.
func (s *service) concentrated() []*cause {
	if !s.hinted() {
		return nil
	}
	for i := range s.routes {
		r := &s.routes[i]
		ready := 0
		for i := range r.backends {
			if r.backends[i].Ready {
				ready++
			}
		}
		if ready < 3 {
			continue
		}
		var nodes []string
		least := ready
		for _, n := range r.inside {
			if n.result == kube.ResultOK && n.live*3 <= ready && len(n.nodes) > 0 {
				nodes, least = append(nodes, n.nodes...), min(least, n.live)
			}
		}
		if len(nodes) > 0 {
			slices.Sort(nodes)
			return []*cause{s.cause("topology-concentration", clause("topology hints send clients on %s to %d of %s", phrase.Enumerate(nodes, 3), least, phrase.Quantity(ready, "ready endpoint")),
				s.q.see(s.svc, "/spec/trafficDistribution", trafficDistribution(s.svc)))}
		}
	}
	return nil
}

func trafficDistribution(s *corev1.Service) string {
	if s.Spec.TrafficDistribution != nil {
		return *s.Spec.TrafficDistribution
	}
	return s.Annotations[corev1.AnnotationTopologyMode]
}

// allocationEvents are the complaints of the loops that repair cluster IPs and
// node ports (K/pkg/registry/core/service).
var allocationEvents = []string{
	"ClusterIPOutOfRange", "ClusterIPNotAllocated", "ClusterIPAlreadyAllocated", "ClusterIPNotValid", "ServiceCIDRFull",
	"PortAlreadyAllocated", "PortOutOfRange", "PortNotAllocated", "PortRangeFull",
}

// allocation: the cluster IP or a node port is not the Service's own.
func (s *service) allocation() []*cause {
	for _, e := range s.q.events(s.svc) {
		if slices.Contains(allocationEvents, e.Reason) && !strings.Contains(e.Message, "repairing") {
			c := s.cause("svc-allocation-conflict", clause("Service %s: %s", s, phrase.Sentence(e.Reason, e.Message)), s.q.see(e, "/message", e.Message))
			c.variant, c.certainty, c.since = e.Reason, Likely, eventTime(e)
			return []*cause{c}
		}
	}
	if !kube.Proxied(s.svc) {
		return nil
	}
	for _, o := range s.q.view.List(store.Query{Resource: kindOf[corev1.Service]().resource}) {
		// Of thousands hardly any is of interest: the others are not even decoded.
		if o.UID == s.svc.UID || o.ClusterIP() != s.svc.Spec.ClusterIP {
			continue
		}
		if other := decode[corev1.Service](s.q, kindOf[corev1.Service](), o); other != nil {
			return []*cause{s.cause("svc-allocation-conflict", clause("Services %s and %s/%s have the same cluster IP %s", s, o.Namespace, o.Name, s.svc.Spec.ClusterIP),
				s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP), s.q.see(other, "/spec/clusterIP", other.Spec.ClusterIP))}
		}
	}
	return nil
}

// otherProxy: a label leaves the Service to another proxy.
func (s *service) otherProxy() []*cause {
	name, other := s.svc.Labels[kube.ProxyLabel]
	if !other {
		return nil
	}
	c := s.cause("svc-not-proxied", clause("kube-proxy ignores Service %s: its label leaves it to proxy %q", s, name), s.q.see(s.svc, "/metadata/labels["+kube.ProxyLabel+"]", name))
	c.certainty = Possible
	return []*cause{c}
}

// dnsDown: names do not resolve cluster-wide.
func (s *service) dnsDown() []*cause {
	svc := s.q.dnsService()
	if svc == nil || svc.UID == s.svc.UID {
		return nil
	}
	a := s.q.serviceAnswer(svc.Namespace, svc.Name)
	if a == nil {
		return nil
	}
	if !a.nothingServes() {
		return s.dnsInPart(svc, a)
	}
	c := s.cause("cluster-dns-down", clause("cluster DNS (Service %s/%s) does not serve, so no name resolves", svc.Namespace, svc.Name), s.q.see(svc, "/spec/clusterIP", svc.Spec.ClusterIP))
	c.subject = s.q.subject(svc)
	if g := a.groups(); len(g) > 0 {
		c.evidence, c.since = append(c.evidence, g[0].root.evidence...), g[0].since
	}
	return []*cause{c}
}

// dnsInPart: cluster DNS has endpoints, and clients on some nodes get no answer, as its
// traffic stays on each node.
func (s *service) dnsInPart(svc *corev1.Service, a *answer) []*cause {
	for _, g := range a.groups() {
		if g.root.id != "itp-local-gaps" {
			continue
		}
		c := s.cause("cluster-dns-down", clause("cluster DNS (Service %s/%s) serves only in part, so names fail for some clients: %s", svc.Namespace, svc.Name, g.root.says("")), g.root.evidence...)
		c.variant, c.subject, c.since, c.next = "in part", s.q.subject(svc), g.since, g.root.next
		return []*cause{c}
	}
	return nil
}

// ingressPaths: Ingresses that lead here by a port the Service has not.
func (s *service) ingressPaths() []*cause {
	var found []*cause
	for _, in := range list[networkingv1.Ingress](s.q, store.Query{Namespace: s.svc.Namespace}) {
		for _, r := range ingressRoutes(in) {
			if r.backend.Service == nil || r.backend.Service.Name != s.svc.Name {
				continue
			}
			if c := s.q.brokenBackend(in, r); c != nil && len(found) < maxRows {
				found = append(found, c)
			}
		}
	}
	return found
}

// balancerErrors: what the load balancer or its health check complains of.
func (s *service) balancerErrors() []*cause {
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	text, evidence := "", Evidence{}
	for _, c := range s.svc.Status.Conditions {
		if c.Type == corev1.LoadBalancerPortsError && string(c.Status) == "True" {
			text, evidence = phrase.Sentence(c.Reason, c.Message), s.q.see(s.svc, phrase.ConditionPath(c.Type)+"/message", c.Message)
		}
	}
	for _, in := range s.svc.Status.LoadBalancer.Ingress {
		for _, p := range in.Ports {
			if p.Error != nil {
				text, evidence = fmt.Sprintf("port %d: %s", p.Port, *p.Error), s.q.see(s.svc, "/status/loadBalancer/ingress/ports/error", *p.Error)
			}
		}
	}
	if s.svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && s.svc.Spec.HealthCheckNodePort == 0 {
		text, evidence = "it has no health check port, which externalTrafficPolicy Local needs", s.q.see(s.svc, "/spec/healthCheckNodePort", "0")
	}
	if text == "" {
		return nil
	}
	return []*cause{s.cause("lb-status-error", clause("the load balancer of Service %s: %s", s, text), evidence)}
}

// stalledControllers: what keeps endpoints up to date has stopped.
func (s *service) stalledControllers() []*cause {
	if c := s.controllersStalled(); c != nil {
		return []*cause{c}
	}
	return nil
}

// blockedEvictions: a node of the Service's Pods is cordoned, and a disruption
// budget allows no eviction: a drain would stand still. A refused eviction
// leaves no trace in objects, so this is inferred.
func (s *service) blockedEvictions() []*cause {
	var found []*cause
	for _, b := range list[policyv1.PodDisruptionBudget](s.q, store.Query{Namespace: s.svc.Namespace}) {
		if b.Spec.Selector == nil || b.Status.DisruptionsAllowed > 0 || b.Status.ObservedGeneration == 0 {
			continue
		}
		for _, p := range s.pods {
			n := s.q.node(p.Spec.NodeName)
			if n == nil || !n.Spec.Unschedulable || kube.Terminal(p) || !kube.SelectorMatches(b.Spec.Selector, p.Labels) {
				continue
			}
			c := s.cause("pdb-blocks-eviction", clause("PodDisruptionBudget %s allows no eviction, so draining Node %s cannot go on", b.Name, n.Name),
				s.q.see(b, "/status/disruptionsAllowed", "0"), s.q.see(n, "/spec/unschedulable", "true"), s.q.see(p, "/spec/nodeName", n.Name))
			c.certainty, c.subject, c.since = Possible, s.q.subject(b), s.q.seen(n).Time
			found = append(found, c)
			break
		}
	}
	return found
}

// promote makes a hint the headline: the objects show nothing wrong, and the
// user says that traffic fails. It stays possible, not more.
func (q *inquiry) promote(r *Report, a *answer) {
	for _, id := range registry.SeenAs(q.options.Symptom) {
		for _, c := range slices.Concat(a.hints, a.risks) {
			if c.id != id || c.variant == "restricts" && q.options.From == "" {
				continue
			}
			f := q.effect(c, registry.Hint, "")
			f.Certainty = Possible
			r.Because = append(r.Because, f)
			r.lead(f, fmt.Sprintf("%s, yet a client sees %s: possibly ", a.ok, seen[q.options.Symptom]))
			return
		}
	}
}

// seen is what each symptom is called in a sentence.
var seen = map[string]string{"timeout": "timeouts", "refused": "refused connections", "nxdomain": "no such name"}
