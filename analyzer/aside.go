package analyzer

import (
	"slices"
	"strings"
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
		s.balancerErrors, s.mixedPorts, s.lag, s.undrained, s.blockedEvictions, s.stalledControllers, s.latentConfig,
	} {
		a.risks = append(a.risks, look()...)
	}
	for _, look := range []observation{
		s.policyHints, s.mixedPods, s.detachedPods, s.undeclaredPort, s.unprobedPort, s.unmappedPort,
		s.governing, s.sourceRanges, s.externalIPs, s.hostNetwork, s.truncated,
	} {
		a.hints = append(a.hints, look()...)
	}
	if a.state == Serving && slices.ContainsFunc(a.risks, func(c *cause) bool { return c.id == "cluster-dns-down" }) {
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
