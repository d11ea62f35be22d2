package analyzer

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
)

// steps are the questions of the checklist: kubespy's six, and two more.
var steps = map[string]string{
	"C1": "Service exists and selects Pods",
	"C2": "Pods run and are ready",
	"C3": "EndpointSlices list the Pods",
	"C4": "DNS name resolves",
	"C5": "Service IP leads to endpoints",
	"C6": "kube-proxy works",
	"C7": "reachable from outside",
	"C8": "policies allow the traffic",
}

const (
	yes           = "yes"
	no            = "no"
	unknown       = "unknown"
	notApplicable = "n/a"
)

// checklist answers each question by itself: a user must see which step fails
// even where the cause lies elsewhere.
func (s *service) checklist(a *answer) []Step {
	step := func(code, result, evidence string) Step { return Step{code, steps[code], result, evidence} }
	var list []Step
	for _, q := range []struct {
		code string
		ask  func(*answer) (result, evidence string)
	}{
		{"C1", s.selects},
		{"C2", s.running},
		{"C3", s.listsPods},
		{"C4", s.resolves},
		{"C5", s.leads},
		{"C6", s.proxyWorks},
		{"C7", s.reachable},
		{"C8", s.allowed},
	} {
		result, evidence := q.ask(a)
		list = append(list, step(q.code, result, evidence))
	}
	return list
}

// absentChecklist is that of a Service that does not exist: there is nothing
// to look at behind its name.
func absentChecklist(why string) []Step {
	var list []Step
	for _, code := range []string{"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"} {
		step := Step{code, steps[code], notApplicable, ""}
		if code == "C1" || code == "C4" {
			step.Result, step.Evidence = no, why
		}
		list = append(list, step)
	}
	return list
}

// blamed returns the first cause at work that answers a step and, unless traits
// is 0, has one of them.
func (a *answer) blamed(code string, traits registry.Trait) *cause {
	for _, u := range a.units {
		for _, c := range u.cause.chain() {
			if d := registry.Known(c.id); d != nil && d.HasStep(code) && (traits == 0 || d.Is(traits)) {
				return c
			}
		}
	}
	return nil
}

func (s *service) selects(a *answer) (string, string) {
	switch {
	case s.svc.Spec.Type == corev1.ServiceTypeExternalName:
		return yes, "it exists, as an alias for " + s.svc.Spec.ExternalName
	case !kube.Selectable(s.svc):
		if c := a.blamed("C1", 0); c != nil {
			return no, "it has no selector and no endpoints"
		}
		return yes, "it exists, without a selector"
	}
	selector := phrase.Pairs(s.svc.Spec.Selector)
	for _, u := range a.units {
		for _, c := range u.cause.chain() {
			if c.layer() == registry.Selection && !registry.Lookup(c.id).Is(registry.SelectorFits) {
				return no, selector + " matches no Pod"
			}
		}
	}
	if len(s.pods) == 0 {
		if !s.q.covered(kindOf[corev1.Pod](), s.svc.Namespace) {
			return unknown, "Pods were not all recorded"
		}
		return yes, fmt.Sprintf("%s selects %s", selector, phrase.Enumerate(workloadNames(s.workloads), 2))
	}
	return yes, fmt.Sprintf("%s selects %s", selector, phrase.Quantity(len(s.pods), "Pod"))
}

func workloadNames(ws []*workload) []string {
	var names []string
	for _, w := range ws {
		names = append(names, w.String())
	}
	return names
}

func (s *service) running(a *answer) (string, string) {
	if !kube.Selectable(s.svc) {
		return notApplicable, ""
	}
	up, live := 0, 0
	for _, p := range s.pods {
		if kube.Terminal(p) || kube.Terminating(p) {
			continue
		}
		live++
		if kube.Ready(p) {
			up++
		}
	}
	switch {
	case !s.q.covered(kindOf[corev1.Pod](), s.svc.Namespace):
		return unknown, "Pods were not all recorded"
	case len(s.pods) == 0 && a.blamed("C1", registry.StrandsPods) != nil:
		return yes, "the Pods it misses are ready"
	case len(s.pods) == 0 && len(s.workloads) == 0:
		return notApplicable, "no Pod to look at"
	case live == 0, up < live, up < s.desired:
		return no, fmt.Sprintf("%d of %s ready", up, phrase.Quantity(max(s.desired, live), "Pod"))
	}
	return yes, fmt.Sprintf("%s ready", phrase.Quantity(up, "Pod"))
}

func (s *service) listsPods(a *answer) (string, string) {
	ready, terminating := s.usable()
	have := phrase.Quantity(ready, "ready endpoint")
	if terminating > 0 {
		have += fmt.Sprintf(", %d terminating", terminating)
	}
	switch {
	case s.svc.Spec.Type == corev1.ServiceTypeExternalName:
		return notApplicable, ""
	case !s.q.covered(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace):
		return unknown, "EndpointSlices were not all recorded"
	case a.blamed("C3", registry.BreaksListing) != nil:
		return no, have
	case kube.Selectable(s.svc) && len(s.pods) == 0:
		return notApplicable, "no Pod to list"
	case ready == 0 && terminating == 0:
		return no, have
	}
	return yes, have
}

func (s *service) resolves(a *answer) (string, string) {
	for _, c := range a.classes {
		if c.Class == "headless" && c.Result == kube.ResultNXDomain || c.Class == "externalname" && c.Result != "CNAME" {
			return no, c.Detail
		}
	}
	return s.q.dns()
}

func (s *service) leads(a *answer) (string, string) {
	if s.svc.Spec.Type == corev1.ServiceTypeExternalName || kube.Headless(s.svc) {
		return notApplicable, "it has no IP of its own"
	}
	if c := a.blamed("C5", registry.BreaksAddress); c != nil {
		return no, c.id
	}
	for _, c := range a.classes {
		if c.Class != "cluster" {
			continue
		}
		switch c.Result {
		case kube.ResultOK:
			return yes, s.svc.Spec.ClusterIP + " leads to " + c.Detail
		case kube.ResultUnknown, "NOT_PROXIED":
			return unknown, c.Detail
		case kube.ResultBlackhole:
			return no, "the endpoints lead nowhere"
		}
	}
	return notApplicable, "no endpoint to lead to"
}

func (s *service) reachable(a *answer) (string, string) {
	var parts []string
	result := notApplicable
	for _, c := range a.classes {
		if c.Class != "nodeport" && c.Class != "lb" && c.Class != "ingress" {
			continue
		}
		parts = append(parts, c.Class+" "+c.Result)
		switch {
		case c.Result != kube.ResultOK:
			result = no
		case result == notApplicable:
			result = yes
		}
	}
	return result, strings.Join(parts, ", ")
}
