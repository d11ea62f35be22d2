package analyzer

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

// judge decides the state, and what the causes lead to.
func (s *service) judge(a *answer) {
	ready, terminating := s.usable()
	works, fails := s.inside()
	if kube.Headless(s.svc) {
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
	case len(a.classes) > 0 && a.classes[len(a.classes)-1].Result == kube.ResultUnknown && len(s.routes) == 0:
		a.state = Unknown
	case !works && growing && !faulty && !s.lost():
		a.state = Converging
	case !works && (fails || len(a.units) > 0):
		a.state = NotServing
	case fails || outside:
		a.state = PartiallyServing
	case ready == 0 && terminating > 0 && !kube.Headless(s.svc):
		a.state = Degraded
	case faulty || growing && s.lost() && !s.replacing(a):
		a.state = Degraded
	case growing:
		a.state = Converging
	default:
		a.state = Serving
	}
	if s.definitionUnit(a) && a.state != Unknown && s.q.options.Port != "" && kube.FindServicePort(s.svc, s.q.options.Port) == nil {
		a.state = NotServing
	}
	if g := a.groups(); a.state == NotServing && len(g) > 0 && g[0].root.id == "workload-scaled-to-zero" {
		a.intent = "Idle"
	}
	a.doubtful = a.doubtful || a.state != NotServing && a.state != Unknown && s.leaving()
	faults := len(a.units) > 0
	s.effects(a, ready, terminating)
	switch {
	case a.state == Unknown:
	case faults: // the headline is among them
		s.q.telling(func() { s.rollouts(a) })
	default:
		s.rollouts(a)
	}
	s.q.telling(func() { s.sentences(a, ready, terminating) })
	s.q.wording(func() { s.dateDark(a) })
}

// leaving: every Pod that traffic can reach is being deleted, whatever its slice says yet
// and whatever the cause is. Its process ends before its grace does, and no object tells.
func (s *service) leaving() bool {
	any := false
	for _, sl := range s.slices {
		if !s.counts(sl) {
			continue
		}
		for i := range sl.Endpoints {
			e := &sl.Endpoints[i]
			if !kube.EndpointUsable(e) || s.gone(e) {
				continue
			}
			if p := s.byUID[kube.PodOf(e)]; !kube.EndpointTerminating(e) && (p == nil || !kube.Terminating(p)) {
				return false
			}
			any = true
		}
	}
	return any
}

func (s *service) definitionUnit(a *answer) bool {
	return len(a.units) > 0 && a.units[0].kind == serviceUnit
}

// rollouts puts what the causes lead to in the workloads first.
func (s *service) rollouts(a *answer) {
	var found []*cause
	for _, w := range s.workloads {
		if r := s.q.rollout(w); r != nil {
			found = append(found, s.q.rolloutEffects(r)...)
		}
		if c, _ := s.q.blockedSet(w); c != nil {
			found = append(found, c)
		}
	}
	a.effects = append(found, a.effects...)
}

// effects lists what the causes lead to in the Service.
func (s *service) effects(a *answer, ready, terminating int) {
	see := func() []Evidence {
		var rows []Evidence
		for _, sl := range s.slices {
			n := 0
			for i := range sl.Endpoints {
				if kube.EndpointReady(&sl.Endpoints[i]) {
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
		seen := ""
		if len(s.slices) > 0 {
			seen = " (last seen: " + phrase.Quantity(ready, "ready endpoint") + ")"
		}
		a.effects = []*cause{s.cause("recording-gap", clause("nothing tells whether Service %s serves%s: EndpointSlices %s", s, seen, s.q.hole(kindOf[discoveryv1.EndpointSlice](), s.svc.Namespace)),
			s.q.see(s.svc, "/spec/clusterIP", s.svc.Spec.ClusterIP))}
		a.units = nil
	case ready == 0 && terminating > 0 && !kube.Headless(s.svc) && len(s.routes) > 0:
		only := s.onlyTerminating(terminating, see())
		if a.state == Degraded && !slices.ContainsFunc(a.units, func(u unit) bool { return !u.cause.root().grace }) {
			a.units = append([]unit{{kind: serviceUnit, count: terminating, cause: only}}, a.units...)
			only.grace = false
			return
		}
		a.effects = append(a.effects, only)
	case ready == 0 && a.state != Converging && a.state != Serving:
		if n, at := s.lostTogether(); n > 0 {
			c := s.cause("all-endpoints-lost-at-once", clause("%s of Service %s were lost within %s", phrase.AllOf(n, "endpoint"), s, lossWindow), see()...)
			c.since = at
			a.effects = append(a.effects, c)
		}
		id, text := "no-usable-endpoints", "Service %s has no usable endpoint: connections are refused"
		if kube.Headless(s.svc) {
			id, text = "headless-no-addresses", "the name of headless Service %s does not resolve: no Pod is ready"
		}
		c := s.cause(id, clause(text, s), see()...)
		c.since = s.darkSince()
		a.effects = append(a.effects, c)
	case ready < s.desired && a.state == Degraded:
		c := s.cause("endpoints-partial", clause("%d of %s of Service %s get traffic", ready, phrase.Quantity(s.desired, "replica"), s), see()...)
		a.effects = append(a.effects, c)
	}
}

func (s *service) onlyTerminating(n int, evidence []Evidence) *cause {
	c := s.cause("only-terminating-endpoints", func(string) string { return "" }, evidence...)
	var end time.Time
	shutting := map[types.UID]bool{}
	for uid, at := range s.listed {
		for _, l := range at {
			if kube.EndpointTerminating(l.endpoint) && kube.EndpointServing(l.endpoint) {
				shutting[uid] = true
			}
		}
	}
	for _, p := range s.pods {
		if shutting[p.UID] && kube.Terminating(p) {
			c.evidence = append(c.evidence, s.q.see(p, "/metadata/deletionTimestamp", phrase.Clock(p.DeletionTimestamp.Time, s.q.now)))
			if p.DeletionTimestamp.After(end) {
				end = p.DeletionTimestamp.Time
			}
		}
	}
	text := fmt.Sprintf("only %s that shut down still serve", phrase.Quantity(n, "Pod"))
	if n == 1 {
		text = "only 1 Pod that shuts down still serves"
	}
	if !end.IsZero() {
		if end.After(s.q.now) {
			text += ", until " + phrase.Clock(end, s.q.now) + " at the latest"
		} else {
			text += ", and were to end by " + phrase.Clock(end, s.q.now)
		}
	}
	c.says, c.certainty = clause("%s", text), Likely // processes end before their grace does, unseen
	c.evidence = c.evidence[:min(len(c.evidence), maxRows)]
	c.since = s.darkSince()
	return c
}

// sentences says how the answer begins in each state.
func (s *service) sentences(a *answer, ready, terminating int) {
	from := phrase.Quantity(ready, "Pod")
	if !kube.Selectable(s.svc) {
		from = phrase.Quantity(ready, "endpoint")
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
			a.prefix = fmt.Sprintf("Service %s serves from %d of %s: ", s, ready, phrase.Quantity(s.desired, "Pod"))
		default:
			a.prefix = fmt.Sprintf("Service %s serves from %s, but ", s, from)
		}
	case Converging:
		a.prefix = fmt.Sprintf("Service %s is changing, with %s ready: ", s, phrase.Quantity(ready, "endpoint"))
		s.begun(a, ready)
	}
	a.ok = fmt.Sprintf("Traffic should flow: Service %s has %s", s, phrase.Quantity(ready, "ready endpoint"))
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
		if c := kube.PodCondition(p, corev1.PodReady); c != nil && kube.Ready(p) && c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}
