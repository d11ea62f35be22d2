package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// blame finds the missing units of service and the cause of each.
func (s *service) blame(a *answer) {
	a.units = s.definition()
	if len(a.units) == 0 && selectable(s.svc) {
		a.units = s.podUnits()
		s.networkOfNodes(a.units)
		a.units = append(a.units, s.unborn()...)
		if len(a.units) == 0 && len(s.pods) == 0 || s.allTerminal() {
			a.units = append(a.units, s.noPods()...)
		}
	}
	a.units = append(a.units, s.misdirected()...)
	a.units = append(a.units, s.ways()...)
	for i := range a.units {
		s.name(&a.units[i])
	}
}

// definition: the Service itself cannot work, or selects nothing.
func (s *service) definition() []unit {
	rungs := []func() *cause{s.portUndefined, s.selectorless, s.nothingSelected}
	for _, rung := range rungs {
		if c := rung(); c != nil {
			return []unit{{kind: serviceUnit, count: max(1, s.desired, c.root().units), cause: c}}
		}
	}
	return nil
}

// portUndefined: the port asked about is not one of the Service's.
func (s *service) portUndefined() *cause {
	asked := s.q.options.Port
	if asked == "" || findServicePort(s.svc, asked) != nil {
		return nil
	}
	var have []string
	also := ""
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		have = append(have, strings.TrimPrefix(fmt.Sprintf("%s %d/%s", sp.Name, sp.Port, sp.Protocol), " "))
		switch asked {
		case sp.TargetPort.String():
			also = ", which is a target port of its Pods"
		case fmt.Sprint(sp.NodePort):
			also = ", which is a node port"
		}
	}
	c := s.cause("svc-port-undefined", clause("Service %s has no port %s%s; it has %s", s, asked, also, enumerate(have, 5)),
		s.q.see(s.svc, "/spec/ports", strings.Join(have, ", ")))
	c.next = []string{fmt.Sprintf("kubectl get service -n %s %s -o jsonpath='{.spec.ports}'", s.svc.Namespace, s.svc.Name)}
	return c
}

// selectorless: nobody lists Pods for the Service, and nobody else provides
// endpoints.
func (s *service) selectorless() *cause {
	if selectable(s.svc) {
		return nil
	}
	for _, sl := range s.slices {
		if s.counts(sl) && slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool { return epUsable(&e) }) {
			return nil // somebody provided them, whether or not they lead anywhere
		}
	}
	c := s.cause("svc-selectorless-no-endpoints", clause("there is no selector, so Kubernetes adds no Pods, and nothing else provides endpoints"),
		s.q.see(s.svc, "/spec/selector", ""))
	for _, sl := range s.slices {
		c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", quantity(len(sl.Endpoints), "endpoint")))
	}
	c.next = []string{fmt.Sprintf("kubectl get endpointslices -n %s -l %s=%s", s.svc.Namespace, discoveryv1.LabelServiceName, s.svc.Name)}
	if deeper := s.invisible(); deeper != nil {
		return c.because(deeper)
	}
	return c.because(s.notMirrored())
}

// nothingSelected: neither Pods nor workloads carry the labels, or a change
// took them away.
func (s *service) nothingSelected() *cause {
	if !selectable(s.svc) || len(s.pods) > 0 || len(s.workloads) > 0 {
		return nil
	}
	selector := pairs(s.svc.Spec.Selector)
	c := s.cause("selector-matches-nothing", clause("no Pod and no workload in namespace %s carries the labels %s", s.svc.Namespace, selector),
		s.q.see(s.svc, "/spec/selector", selector))
	s.selectorSince(c)
	c.next = []string{
		fmt.Sprintf("kubectl get pods -n %s --show-labels", s.svc.Namespace),
		"kubectl get pods -A -l " + selector,
	}
	for _, sl := range s.slices {
		if own(s.svc, sl) {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", quantity(len(sl.Endpoints), "endpoint")))
		}
	}
	for _, deeper := range []func() *cause{s.selectorEdited, s.workloadDeleted, s.relabelled, s.detached, s.typo} {
		if found := deeper(); found != nil {
			return c.because(found)
		}
	}
	return c
}

// podUnits are the selected Pods that should serve and do not.
func (s *service) podUnits() []unit {
	var units []unit
	for _, p := range s.pods {
		if terminal(p) || terminating(p) {
			continue
		}
		c := s.podCause(p)
		if c == nil {
			continue
		}
		s.causes[p.UID] = c
		units = append(units, unit{kind: podUnit, count: 1, pod: p, workload: s.owner[p.UID], cause: c})
	}
	return units
}

// podCause returns why a selected Pod does not serve; nil if it does.
func (s *service) podCause(p *corev1.Pod) *cause {
	switch {
	case s.serves(p):
		return s.q.crashesBetween(p, s.owner[p.UID])
	case !ready(p) && !s.svc.Spec.PublishNotReadyAddresses:
		return s.q.podCause(p, s.owner[p.UID])
	}
	for _, rung := range []func(*corev1.Pod) *cause{s.nodeMissing, s.familyMismatch, s.portUnresolved, s.noSlice, s.hiddenSlice, s.stale} {
		if c := rung(p); c != nil {
			return c
		}
	}
	return nil
}

// nodeMissing: the controller leaves out Pods whose Node object is gone.
func (s *service) nodeMissing(p *corev1.Pod) *cause {
	k := kindOf[corev1.Node]()
	if s.svc.Spec.PublishNotReadyAddresses || s.q.node(p.Spec.NodeName) != nil || !s.q.covered(k, "") {
		return nil
	}
	c := s.cause("endpoint-node-missing", about("cannot be endpoints: Node %s does not exist any more", p.Spec.NodeName),
		s.q.see(p, "/spec/nodeName", p.Spec.NodeName), s.q.absent(k, "", p.Spec.NodeName))
	c.subject, c.key = s.q.subject(p), p.Spec.NodeName
	if w := s.owner[p.UID]; w != nil {
		c.subject = s.q.subject(w.object)
	}
	for o := range past[corev1.Node](s.q, "", p.Spec.NodeName) {
		c.since = o.Time
		break
	}
	c.next = []string{"kubectl get nodes", fmt.Sprintf("kubectl delete pod -n %s %s", p.Namespace, p.Name)}
	return c
}

// familyMismatch: no selected Pod has an address of one of the families.
func (s *service) familyMismatch(p *corev1.Pod) *cause {
	for i, f := range families(s.svc) {
		if len(podIPs(p, f)) > 0 || len(p.Status.PodIPs) == 0 {
			continue
		}
		if i > 0 && slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return len(podIPs(p, f)) > 0 }) {
			continue
		}
		c := s.cause("ip-family-mismatch", func(who string) string {
			return fmt.Sprintf("%s could not be listed for %s: no address of that family", who, f)
		}, s.q.see(s.svc, "/spec/ipFamilies", fmt.Sprint(families(s.svc))), s.q.see(p, "/status/podIPs", p.Status.PodIP))
		c.key += " " + string(f)
		return c
	}
	return nil
}

// portUnresolved: the Pod has no port of the name the Service sends to.
func (s *service) portUnresolved(p *corev1.Pod) *cause {
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if _, ok := FindPort(p, sp); ok || !s.asked(sp) {
			continue
		}
		have := declaredPorts(&p.Spec)
		declare := "no ports"
		if len(have) > 0 {
			declare = enumerate(have, 4)
		}
		c := s.cause("target-port-name-unresolved", func(who string) string {
			return fmt.Sprintf("port %s sends to targetPort %q, which does not exist on %s (declared: %s)", portLabel(sp), sp.TargetPort.StrVal, who, declare)
		}, s.q.see(s.svc, portPath(sp)+"/targetPort", sp.TargetPort.StrVal), s.q.see(p, "/spec/containers/ports", strings.Join(have, ", ")))
		for _, l := range s.listed[p.UID] {
			if !hasPort(l.slice, sp) {
				c.evidence = append(c.evidence, s.q.see(l.slice, "/ports", strings.Join(slicePorts(l.slice), ",")))
				break
			}
		}
		c.key += " " + portLabel(sp)
		c.since = p.CreationTimestamp.Time
		c.next = []string{
			fmt.Sprintf("kubectl get pod -n %s %s -o jsonpath='{.spec.containers[*].ports}'", p.Namespace, p.Name),
			fmt.Sprintf("kubectl edit service -n %s %s", s.svc.Namespace, s.svc.Name),
		}
		return c
	}
	return nil
}

// noSlice: the controller has not written any slice of its own.
func (s *service) noSlice(*corev1.Pod) *cause {
	for _, sl := range s.slices {
		if own(s.svc, sl) {
			return nil
		}
	}
	c := s.cause("endpointslice-missing", clause("the controller has written no EndpointSlice"),
		s.q.absent(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace, s.svc.Name+"-..."))
	c.grace = s.q.within(s.svc.CreationTimestamp.Time, sliceGrace)
	c.next = []string{"kubectl -n kube-system get lease kube-controller-manager -o yaml"}
	return c.because(s.controllersStalled())
}

// hiddenSlice: the Pod is listed where kube-proxy does not look.
func (s *service) hiddenSlice(p *corev1.Pod) *cause {
	for _, l := range s.listed[p.UID] {
		if c := s.invisibleSlice(l.slice); c != nil && epReady(l.endpoint) {
			return c
		}
	}
	return nil
}

// stale: the Pod is ready, and its endpoint does not say so.
func (s *service) stale(p *corev1.Pod) *cause {
	changed := s.q.seen(p).Time
	if t := s.q.seen(s.svc).Time; t.After(changed) {
		changed = t
	}
	c := s.cause("endpointslice-stale", about("could serve, but the EndpointSlices of Service %s do not say so", s),
		s.q.see(p, conditionPath(corev1.PodReady)+"/status", "True"))
	c.since, c.grace = changed, s.q.within(changed, sliceGrace)
	if len(s.listed[p.UID]) == 0 {
		c.variant = "missing"
		for _, sl := range s.slices {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", quantity(len(sl.Endpoints), "endpoint")))
		}
	}
	for _, l := range s.listed[p.UID] {
		c.variant = "wrong-ready"
		c.evidence = append(c.evidence, s.q.see(l.slice, "/endpoints[targetRef="+p.Name+"]/conditions/ready", fmt.Sprint(epReady(l.endpoint))))
	}
	c.next = []string{fmt.Sprintf("kubectl get events -n %s --field-selector involvedObject.name=%s", s.svc.Namespace, s.svc.Name)}
	return c.because(s.controllersStalled())
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
				evidence: failed[0].cause.evidence, next: []string{"kubectl describe node " + name},
			}
		}
		for _, u := range failed {
			u.cause.because(deeper)
		}
	}
}

// misdirected are endpoints that take traffic and lead nowhere, or to a Pod
// that says it is not ready.
func (s *service) misdirected() []unit {
	var units []unit
	for _, sl := range s.slices {
		if !s.counts(sl) {
			continue
		}
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if !epUsable(e) || podOf(e) == "" {
				continue
			}
			variant, evidence := s.misdirects(sl, e)
			if variant == "" {
				continue
			}
			c := s.misdirection(sl, variant, e.TargetRef.Name)
			c.evidence = append(c.evidence, evidence...)
			units = append(units, unit{kind: podUnit, count: 1, cause: c})
		}
	}
	return units
}

// misdirects tells what is wrong with an endpoint that takes traffic, once the
// slices had the time to follow; "" if nothing is.
func (s *service) misdirects(sl *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint) (variant string, evidence []Evidence) {
	row := s.q.see(sl, "/endpoints[targetRef="+e.TargetRef.Name+"]/conditions/ready", fmt.Sprint(epReady(e)))
	if s.gone(e) {
		return "pod-gone", []Evidence{row}
	}
	p := s.podBehind(e.TargetRef)
	if p == nil || s.svc.Spec.PublishNotReadyAddresses || !epReady(e) || ready(p) && !terminal(p) || s.q.within(s.q.seen(p).Time, sliceGrace) {
		return "", nil
	}
	return "wrong-ready", []Evidence{row, s.q.see(p, conditionPath(corev1.PodReady)+"/status", "False")}
}

// misdirection is why a slice still lists what it should not.
func (s *service) misdirection(sl *discoveryv1.EndpointSlice, variant, pod string) *cause {
	switch {
	case !selectable(s.svc) && own(s.svc, sl):
		c := s.frozenSlice(sl)
		c.variant = variant
		return c
	case managedBy(sl) != sliceController:
		c := s.cause("foreign-endpointslice", clause("EndpointSlice %s, which %s manages, sends traffic to Pod %s, which cannot take it", sl.Name, managerName(sl), pod))
		c.key, c.variant, c.since = sl.Name, variant, s.q.seen(sl).Time
		return c
	}
	what := "is gone"
	if variant == "wrong-ready" {
		what = "is not ready"
	}
	c := s.cause("endpointslice-stale", clause("EndpointSlice %s still sends traffic to Pod %s, which %s", sl.Name, pod, what))
	c.key, c.variant, c.since = sl.Name, variant, s.q.seen(sl).Time
	return c.because(s.controllersStalled())
}

// unborn are Pods that workloads should have and have not.
func (s *service) unborn() []unit {
	var units []unit
	for _, w := range s.workloads {
		if missing := w.desired - w.active(); missing > 0 {
			units = append(units, unit{kind: unbornUnit, count: missing, workload: w, cause: s.q.unbornCause(w)})
		}
	}
	return units
}

// noPods: a workload is selected, and is not meant to have Pods; or what there
// was has finished.
func (s *service) noPods() []unit {
	var c *cause
	if s.allTerminal() {
		p := s.pods[0]
		c = s.cause("selected-pods-all-terminal", clause("all Pods it selects (%d) have finished, and finished Pods are never endpoints", len(s.pods)),
			s.q.see(p, "/status/phase", string(p.Status.Phase)))
		return []unit{{kind: serviceUnit, count: max(1, len(s.bare)), cause: c.because(s.q.podCause(p, s.owner[p.UID]))}}
	}
	var names []string
	for _, w := range s.workloads {
		names = append(names, w.String())
	}
	c = s.cause("selected-workload-has-no-pods", clause("%s, which Service %s selects, has no Pods", enumerate(names, 3), s))
	for _, w := range s.workloads {
		c.evidence = append(c.evidence, s.q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
		if zero := s.q.atZero(w); zero != nil {
			c.because(zero)
		}
	}
	return []unit{{kind: serviceUnit, count: 1, cause: c}}
}

func (s *service) allTerminal() bool {
	return len(s.pods) > 0 && !slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return !terminal(p) })
}

// name finishes a cause that is only "not ready yet": what it waits for is the
// rollout, or what took the capacity, or nothing in particular.
func (s *service) name(u *unit) {
	root := u.cause.root()
	if root.id != "" {
		return
	}
	if u.workload != nil {
		if r := s.q.rollout(u.workload); r != nil {
			if cut := s.cutCapacity(r); cut != nil && s.lost() {
				*root = *cut
				return
			}
			if r.inProgress() {
				*root = *s.q.progress(r)
				return
			}
		}
	}
	ready, _ := s.usable()
	together, at := s.lostTogether()
	switch {
	case ready > 0:
		root.id = "endpoints-partial"
	case together > 0 && s.lost():
		root.id, root.since = "all-endpoints-lost-at-once", at
	case headless(s.svc):
		root.id = "headless-no-addresses"
	default:
		root.id = "no-usable-endpoints"
	}
	root.subject, root.key, root.onset = s.q.subject(s.svc), s.String(), nil
	if u.kind == podUnit {
		root.says = func(who string) string { return who + " should serve and did not become ready yet" }
	}
}

// lost: there are fewer usable endpoints than there were under the same
// demand. A Service that comes up, or grows, has lost nothing.
func (s *service) lost() bool {
	ready, _ := s.usable()
	return ready < min(s.desired, s.peak())
}

// judge decides the state, and what the causes lead to.
func (s *service) judge(a *answer) {
	ready, terminating := s.usable()
	works, fails := s.inside()
	if headless(s.svc) {
		works, fails = ready > 0, ready == 0
	}
	faulty, growing := false, false
	for _, u := range a.units {
		if u.kind == externalUnit || u.kind == nodeUnit {
			continue
		}
		if u.cause.root().grace {
			growing = true
		} else {
			faulty = true
		}
	}
	outside := s.outsideFails(a)
	switch {
	case len(a.classes) > 0 && a.classes[len(a.classes)-1].Result == resultUnknown && len(s.routes) == 0:
		a.state = Unknown
	case !works && growing && !faulty && !s.lost():
		a.state = Converging
	case !works && (fails || len(a.units) > 0):
		a.state = NotServing
	case fails || outside:
		a.state = PartiallyServing
	case ready == 0 && terminating > 0 && !headless(s.svc):
		a.state = Degraded
	case faulty || growing && s.lost():
		a.state = Degraded
	case growing:
		a.state = Converging
	default:
		a.state = Serving
	}
	if s.definitionUnit(a) && a.state != Unknown && s.q.options.Port != "" && findServicePort(s.svc, s.q.options.Port) == nil {
		a.state = NotServing
	}
	if g := a.groups(); a.state == NotServing && len(g) > 0 && g[0].root.id == "workload-scaled-to-zero" {
		a.intent = "Idle"
	}
	s.effects(a, ready, terminating)
	s.sentences(a, ready, terminating)
}

func (s *service) definitionUnit(a *answer) bool {
	return len(a.units) > 0 && a.units[0].kind == serviceUnit
}

// effects lists what the causes lead to, from the workload outwards.
func (s *service) effects(a *answer, ready, terminating int) {
	for _, w := range s.workloads {
		if r := s.q.rollout(w); r != nil {
			a.effects = append(a.effects, s.q.rolloutEffects(r)...)
		}
		if c, _ := s.q.blockedSet(w); c != nil {
			a.effects = append(a.effects, c)
		}
	}
	see := func() []Evidence {
		var rows []Evidence
		for _, sl := range s.slices {
			n := 0
			for i := range sl.Endpoints {
				if epReady(&sl.Endpoints[i]) {
					n++
				}
			}
			rows = append(rows, s.q.see(sl, "/endpoints", fmt.Sprintf("%d of %d ready", n, len(sl.Endpoints))))
		}
		if len(rows) == 0 {
			rows = append(rows, s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP))
		}
		return rows[:min(len(rows), maxRows)]
	}
	switch {
	case a.state == Unknown:
		a.effects = []*cause{s.cause("recording-gap", clause("what Service %s sends to cannot be known: EndpointSlices %s", s, s.q.hole(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace)),
			s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP))}
		a.units = nil
	case ready == 0 && terminating > 0 && !headless(s.svc) && len(s.routes) > 0:
		only := s.onlyTerminating(terminating, see())
		if a.state == Degraded && !slices.ContainsFunc(a.units, func(u unit) bool { return !u.cause.root().grace }) {
			a.units = append([]unit{{kind: serviceUnit, count: terminating, cause: only}}, a.units...)
			only.grace = false
			return
		}
		a.effects = append(a.effects, only)
	case ready == 0 && a.state != Converging && a.state != Serving:
		if n, at := s.lostTogether(); n > 0 {
			c := s.cause("all-endpoints-lost-at-once", clause("all %s of Service %s were lost within %s", quantity(n, "endpoint"), s, lossWindow), see()...)
			c.since = at
			a.effects = append(a.effects, c)
		}
		id, text := "no-usable-endpoints", "Service %s has no usable endpoint: connections are refused"
		if headless(s.svc) {
			id, text = "headless-no-addresses", "the name of headless Service %s does not resolve: no Pod is ready"
		}
		c := s.cause(id, clause(text, s), see()...)
		c.since = s.darkSince()
		a.effects = append(a.effects, c)
	case ready < s.desired && a.state == Degraded:
		c := s.cause("endpoints-partial", clause("%d of %s of Service %s get traffic", ready, quantity(s.desired, "replica"), s), see()...)
		a.effects = append(a.effects, c)
	}
}

func (s *service) onlyTerminating(n int, evidence []Evidence) *cause {
	c := s.cause("only-terminating-endpoints", func(string) string { return "" }, evidence...)
	var end time.Time
	shutting := map[types.UID]bool{}
	for uid, at := range s.listed {
		for _, l := range at {
			if epTerminating(l.endpoint) && epServing(l.endpoint) {
				shutting[uid] = true
			}
		}
	}
	for _, p := range s.pods {
		if shutting[p.UID] && terminating(p) {
			c.evidence = append(c.evidence, s.q.see(p, "/metadata/deletionTimestamp", clock(p.DeletionTimestamp.Time, s.q.now)))
			if p.DeletionTimestamp.After(end) {
				end = p.DeletionTimestamp.Time
			}
		}
	}
	text := fmt.Sprintf("only %s that shut down still serve", quantity(n, "Pod"))
	if n == 1 {
		text = "only 1 Pod that shuts down still serves"
	}
	if !end.IsZero() {
		text += ", until " + clock(end, s.q.now) + " at the latest"
	}
	c.says = clause("%s", text)
	c.evidence = c.evidence[:min(len(c.evidence), maxRows)]
	c.since = s.darkSince()
	return c
}

// sentences says how the answer begins in each state.
func (s *service) sentences(a *answer, ready, terminating int) {
	from := quantity(ready, "Pod")
	if !selectable(s.svc) {
		from = quantity(ready, "endpoint")
	}
	switch a.state {
	case NotServing:
		a.prefix = fmt.Sprintf("Service %s is not serving: ", s)
	case PartiallyServing:
		if works, fails := s.inside(); works && !fails {
			a.prefix = fmt.Sprintf("Service %s serves in-cluster from %s, but ", s, from)
		} else {
			a.prefix = fmt.Sprintf("Service %s serves only in part: ", s)
		}
	case Degraded:
		switch {
		case ready == 0:
			a.prefix = fmt.Sprintf("Service %s is about to go dark: ", s)
		case ready < s.desired:
			a.prefix = fmt.Sprintf("Service %s serves from %d of %s: ", s, ready, quantity(s.desired, "Pod"))
		default:
			a.prefix = fmt.Sprintf("Service %s serves from %s, but ", s, from)
		}
	case Converging:
		a.prefix = fmt.Sprintf("Service %s is changing, with %s ready: ", s, quantity(ready, "endpoint"))
	}
	a.ok = fmt.Sprintf("Traffic should flow: Service %s has %s", s, quantity(ready, "ready endpoint"))
	if a.state == Serving {
		a.steady, a.steadyBut = s.steadySince()
		if at := s.lastReady(); a.steadyBut != "" && at.Before(a.steady) && !at.IsZero() {
			a.steady, a.steadyBut = at, "per status"
		}
	}
}

// lastReady is when the last of the ready Pods became so, per status.
func (s *service) lastReady() time.Time {
	var at time.Time
	for _, p := range s.pods {
		if c := podCondition(p, corev1.PodReady); c != nil && ready(p) && c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}
