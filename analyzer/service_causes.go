package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// blame finds the missing units of service and the cause of each.
func (s *service) blame(a *answer) {
	a.units = s.definition()
	if len(a.units) == 0 && kube.Selectable(s.svc) {
		if c := s.cut(); c != nil {
			a.units = []unit{{kind: serviceUnit, count: max(1, s.desired, c.units), cause: c}}
		}
		a.units = append(a.units, s.podUnits()...)
		a.units = append(a.units, s.familyUnits()...)
		s.networkOfNodes(a.units)
		a.units = append(a.units, s.unborn()...)
		if len(a.units) == 0 && len(s.pods) == 0 || s.allTerminal() {
			a.units = append(a.units, s.noPods()...)
		}
	}
	s.stormy(a.units)
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

// cut: somebody took away all endpoints at once, whatever else is wrong.
func (s *service) cut() *cause {
	if c := s.namespaceEnds(); c != nil {
		return c
	}
	return s.switchedAway()
}

// namespaceEnds: the Namespace is being deleted, and took all endpoints with it.
func (s *service) namespaceEnds() *cause {
	if ready, _ := s.usable(); ready > 0 {
		return nil
	}
	for _, c := range s.terminatingService() {
		if c.variant == "namespace" {
			return c
		}
	}
	return nil
}

// switchedAway: the selector was changed from Pods that are ready to Pods of
// which none ever served. The change cut the traffic; what keeps the others from
// being ready comes second.
func (s *service) switchedAway() *cause {
	if ready, terminating := s.usable(); ready > 0 || terminating > 0 || len(s.pods) == 0 {
		return nil
	}
	c := s.selectorEdited()
	if c == nil {
		return nil
	}
	for _, p := range s.pods {
		if kube.Ready(p) && !kube.Terminating(p) {
			return nil // the slices have yet to follow
		}
		for _, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
			if old.UID == p.UID && kube.Ready(old) && !c.since.After(s.q.seen(old).Time) {
				return nil // it served since: what it suffers from is the cause
			}
		}
	}
	return c
}

// familyUnits are families of the Service that no selected Pod has an address of,
// while others serve.
func (s *service) familyUnits() []unit {
	if kube.Headless(s.svc) || len(s.svc.Spec.IPFamilies) < 2 {
		return nil
	}
	if ready, _ := s.usable(); ready == 0 {
		return nil
	}
	for i, f := range s.svc.Spec.IPFamilies {
		var with, without *corev1.Pod
		for _, p := range s.pods {
			switch {
			case kube.Terminal(p) || len(p.Status.PodIPs) == 0:
			case len(kube.PodIPs(p, f)) > 0:
				with = p
			default:
				without = p
			}
		}
		if i == 0 || with != nil || without == nil {
			continue
		}
		by := ""
		c := s.cause("ip-family-mismatch", nil, s.q.see(s.svc, "/spec/ipFamilies", fmt.Sprint(s.svc.Spec.IPFamilies)), s.q.see(without, "/status/podIPs", without.Status.PodIP))
		if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:ipFamilyPolicy"); w != nil {
			by = fmt.Sprintf(", asked for by %s", w)
			c.since = w.time
		}
		policy := ""
		if p := s.svc.Spec.IPFamilyPolicy; p != nil {
			policy = " (" + string(*p) + ")"
		}
		c.says = clause("no Pod has an %s address, so clients of that family%s%s get none of the endpoints", f, policy, by)
		c.variant, c.key = string(f), s.String()+" "+string(f)
		c.onset = func() (time.Time, string) {
			return held(s.q, s.svc, func(old *corev1.Service) bool { return slices.Contains(old.Spec.IPFamilies, f) })
		}
		c.next = commands(s.kubectl("get").Add("-o", "jsonpath={.spec.ipFamilies}"))
		return []unit{{kind: portUnit, count: 1, cause: c}}
	}
	return nil
}

// portUndefined: the port asked about is not one of the Service's.
func (s *service) portUndefined() *cause {
	asked := s.q.options.Port
	if asked == "" || kube.FindServicePort(s.svc, asked) != nil {
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
	c := s.cause("svc-port-undefined", clause("Service %s has no port %s%s; it has %s", s, asked, also, phrase.Enumerate(have, 5)),
		s.q.see(s.svc, "/spec/ports", strings.Join(have, ", ")))
	c.next = commands(s.kubectl("get").Add("-o", "jsonpath={.spec.ports}"))
	return c
}

// selectorless: nobody lists Pods for the Service, and nobody else provides
// endpoints.
func (s *service) selectorless() *cause {
	if kube.Selectable(s.svc) {
		return nil
	}
	for _, sl := range s.slices {
		if s.counts(sl) && slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool { return kube.EndpointUsable(&e) }) {
			return nil // somebody provided them, whether or not they lead anywhere
		}
	}
	c := s.cause("svc-selectorless-no-endpoints", clause("there is no selector, so Kubernetes adds no Pods, and nothing else provides endpoints"),
		s.q.see(s.svc, "/spec/selector", ""))
	s.provided(c)
	for _, sl := range s.slices {
		c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", phrase.Quantity(len(sl.Endpoints), "endpoint")))
	}
	c.next = commands(command.Kubectl("get", "endpointslices", "-n", s.svc.Namespace, "-l", discoveryv1.LabelServiceName+"="+s.svc.Name))
	if deeper := s.invisible(); deeper != nil {
		return c.because(deeper)
	}
	return c.because(s.notMirrored())
}

// provided adds to a cause what provided endpoints until lately: a slice that was
// deleted, or emptied.
func (s *service) provided(c *cause) {
	usable := func(sl *discoveryv1.EndpointSlice) int {
		n := 0
		for i := range sl.Endpoints {
			if s.counts(sl) && kube.EndpointUsable(&sl.Endpoints[i]) {
				n++
			}
		}
		return n
	}
	tell := func(sl *discoveryv1.EndpointSlice, at time.Time, what string) {
		c.says = clause("there is no selector, so Kubernetes adds no Pods, and EndpointSlice %s, which provided %s, %s at %s", sl.Name, phrase.Quantity(usable(sl), "endpoint"), what, phrase.Clock(at, s.q.now))
		e := s.q.see(sl, "/endpoints", phrase.Quantity(usable(sl), "endpoint"))
		e.Note = "final state"
		c.evidence = append(c.evidence, e)
		c.variant, c.since = sl.Name, at
		c.onset = func() (time.Time, string) { return at, "" }
	}
	for _, sl := range s.slices {
		changed := s.q.seen(sl)
		for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if usable(old) > 0 {
				what := "was emptied"
				if len(sl.Endpoints) > 0 {
					what = "was changed to none that is ready"
				}
				tell(old, changed.Time, what)
				return
			}
			changed = o
		}
	}
	k := kindOf[discoveryv1.EndpointSlice]()
	for _, o := range s.q.deleted(store.Query{Resource: k.resource, Namespace: s.svc.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: s.svc.Name}}) {
		if sl := decode[discoveryv1.EndpointSlice](s.q, k, o); sl != nil && usable(sl) > 0 {
			tell(sl, o.Time, "was deleted")
			return
		}
	}
}

// nothingSelected: neither Pods nor workloads carry the labels, or a change
// took them away.
func (s *service) nothingSelected() *cause {
	if !kube.Selectable(s.svc) || len(s.pods) > 0 || len(s.workloads) > 0 {
		return nil
	}
	selector := phrase.Pairs(s.svc.Spec.Selector)
	c := s.cause("selector-matches-nothing", clause("no Pod and no workload in namespace %s carries the labels %s", s.svc.Namespace, selector),
		s.q.see(s.svc, "/spec/selector", selector))
	s.selectorSince(c)
	c.next = commands(
		command.Kubectl("get", "pods", "-n", s.svc.Namespace, "--show-labels"),
		command.Kubectl("get", "pods", "-A", "-l", selector),
	)
	for _, sl := range s.slices {
		if kube.Own(s.svc, sl) {
			c.evidence = append(c.evidence, s.q.see(sl, "/endpoints", phrase.Quantity(len(sl.Endpoints), "endpoint")))
		}
	}
	for _, deeper := range []func() *cause{s.selectorEdited, s.remade, s.otherLabels, s.workloadDeleted, s.relabelled, s.detached, s.typo} {
		found := deeper()
		if found == nil {
			continue
		}
		if found.id == c.id { // the same, and more of it
			return found
		}
		return c.because(found)
	}
	return c
}

// otherLabels: what made the Service's Pods was deleted, and something of its
// name exists whose Pods have other labels. What exists can be selected.
func (s *service) otherLabels() *cause {
	deleted := s.workloadDeleted()
	if deleted == nil {
		return nil
	}
	selector := phrase.Pairs(s.svc.Spec.Selector)
	for _, w := range s.q.templates(s.svc.Namespace, nil, func(labels map[string]string) bool { return len(labels) > 0 }) {
		if w.meta.Name != deleted.subject.Name || kube.Matches(s.svc.Spec.Selector, w.template.Labels) {
			continue
		}
		ready := 0
		for _, p := range list[corev1.Pod](s.q, store.Query{Namespace: s.svc.Namespace, Labels: w.template.Labels}) {
			if kube.Ready(p) && !kube.Terminating(p) {
				ready++
			}
		}
		c := s.cause("selector-matches-nothing", clause("no Pod carries the labels %s: %s %s was deleted, and %s, made at %s, labels its Pods %s (%s)",
			selector, deleted.subject.Kind, deleted.subject.Name, w, phrase.Clock(w.meta.CreationTimestamp.Time, s.q.now), phrase.Pairs(w.template.Labels), phrase.Quantity(ready, "ready Pod")),
			s.q.see(s.svc, "/spec/selector", selector), s.q.see(w.object, "/spec/template/metadata/labels", phrase.Pairs(w.template.Labels)))
		c.evidence = append(c.evidence, deleted.evidence...)
		c.variant, c.since, c.units = "made again", deleted.since, ready
		c.onset = func() (time.Time, string) { return deleted.since, "" }
		c.next = commands(
			s.kubectl("patch").Add("-p", selectorPatch(s.svc.Spec.Selector, matchLabels(w))),
			command.Kubectl("get", "pods", "-n", s.svc.Namespace, "--show-labels"),
		)
		return c
	}
	return nil
}

// matchLabels are the labels by which a workload tells its Pods from others: its
// own selector, else all that it gives them.
func matchLabels(w *workload) map[string]string {
	var selector *metav1.LabelSelector
	switch o := w.object.(type) {
	case *appsv1.Deployment:
		selector = o.Spec.Selector
	case *appsv1.StatefulSet:
		selector = o.Spec.Selector
	case *appsv1.DaemonSet:
		selector = o.Spec.Selector
	case *appsv1.ReplicaSet:
		selector = o.Spec.Selector
	}
	if selector == nil || len(selector.MatchLabels) == 0 {
		return w.template.Labels
	}
	return selector.MatchLabels
}

// remade: what made the Service's Pods was deleted and exists again under its
// name, one label away. What exists now is what can be mended.
func (s *service) remade() *cause {
	deleted := s.workloadDeleted()
	if deleted == nil {
		return nil
	}
	found := s.typo()
	if found == nil {
		return nil
	}
	again := s.q.view.Get(store.Ref{Resource: kindsByName[deleted.subject.Kind].resource, Namespace: deleted.subject.Namespace, Name: deleted.subject.Name})
	if again == nil {
		return nil
	}
	text := found.says("")
	found.says = clause("%s; %s %s was deleted and made again with other labels at %s", text, deleted.subject.Kind, deleted.subject.Name, phrase.Clock(again.Time, s.q.now))
	found.evidence = append(found.evidence, deleted.evidence...)
	found.since = deleted.since
	found.onset = func() (time.Time, string) { return deleted.since, "" }
	return found
}

// podUnits are the selected Pods that should serve and do not.
func (s *service) podUnits() []unit {
	var units []unit
	for _, p := range s.pods {
		if kube.Terminal(p) || kube.Terminating(p) {
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

// unborn are Pods that workloads should have and have not.
func (s *service) unborn() []unit {
	var units []unit
	for _, w := range s.workloads {
		missing := s.q.missing(w)
		if missing > 0 {
			if strays := s.strays(w); len(strays) > 0 {
				n := min(missing, len(strays))
				units = append(units, unit{kind: unbornUnit, count: n, workload: w, cause: s.strayed(w, strays)})
				missing -= n
			}
		}
		if missing > 0 {
			c := s.nameTaken(w)
			if c == nil {
				c = s.q.unbornCause(w)
			}
			units = append(units, unit{kind: unbornUnit, count: missing, workload: w, cause: c})
		}
	}
	return units
}

// nameTaken: a StatefulSet cannot make a Pod while a deleted one of that name is
// still there, whether or not something runs in it.
func (s *service) nameTaken(w *workload) *cause {
	if w.kind != "StatefulSet" {
		return nil
	}
	for _, p := range slices.Concat(s.ended, s.pods) {
		if ref := metav1.GetControllerOfNoCopy(p); ref == nil || ref.UID != w.meta.UID {
			continue
		}
		if c := s.q.stuckTerminating(p); c != nil {
			return c
		}
	}
	return nil
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
	c = s.cause("selected-workload-has-no-pods", clause("%s, which Service %s selects, has no Pods", phrase.Enumerate(names, 3), s))
	for _, w := range s.workloads {
		c.evidence = append(c.evidence, s.q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
		if zero := s.q.atZero(w); zero != nil {
			c.because(zero)
		}
	}
	return []unit{{kind: serviceUnit, count: 1, cause: c}}
}

func (s *service) allTerminal() bool {
	return len(s.pods) > 0 && !slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return !kube.Terminal(p) })
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
				bringBack(cut, r.deployment)
				*root = *cut
				return
			}
			if r.inProgress() {
				*root = *s.q.progress(r)
				return
			}
		}
		if c, _ := s.q.setProgress(u.workload); c != nil && root.grace && !s.darkBeforeSet(u.workload) {
			*root = *c
			return
		}
	}
	ready, _ := s.usable()
	together, at := s.lostTogether()
	switch {
	case ready > 0:
		root.id = "endpoints-partial"
	case together > 0 && s.lost():
		root.id, root.since = "all-endpoints-lost-at-once", at
		root.subject, root.key, root.onset = s.q.subject(s.svc), s.String(), nil
		root.says = func(who string) string {
			return fmt.Sprintf("all its %s were lost within %s, and %s did not become ready yet", phrase.Quantity(together, "endpoint"), lossWindow, who)
		}
		return
	case kube.Headless(s.svc):
		root.id = "headless-no-addresses"
	default:
		root.id = "no-usable-endpoints"
	}
	root.subject, root.key, root.onset = s.q.subject(s.svc), s.String(), nil
	if u.kind == podUnit {
		root.says = func(who string) string { return who + " should serve and did not become ready yet" }
	}
}

// replacing: what is missing are the Pods that StatefulSets and DaemonSets replace
// just now, no more of each than it may.
func (s *service) replacing(a *answer) bool {
	missing := map[*workload]int{}
	for _, u := range a.units {
		if u.kind == externalUnit || u.kind == nodeUnit {
			continue
		}
		if u.workload == nil || u.cause.root().id != "rollout-in-progress" {
			return false
		}
		missing[u.workload] += u.count
	}
	for w, n := range missing {
		if c, most := s.q.setProgress(w); c == nil || n > most {
			return false
		}
	}
	return len(missing) > 0
}

// lost: there are fewer usable endpoints than there were under the same
// demand. A Service that comes up, or grows, has lost nothing.
func (s *service) lost() bool {
	ready, _ := s.usable()
	return ready < s.desired && s.hadMore(ready)
}
