package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

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
			if !kube.EndpointUsable(e) || kube.PodOf(e) == "" {
				continue
			}
			variant, evidence := s.misdirects(sl, e)
			if variant == "" {
				continue
			}
			c := s.misdirection(sl, variant, e.TargetRef.Name)
			if at := s.wrongSince(e.TargetRef, variant); c.id == "endpointslice-stale" && at.After(c.since) {
				c.since = at
			}
			c.evidence = append(c.evidence, evidence...)
			units = append(units, unit{kind: podUnit, count: 1, cause: c})
		}
	}
	return units
}

// misdirects tells what is wrong with an endpoint that takes traffic, once the
// slices had the time to follow; "" if nothing is.
func (s *service) misdirects(sl *discoveryv1.EndpointSlice, e *discoveryv1.Endpoint) (variant string, evidence []Evidence) {
	row := func() Evidence {
		return s.q.see(sl, "/endpoints[targetRef="+e.TargetRef.Name+"]/conditions/ready", fmt.Sprint(kube.EndpointReady(e)))
	}
	if s.gone(e) {
		return "pod-gone", []Evidence{row()}
	}
	p := s.podBehind(e.TargetRef)
	if p == nil && kube.EndpointReady(e) && s.unseen(e.TargetRef) {
		return "pod-unseen", []Evidence{row()}
	}
	if p == nil || s.svc.Spec.PublishNotReadyAddresses || !kube.EndpointReady(e) || kube.Ready(p) && !kube.Terminal(p) || s.q.within(s.q.writtenAt(p), sliceGrace) {
		return "", nil
	}
	return "wrong-ready", []Evidence{row(), s.q.see(p, phrase.ConditionPath(corev1.PodReady)+"/status", "False")}
}

// wrongSince is since when the Pod of an endpoint is not what the endpoint says.
func (s *service) wrongSince(ref *corev1.ObjectReference, variant string) time.Time {
	o, p := s.lastPod(ref)
	switch {
	case p == nil:
		return time.Time{}
	case variant == "pod-gone":
		return o.Time
	}
	if at, heard := s.changedTo(p, false); heard {
		return at
	}
	if c := kube.PodCondition(p, corev1.PodReady); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// misdirection is why a slice still lists what it should not.
func (s *service) misdirection(sl *discoveryv1.EndpointSlice, variant, pod string) *cause {
	switch {
	case !kube.Selectable(s.svc) && kube.Own(s.svc, sl):
		c := s.frozenSlice(sl)
		c.variant = variant
		return c
	case kube.ManagedBy(sl) != kube.SliceController:
		c := s.cause("foreign-endpointslice", clause("EndpointSlice %s, which %s manages, sends traffic to Pod %s, which cannot take it", sl.Name, phrase.ManagerName(sl), pod))
		c.key, c.variant, c.since = sl.Name, variant, s.q.seen(sl).Time
		return c
	}
	what := map[string]string{"pod-gone": "is gone", "wrong-ready": "is not ready", "pod-unseen": "did not exist when the recording began"}[variant]
	c := s.cause("endpointslice-stale", clause("EndpointSlice %s still sends traffic to Pod %s, which %s", sl.Name, pod, what))
	c.key, c.variant, c.since = sl.Name, variant, s.q.seen(sl).Time
	if variant == "pod-unseen" { // since when, only time will tell
		c.grace, c.certainty, c.since = true, Likely, s.q.view.Start()
	}
	return c.because(s.writesRefused(c.since)).because(s.controllersStalled())
}

// writesRefused: the controller says that it could not write the slices.
func (s *service) writesRefused(since time.Time) *cause {
	for _, e := range s.q.events(s.svc) {
		if !strings.HasPrefix(e.Reason, "FailedTo") || !strings.HasSuffix(e.Reason, "EndpointSlices") || eventTime(e).Before(since.Add(-sliceGrace)) {
			continue
		}
		c := s.cause("endpointslice-write-refused", clause("the API server refuses to write the EndpointSlices of Service %s: %s", s, phrase.FirstWords(refused(e.Message), 200)),
			s.q.see(e, "/message", e.Message))
		c.variant, c.certainty, c.since = "", Likely, e.FirstTimestamp.Time
		if c.since.IsZero() {
			c.since = eventTime(e)
		}
		c.next = commands(command.Kubectl("get", "events", "-n", s.svc.Namespace, "--field-selector", "involvedObject.name="+s.svc.Name))
		s.q.wording(func() {
			if config, path := s.q.webhook(e.Message); config != nil {
				c.evidence = append(c.evidence, s.q.see(config, path, ""))
				o := s.q.subject(config)
				c.next = append(commands(describe(strings.ToLower(o.Kind), "", o.Name)), c.next...)
			}
			if m := policyNames().FindStringSubmatch(e.Message); m != nil {
				s.q.refusingPolicy(c, nil, m[1], m[2])
			}
		})
		return c
	}
	return nil
}

// frozen: the selector is gone, and the slices of its time are still there.
func (s *service) frozen() []*cause {
	if kube.Selectable(s.svc) || s.svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	for _, sl := range s.slices {
		if kube.Own(s.svc, sl) && len(sl.Endpoints) > 0 {
			return []*cause{s.frozenSlice(sl)}
		}
	}
	return nil
}

func (s *service) frozenSlice(sl *discoveryv1.EndpointSlice) *cause {
	c := s.cause("slices-frozen", clause("the selector was removed, and the endpoints stay as they were then"),
		s.q.see(sl, "/endpoints", phrase.Quantity(len(sl.Endpoints), "endpoint")), s.q.see(s.svc, "/spec/selector", ""))
	c.since = s.q.seen(sl).Time
	c.next = []next{{advice: "restore the selector, or delete EndpointSlice " + command.Quote(sl.Name)}}
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID {
			break
		}
		if kube.Selectable(old) {
			c.evidence[1].Old = phrase.Pairs(old.Spec.Selector)
			break
		}
		c.since = o.Time
	}
	return c
}

// foreign: somebody else's slice with the Service's label gets a share of the
// traffic.
func (s *service) foreign() []*cause {
	if !kube.Selectable(s.svc) {
		return s.twoHands()
	}
	for _, sl := range s.slices {
		usable := slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool { return kube.EndpointUsable(&e) })
		if kube.ManagedBy(sl) != kube.SliceController && usable && s.counts(sl) {
			c := s.cause("foreign-endpointslice", clause("traffic is shared with EndpointSlice %s, which %s manages", sl.Name, phrase.ManagerName(sl)), s.q.see(sl, "/metadata/labels["+discoveryv1.LabelManagedBy+"]", kube.ManagedBy(sl)))
			c.since = s.q.seen(sl).Time
			return []*cause{c}
		}
	}
	return nil
}

// twoHands: without a selector, a slice made by hand and one that is copied from
// Endpoints of the same name share the traffic. Whoever keeps the one may not know
// of the other.
func (s *service) twoHands() []*cause {
	var copied, made *discoveryv1.EndpointSlice
	for _, sl := range s.slices {
		switch usable := slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool { return kube.EndpointUsable(&e) }); {
		case !usable || !s.counts(sl):
		case kube.ManagedBy(sl) == kube.MirrorController:
			copied = sl
		case !kube.Own(s.svc, sl):
			made = sl
		}
	}
	if copied == nil || made == nil {
		return nil
	}
	c := s.cause("foreign-endpointslice", clause("traffic is shared by EndpointSlice %s, which %s manages, and EndpointSlice %s, a copy of Endpoints %s", made.Name, phrase.ManagerName(made), copied.Name, s),
		s.q.see(copied, "/metadata/labels["+discoveryv1.LabelManagedBy+"]", kube.ManagedBy(copied)), s.q.see(made, "/metadata/labels["+discoveryv1.LabelManagedBy+"]", kube.ManagedBy(made)))
	c.variant, c.since = "two hands", s.q.seen(copied).Time
	c.next = commands(command.Kubectl("get").Add(command.Object("endpoints", s.svc.Namespace, s.svc.Name)...).Add("-o", "yaml"))
	return []*cause{c}
}

// invisible returns the cause if a slice of the Service has endpoints that
// kube-proxy cannot use.
func (s *service) invisible() *cause {
	for _, sl := range s.slices {
		if c := s.invisibleSlice(sl); c != nil {
			return c
		}
	}
	return nil
}

// invisibleSlice returns why kube-proxy gets no backend from a slice that has
// endpoints; nil if it gets some, or is not concerned.
func (s *service) invisibleSlice(sl *discoveryv1.EndpointSlice) *cause {
	if !kube.Proxied(s.svc) || len(sl.Endpoints) == 0 || kube.ManagedBy(sl) == kube.SliceController || s.counts(sl) {
		return nil
	}
	path, value, why := "/ports", strings.Join(slicePorts(sl), ","), ""
	_, isHeadless := sl.Labels[corev1.IsHeadlessService]
	switch {
	case isHeadless:
		path, value, why = "/metadata/labels", corev1.IsHeadlessService, "it has the label of a headless Service"
	case !kube.ProxyVisible(sl):
		path, value, why = "/addressType", string(sl.AddressType), fmt.Sprintf("its address type is %s", sl.AddressType)
	case len(sl.Ports) == 0:
		why = "it has no port"
	default:
		why = fmt.Sprintf("its ports (%s) carry none of the names and protocols of the Service's ports (%s)", value, phrase.ServicePorts(s.svc))
	}
	c := s.cause("slice-invisible-to-proxy", clause("kube-proxy cannot use EndpointSlice %s: %s", sl.Name, why),
		s.q.see(sl, path, value), s.q.see(s.svc, "/spec/ports", phrase.ServicePorts(s.svc)))
	c.key, c.since = sl.Name, s.q.seen(sl).Time
	c.next = commands(command.Kubectl("get").Add(command.Object("endpointslice", sl.Namespace, sl.Name)...).Add("-o", "yaml"))
	return c
}

// notMirrored: there are Endpoints made by hand, and nothing copies them into
// slices.
func (s *service) notMirrored() *cause {
	e := get[endpointsV1](s.q, s.svc.Namespace, s.svc.Name)
	if e == nil || len(e.Subsets) == 0 {
		return nil
	}
	for _, sl := range s.slices {
		if kube.ManagedBy(sl) == kube.MirrorController {
			return nil
		}
	}
	why, path, value := "", "/subsets", phrase.Quantity(len(e.Subsets), "subset")
	switch {
	case e.Labels[discoveryv1.LabelSkipMirror] == "true":
		why, path, value = "its label says to skip it", "/metadata/labels["+discoveryv1.LabelSkipMirror+"]", "true"
	case e.Annotations["control-plane.alpha.kubernetes.io/leader"] != "":
		why, path, value = "it is a lock of leader election", "/metadata/annotations", "control-plane.alpha.kubernetes.io/leader"
	}
	c := s.cause("endpoints-not-mirrored", clause("Endpoints %s is not copied into EndpointSlices%s", s, phrase.Prefixed(": ", why)), s.q.see(e, path, value))
	c.since = s.q.seen(e).Time
	c.grace = s.q.within(c.since, sliceGrace)
	return c
}

// podCause returns why a selected Pod does not serve; nil if it does.
func (s *service) podCause(p *corev1.Pod) *cause {
	switch {
	case s.serves(p) && !kube.Ready(p):
		return s.published(p)
	case s.serves(p):
		return s.q.crashesBetween(p, s.owner[p.UID])
	case !kube.Ready(p) && !s.svc.Spec.PublishNotReadyAddresses:
		return s.q.podCause(p, s.owner[p.UID])
	}
	for _, rung := range []func(*corev1.Pod) *cause{s.nodeMissing, s.familyMismatch, s.portUnresolved, s.noSlice, s.hiddenSlice, s.stale} {
		if c := rung(p); c != nil {
			return c
		}
	}
	return nil
}

// published: the Pod is not ready and gets traffic all the same, as the Service
// asks. Of a headless one peers ask for names in order to become ready, which is no fault
// before the Pod was.
func (s *service) published(p *corev1.Pod) *cause {
	if !s.svc.Spec.PublishNotReadyAddresses || kube.Headless(s.svc) && !s.q.wasReady(p) {
		return nil
	}
	c := s.cause("publish-not-ready", about("must take traffic without being ready, as publishNotReadyAddresses asks"),
		s.q.see(s.svc, "/spec/publishNotReadyAddresses", "true"), s.q.see(p, phrase.ConditionPath(corev1.PodReady)+"/status", "False"))
	return c.because(s.q.podCause(p, s.owner[p.UID]))
}

// wasReady reports whether the Pod was ready before: it was recorded so, or it became
// unready after its containers had started. One that never was is so since before that.
func (q *inquiry) wasReady(p *corev1.Pod) bool {
	if c := kube.PodCondition(p, corev1.PodReady); c != nil && len(p.Status.ContainerStatuses) > 0 && !slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Running == nil || !c.LastTransitionTime.After(s.State.Running.StartedAt.Add(time.Second))
	}) {
		return true
	}
	n := 0
	for o, old := range past[corev1.Pod](q, p.Namespace, p.Name) {
		if n++; o.UID != p.UID || n > maxHistory {
			return false
		}
		if kube.Ready(old) {
			return true
		}
	}
	return false
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
	c.next = commands(command.Kubectl("get", "nodes"), command.Kubectl("delete").Add(command.Object("pod", p.Namespace, p.Name)...))
	return c
}

// familyMismatch: no selected Pod has an address of one of the families.
func (s *service) familyMismatch(p *corev1.Pod) *cause {
	for i, f := range kube.Families(s.svc) {
		if len(kube.PodIPs(p, f)) > 0 || len(p.Status.PodIPs) == 0 {
			continue
		}
		if i > 0 && slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return len(kube.PodIPs(p, f)) > 0 }) {
			continue
		}
		c := s.cause("ip-family-mismatch", func(who string) string {
			return fmt.Sprintf("%s could not be listed for %s: no address of that family", who, f)
		}, s.q.see(s.svc, "/spec/ipFamilies", fmt.Sprint(kube.Families(s.svc))), s.q.see(p, "/status/podIPs", p.Status.PodIP))
		c.key += " " + string(f)
		return c
	}
	return nil
}

// portUnresolved: the Pod has no port of the name the Service sends to.
func (s *service) portUnresolved(p *corev1.Pod) *cause {
	for i := range s.svc.Spec.Ports {
		sp := &s.svc.Spec.Ports[i]
		if _, ok := kube.FindPort(p, sp); ok || !s.asked(sp) {
			continue
		}
		have := kube.DeclaredPorts(&p.Spec)
		declare := "no ports"
		if len(have) > 0 {
			declare = phrase.Enumerate(have, 4)
		}
		c := s.cause("target-port-name-unresolved", func(who string) string {
			if other := otherProtocol(&p.Spec, sp); other != "" {
				return fmt.Sprintf("port %s is %s, and %q on %s is %s", phrase.PortLabel(sp), sp.Protocol, sp.TargetPort.StrVal, who, other)
			}
			return fmt.Sprintf("port %s sends to targetPort %q, which does not exist on %s (declared: %s)", phrase.PortLabel(sp), sp.TargetPort.StrVal, who, declare)
		}, s.q.see(s.svc, phrase.PortPath(sp)+"/targetPort", sp.TargetPort.StrVal), s.q.see(p, "/spec/containers/ports", strings.Join(have, ", ")))
		for _, l := range s.listed[p.UID] {
			if !hasPort(l.slice, sp) {
				c.evidence = append(c.evidence, s.q.see(l.slice, "/ports", strings.Join(slicePorts(l.slice), ",")))
				break
			}
		}
		c.key += " " + phrase.PortLabel(sp)
		c.since = p.CreationTimestamp.Time
		c.next = commands(
			command.Kubectl("get").Add(command.Object("pod", p.Namespace, p.Name)...).Add("-o", "jsonpath={.spec.containers[*].ports}"),
			s.kubectl("edit"),
		)
		s.portBefore(c, p, sp)
		return c
	}
	return nil
}

// portBefore adds to a cause what a port of the Service sent to before, if the Pod
// has that: the way back. Without one, a name one slip away is proposed, or the only
// one there is.
func (s *service) portBefore(c *cause, p *corev1.Pod, sp *corev1.ServicePort) {
	changed := s.q.seen(s.svc)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		was := samePort(old, s.svc, sp)
		if o.UID != s.svc.UID || was == nil {
			break
		}
		if was.TargetPort == sp.TargetPort && was.Protocol == sp.Protocol {
			changed = o
			continue
		}
		if _, ok := kube.FindPort(p, was); !ok {
			break
		}
		c.evidence[0].Old, c.since = was.TargetPort.String(), changed.Time
		c.onset = func() (time.Time, string) { return changed.Time, "" }
		c.next = append(commands(s.kubectl("patch").Add("-p", portPatch(sp, was))), c.next...)
		return
	}
	var names, near []string
	for container := range kube.PortContainers(&p.Spec) {
		for _, cp := range container.Ports {
			if cp.Name == "" || cmp.Or(cp.Protocol, corev1.ProtocolTCP) != cmp.Or(sp.Protocol, corev1.ProtocolTCP) {
				continue
			}
			names = append(names, cp.Name)
			if Distance(cp.Name, sp.TargetPort.StrVal) <= 2 {
				near = append(near, cp.Name)
			}
		}
	}
	if len(near) == 0 && len(names) == 1 {
		near = names
	}
	if len(near) > 0 {
		meant := *sp
		meant.TargetPort = intstr.FromString(near[0])
		c.next = append(commands(s.kubectl("patch").Add("-p", portPatch(sp, &meant))), c.next...)
	}
}

// otherProtocol returns the port that has the name a Service port sends to, with
// another protocol: "8080/TCP"; "" if none has.
func otherProtocol(spec *corev1.PodSpec, sp *corev1.ServicePort) string {
	for c := range kube.PortContainers(spec) {
		for _, cp := range c.Ports {
			if cp.Name == sp.TargetPort.StrVal && cp.Protocol != sp.Protocol {
				return fmt.Sprintf("%d/%s", cp.ContainerPort, cp.Protocol)
			}
		}
	}
	return ""
}

// noSlice: the controller has not written any slice of its own.
func (s *service) noSlice(*corev1.Pod) *cause {
	for _, sl := range s.slices {
		if kube.Own(s.svc, sl) {
			return nil
		}
	}
	c := s.cause("endpointslice-missing", clause("the controller has written no EndpointSlice"),
		s.q.absent(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace, s.svc.Name+"-..."))
	c.grace = s.q.within(s.svc.CreationTimestamp.Time, sliceGrace)
	c.next = commands(leaseOf("kube-controller-manager"))
	return c.because(s.writesRefused(s.svc.CreationTimestamp.Time)).because(s.controllersStalled())
}

// hiddenSlice: the Pod is listed where kube-proxy does not look.
func (s *service) hiddenSlice(p *corev1.Pod) *cause {
	for _, l := range s.listed[p.UID] {
		if c := s.invisibleSlice(l.slice); c != nil && kube.EndpointReady(l.endpoint) {
			return c
		}
	}
	return nil
}

// stale: the Pod is ready, and its endpoint does not say so.
func (s *service) stale(p *corev1.Pod) *cause {
	changed := s.q.writtenAt(p)
	if t := s.q.writtenAt(s.svc); t.After(changed) {
		changed = t
	}
	c := s.cause("endpointslice-stale", about("could serve, but the EndpointSlices of Service %s do not say so", s),
		s.q.see(p, phrase.ConditionPath(corev1.PodReady)+"/status", "True"))
	c.since, c.grace = changed, s.q.within(changed, sliceGrace)
	if len(s.listed[p.UID]) == 0 {
		c.variant = "missing"
		for _, sl := range s.slices {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", phrase.Quantity(len(sl.Endpoints), "endpoint")))
		}
	}
	for _, l := range s.listed[p.UID] {
		c.variant = "wrong-ready"
		c.evidence = append(c.evidence, s.q.see(l.slice, "/endpoints[targetRef="+p.Name+"]/conditions/ready", fmt.Sprint(kube.EndpointReady(l.endpoint))))
	}
	c.next = commands(command.Kubectl("get", "events", "-n", s.svc.Namespace, "--field-selector", "involvedObject.name="+s.svc.Name))
	return c.because(s.writesRefused(changed)).because(s.controllersStalled())
}
