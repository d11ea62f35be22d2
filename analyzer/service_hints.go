package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// detachedPods: Pods that left by losing the labels, where others stayed.
func (s *service) detachedPods() []*cause {
	if len(s.pods) == 0 || !s.q.within(s.lastSliceChange(), window) {
		return nil
	}
	if c := s.detached(); c != nil {
		return []*cause{c}
	}
	return nil
}

func (s *service) lastSliceChange() time.Time {
	var at time.Time
	for _, sl := range s.slices {
		if t := s.q.seen(sl).Time; t.After(at) {
			at = t
		}
	}
	return at
}

// mixedPods: the selector mixes Pods of different programs. Canaries do so on
// purpose; where the programs listen on different ports it is hardly meant.
func (s *service) mixedPods() []*cause { return s.mixed(false) }

// mixedPorts: the same, and requests arrive at different ports.
func (s *service) mixedPorts() []*cause { return s.mixed(true) }

func (s *service) mixed(ports bool) []*cause {
	byWorkload := map[types.UID]*workload{}
	var names []string
	mixed, jobs, apart := false, false, ""
	for _, w := range s.workloads {
		if w.active() == 0 {
			continue
		}
		byWorkload[w.meta.UID] = w
		names = append(names, w.String())
		jobs = jobs || !w.scaled
		for _, other := range byWorkload {
			mixed = mixed || s.differ(w, other)
			if apart == "" && w != other {
				apart = s.portsApart(other, w)
			}
		}
	}
	if len(names) < 2 || !mixed && !jobs || ports != (apart != "") {
		return nil
	}
	c := s.cause("selector-too-broad", clause("the selector %s mixes Pods of %s%s", phrase.Pairs(s.svc.Spec.Selector), phrase.Enumerate(names, 4), phrase.Prefixed(": ", apart)), s.q.see(s.svc, "/spec/selector", phrase.Pairs(s.svc.Spec.Selector)))
	c.certainty = Possible
	if ports {
		c.variant = "ports"
	}
	for _, w := range s.workloads[:min(len(s.workloads), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(w.object, "/spec/template/metadata/labels", phrase.Pairs(w.template.Labels)))
	}
	return []*cause{c}
}

// differ: two workloads look like different programs to the Service's clients.
func (s *service) differ(a, b *workload) bool {
	for _, key := range []string{"app.kubernetes.io/name", "app.kubernetes.io/component", "app"} {
		if x, y := a.template.Labels[key], b.template.Labels[key]; x != "" && y != "" && x != y {
			return true
		}
	}
	return s.portsApart(a, b) != ""
}

// portsApart says where a port of the Service leads to different ports of two
// workloads; "" if none does.
func (s *service) portsApart(a, b *workload) string {
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		x, okX := kube.FindPort(&corev1.Pod{Spec: a.template.Spec}, sp)
		y, okY := kube.FindPort(&corev1.Pod{Spec: b.template.Spec}, sp)
		switch {
		case okX && okY && x != y:
			return fmt.Sprintf("port %s leads to %d of one and to %d of the other", phrase.PortLabel(sp), x, y)
		case okX != okY:
			return fmt.Sprintf("port %s leads to one of them only", phrase.PortLabel(sp))
		}
	}
	return ""
}

// undeclaredPort: the Pods declare one port, and the Service sends to another.
// Declaring is only information, so this is a hint.
func (s *service) undeclaredPort() []*cause {
	var found []*cause
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if sp.TargetPort.Type != intstr.Int || len(s.pods) == 0 || !s.asked(sp) {
			continue
		}
		var p *corev1.Pod
		declared, only := false, true
		for _, candidate := range s.pods {
			ports := declaredNumbers(&candidate.Spec)
			declared = declared || slices.Contains(ports, sp.TargetPort.IntVal)
			only = only && len(ports) == 1
			p = candidate
		}
		if declared || !only {
			continue
		}
		have := kube.DeclaredPorts(&p.Spec)
		c := s.cause("target-port-undeclared", clause("port %s sends to %d, but the Pods declare only %s", phrase.PortLabel(sp), sp.TargetPort.IntVal, strings.Join(have, ", ")),
			s.q.see(s.svc, phrase.PortPath(sp)+"/targetPort", sp.TargetPort.String()), s.q.see(p, "/spec/containers/ports", strings.Join(have, ", ")))
		c.certainty, c.key = Possible, phrase.PortLabel(sp)
		found = append(found, c)
	}
	return found
}

func declaredNumbers(spec *corev1.PodSpec) []int32 {
	var numbers []int32
	for c := range kube.PortContainers(spec) {
		for _, p := range c.Ports {
			numbers = append(numbers, p.ContainerPort)
		}
	}
	return numbers
}

// unprobedPort: no readiness probe covers the port, so "ready" says little.
func (s *service) unprobedPort() []*cause {
	for _, w := range s.workloads {
		if len(w.pods) == 0 {
			continue
		}
		p := w.pods[0]
		for i := range s.svc.Spec.Ports {
			sp := &s.svc.Spec.Ports[i]
			number, ok := kube.FindPort(p, sp)
			if !ok || !s.asked(sp) || covered(&p.Spec, number) {
				continue
			}
			c := s.cause("readiness-not-covering-port", clause("no readiness probe of %s covers port %d, so its Pods are ready whether or not they serve it", w, number), s.q.see(p, "/spec/containers/readinessProbe", "none for "+fmt.Sprint(number)))
			c.certainty, c.key = Possible, fmt.Sprint(number)
			return []*cause{c}
		}
	}
	return nil
}

// covered: a readiness probe asks the port, or runs a command that may.
func covered(spec *corev1.PodSpec, number int32) bool {
	for c := range kube.PortContainers(spec) {
		probe := c.ReadinessProbe
		if probe == nil {
			continue
		}
		port := intstr.IntOrString{}
		switch {
		case probe.Exec != nil:
			return true
		case probe.HTTPGet != nil:
			port = probe.HTTPGet.Port
		case probe.TCPSocket != nil:
			port = probe.TCPSocket.Port
		case probe.GRPC != nil:
			port = intstr.FromInt32(probe.GRPC.Port)
		}
		if port.Type == intstr.Int && port.IntVal == number {
			return true
		}
		for _, cp := range c.Ports {
			if port.Type == intstr.String && cp.Name == port.StrVal && cp.ContainerPort == number {
				return true
			}
		}
	}
	return false
}

// unmappedPort: a headless Service has a targetPort that nothing maps.
func (s *service) unmappedPort() []*cause {
	if !kube.Headless(s.svc) {
		return nil
	}
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if sp.TargetPort.Type == intstr.Int && sp.TargetPort.IntVal != 0 && sp.TargetPort.IntVal != sp.Port {
			c := s.cause("headless-port-mapping-ignored", clause("Service %s is headless, so port %d is not mapped to %d: clients must use %d", s, sp.Port, sp.TargetPort.IntVal, sp.TargetPort.IntVal),
				s.q.see(s.svc, phrase.PortPath(sp)+"/targetPort", sp.TargetPort.String()))
			c.certainty = Possible
			return []*cause{c}
		}
	}
	return nil
}

// governing: a StatefulSet names this Service for its Pods' names, and it
// cannot give them.
func (s *service) governing() []*cause {
	for _, set := range list[appsv1.StatefulSet](s.q, store.Query{Namespace: s.svc.Namespace}) {
		if set.Spec.ServiceName != s.svc.Name {
			continue
		}
		why := ""
		switch {
		case !kube.Headless(s.svc):
			why = "it is not headless"
		case kube.Selectable(s.svc) && !kube.Matches(s.svc.Spec.Selector, set.Spec.Template.Labels):
			why = "it does not select its Pods"
		}
		if why == "" {
			continue
		}
		c := s.cause("governing-service-mismatch", clause("Service %s is to give the Pods of StatefulSet %s their names, but %s", s, set.Name, why),
			s.q.see(set, "/spec/serviceName", set.Spec.ServiceName), s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP))
		return []*cause{c}
	}
	return nil
}

// sourceRanges: the load balancer admits only some addresses.
func (s *service) sourceRanges() []*cause {
	ranges := s.svc.Spec.LoadBalancerSourceRanges
	if s.svc.Spec.Type != corev1.ServiceTypeLoadBalancer || len(ranges) == 0 {
		return nil
	}
	client := s.q.client()
	for _, r := range ranges {
		r = strings.TrimSpace(r)
		if strings.HasSuffix(r, "/0") || client != nil && client.Pod == nil && kube.InCIDR(r, client.IP) {
			return nil
		}
	}
	c := s.cause("lb-source-ranges", clause("the load balancer admits only %s", phrase.Enumerate(ranges, 4)), s.q.see(s.svc, "/spec/loadBalancerSourceRanges", strings.Join(ranges, ",")))
	c.certainty = Possible
	return []*cause{c}
}

// externalIPs: nothing in Kubernetes brings traffic to them.
func (s *service) externalIPs() []*cause {
	if len(s.svc.Spec.ExternalIPs) == 0 {
		return nil
	}
	c := s.cause("externalips-unmanaged", clause("nothing in Kubernetes routes the external IPs %s to the nodes", phrase.Enumerate(s.svc.Spec.ExternalIPs, 3)), s.q.see(s.svc, "/spec/externalIPs", strings.Join(s.svc.Spec.ExternalIPs, ",")))
	c.certainty = Possible
	return []*cause{c}
}

// hostNetwork: the endpoints are the nodes' own addresses.
func (s *service) hostNetwork() []*cause {
	for _, p := range s.pods {
		if p.Spec.HostNetwork && !kube.Terminal(p) {
			c := s.cause("hostnetwork-backends", clause("the Pods use their nodes' network: NetworkPolicies do not apply, and one Pod fits a node per port"), s.q.see(p, "/spec/hostNetwork", "true"))
			return []*cause{c}
		}
	}
	return nil
}

// truncated: readers of the old Endpoints object miss addresses.
func (s *service) truncated() []*cause {
	e := get[endpointsV1](s.q, s.svc.Namespace, s.svc.Name)
	if e == nil || e.Annotations[corev1.EndpointsOverCapacity] != "truncated" {
		return nil
	}
	return []*cause{s.cause("endpoints-truncated", clause("Endpoints %s holds only the first 1000 addresses; EndpointSlices have all", s), s.q.see(e, "/metadata/annotations["+corev1.EndpointsOverCapacity+"]", "truncated"))}
}

// doubts are what makes a Service that serves by its slices less than certain:
// endpoints whose readiness is older than the last word of their Node, a port
// that leads where nothing is declared, addresses of Pods that are not ready.
// The state stays what slices say; the certainty does not.
func (s *service) doubts(a *answer, looks ...func(*answer) []*cause) {
	if a.state == Absent || a.state == NotServing || a.state == Unknown {
		return
	}
	for _, look := range looks {
		found := look(a)
		a.risks = append(a.risks, found...)
		a.doubtful = a.doubtful || len(found) > 0
	}
}

// renewals is how many renewals a Node's Lease may miss before what its kubelet
// said last is called old. A kubelet renews four times within the duration.
const renewals = 2

// unheard returns since when a Node was not heard, and what shows it; silent is
// false if it was heard lately, or if nothing tells.
func (q *inquiry) unheard(name string) (since time.Time, row Evidence, silent bool) {
	n := q.node(name)
	if n == nil {
		return time.Time{}, Evidence{}, false
	}
	if c := nodeCondition(n, corev1.NodeReady); c != nil && c.Status != corev1.ConditionTrue {
		return c.LastTransitionTime.Time, q.see(n, phrase.ConditionPath(c.Type)+"/status", string(c.Status)), true
	}
	k := kindOf[coordinationv1.Lease]()
	ref := store.Ref{Resource: k.resource, Namespace: corev1.NamespaceNodeLease, Name: name}
	if !q.view.Coverage(k.resource, ref.Namespace).Status.ContentCurrent() {
		return time.Time{}, Evidence{}, false
	}
	o := q.view.Get(ref)
	if o == nil {
		return time.Time{}, Evidence{}, false
	}
	l := decode[coordinationv1.Lease](q, k, o)
	if l == nil || l.Spec.LeaseDurationSeconds == nil || l.Spec.RenewTime == nil {
		return time.Time{}, Evidence{}, false
	}
	duration := time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
	since = o.Time // and not by the Node's clock
	if t := l.Spec.RenewTime.Time; t.Before(since.Add(-duration)) && q.first(o) {
		since = t
	}
	if duration <= 0 || q.within(since, renewals*duration/4+duration/8) {
		return time.Time{}, Evidence{}, false
	}
	return since, q.see(l, "/spec/renewTime", l.Spec.RenewTime.UTC().Format(time.RFC3339)), true
}

// first reports whether an object is the first recorded version of its name: it
// may have been there long before it was heard.
func (q *inquiry) first(o *Object) bool {
	for old := range q.view.Past(o.Ref()) {
		if old.Seq < o.Seq {
			return false
		}
	}
	return true
}

// writtenAt is when the version of an object was written: when it was heard, or,
// if it was there before anybody listened, the newest time that it carries.
func (q *inquiry) writtenAt(v any) time.Time {
	o := q.seen(v)
	m, ok := v.(metav1.Object)
	if !ok || !q.first(o) {
		return o.Time
	}
	newest := m.GetCreationTimestamp().Time
	later := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	for _, f := range m.GetManagedFields() {
		if f.Time != nil {
			later(f.Time.Time)
		}
	}
	if p, is := v.(*corev1.Pod); is {
		for i := range p.Status.Conditions {
			later(p.Status.Conditions[i].LastTransitionTime.Time)
		}
	}
	if newest.IsZero() || newest.After(o.Time) {
		return o.Time
	}
	return newest
}

// silentNodes: endpoints are ready by their slices, and their Node was not heard
// since: the node controller acts only after its own grace of 40 s or more.
func (s *service) silentNodes(a *answer) []*cause {
	type silence struct {
		since time.Time
		row   Evidence
		pods  []string
	}
	byNode := map[string]*silence{}
	total, old := 0, 0
	counted := map[string]bool{}
	for _, sl := range s.slices {
		if !s.counts(sl) {
			continue
		}
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if !kube.EndpointReady(e) || len(e.Addresses) == 0 || s.gone(e) || counted[e.Addresses[0]] {
				continue
			}
			counted[e.Addresses[0]] = true
			total++
			if e.NodeName == nil {
				continue
			}
			at, known := byNode[*e.NodeName]
			if !known {
				if since, row, silent := s.q.unheard(*e.NodeName); silent {
					at = &silence{since: since, row: row}
				}
				byNode[*e.NodeName] = at
			}
			if at == nil {
				continue
			}
			old++
			if e.TargetRef != nil {
				at.pods = append(at.pods, e.TargetRef.Name)
			}
		}
	}
	var found []*cause
	for name, at := range byNode {
		if at == nil {
			continue
		}
		what := "was last heard at " + phrase.Clock(at.since, s.q.now)
		if at.row.Kind == "Node" {
			what = "is not ready since " + phrase.Clock(at.since, s.q.now)
		}
		c := s.cause("endpoint-on-silent-node", clause("Node %s %s: that %s on it %s ready is older than that", name, what, phrase.Enumerate(at.pods, 3), map[bool]string{true: "is", false: "are"}[len(at.pods) == 1]), at.row)
		c.variant = strings.ToLower(at.row.Kind)
		c.subject, c.key, c.since, c.certainty = s.q.subject(s.q.node(name)), name, at.since, Likely
		c.next = commands(describe("node", "", name))
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b *cause) int { return cmp.Compare(a.key, b.key) })
	if len(found) > 0 && a.state == Serving {
		a.ok = fmt.Sprintf("Service %s has %s, %d of them on Nodes that are heard", s, phrase.Quantity(total, "ready endpoint"), total-old)
	}
	return found
}

// publishedUnready: addresses are handed out, and none of their Pods is ready.
func (s *service) publishedUnready(a *answer) []*cause {
	if !s.svc.Spec.PublishNotReadyAddresses || !kube.Headless(s.svc) || slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return kube.Ready(p) && !kube.Terminating(p) }) {
		return nil
	}
	var row *discoveryv1.EndpointSlice
	n := 0
	for _, sl := range s.slices {
		for i := range sl.Endpoints {
			if kube.EndpointReady(&sl.Endpoints[i]) {
				row = sl
				n++
			}
		}
	}
	if row == nil {
		return nil
	}
	says := fmt.Sprintf("publishes %s although no Pod is ready", phrase.Quantity(n, "address"))
	c := s.cause("publish-not-ready", clause("Service %s %s, as publishNotReadyAddresses asks", s, says),
		s.q.see(s.svc, "/spec/publishNotReadyAddresses", "true"), s.q.see(row, "/endpoints/conditions/ready", "true"))
	c.variant, c.certainty = "none ready", Likely
	for _, p := range s.pods {
		if r := kube.PodCondition(p, corev1.PodReady); r != nil && r.LastTransitionTime.After(c.since) {
			c.since = r.LastTransitionTime.Time
		}
	}
	if a.state == Serving {
		a.ok = fmt.Sprintf("Service %s %s", s, says)
	}
	return []*cause{c}
}

// recentVersions is how many versions of a slice tell what it was before what is now.
const recentVersions = 64

// jobsOnly: the Service is meant for a workload that has no Pod now, or that was
// deleted, and what serves are Pods of Jobs, or that nothing makes, of the same labels.
func (s *service) jobsOnly(a *answer) []*cause {
	var meant, jobs []string
	var rows []Evidence
	for _, w := range s.workloads {
		switch {
		case w.scaled && w.active() > 0:
			return nil
		case w.scaled:
			meant = append(meant, w.String())
			rows = append(rows, s.q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
		case slices.ContainsFunc(w.pods, s.serves):
			jobs = append(jobs, w.String())
			rows = append(rows, s.q.see(w.object, "/spec/template/metadata/labels", phrase.Pairs(w.template.Labels)))
		}
	}
	for _, p := range s.bare {
		if s.serves(p) {
			jobs = append(jobs, "Pod "+p.Name)
			rows = append(rows, s.q.see(p, "/metadata/labels", phrase.Pairs(p.Labels)))
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	if len(meant) == 0 {
		// A Service that bare Pods serve, and come and go, is asked this all its life.
		c := s.workloadDeletedIn(recentVersions, false)
		if c == nil {
			return nil
		}
		text := fmt.Sprintf("only %s serves, and %s", phrase.Enumerate(jobs, 3), c.says(""))
		c.says, c.certainty = clause("%s", text), Likely
		if a.state == Serving {
			a.ok = fmt.Sprintf("Service %s has ready endpoints, but %s", s, text)
		}
		return []*cause{c}
	}
	text := fmt.Sprintf("only the Pods of %s serve, which carry the labels %s, too: %s has none", phrase.Enumerate(jobs, 3), phrase.Pairs(s.svc.Spec.Selector), phrase.Enumerate(meant, 3))
	c := s.cause("selector-too-broad", clause("%s", text), rows...)
	c.variant, c.certainty, c.since = "jobs only", Likely, s.lastSliceChange()
	if a.state == Serving {
		a.ok = fmt.Sprintf("Service %s has ready endpoints, but %s", s, text)
	}
	return []*cause{c}
}
