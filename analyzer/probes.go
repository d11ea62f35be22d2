package analyzer

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// startupProbe: the container runs, and its startup probe has not passed.
func (c *podCase) startupProbe() *cause {
	for _, k := range c.containers() {
		r := k.status.State.Running
		if r == nil || k.spec.StartupProbe == nil || k.status.Started == nil || *k.status.Started {
			continue
		}
		found := c.cause("startup-probe-pending", k.name(), about("did not pass the startup probe of container %s yet (%s)", k.name(), probeText(k.spec, k.spec.StartupProbe)),
			c.see(k.path("started"), "false"), c.see(k.path("state/running/startedAt"), clock(r.StartedAt.Time, c.q.now)))
		found.since = r.StartedAt.Time
		found.grace = c.q.within(r.StartedAt.Time, probeGrace(k.spec.StartupProbe))
		return found
	}
	return nil
}

// readinessProbe: the container runs and says, or is believed, not to be ready.
func (c *podCase) readinessProbe() *cause {
	for _, k := range c.containers() {
		r := k.status.State.Running
		if r == nil || k.status.Ready || k.spec.ReadinessProbe == nil || k.status.Started != nil && !*k.status.Started {
			continue
		}
		if c.q.within(r.StartedAt.Time, probeGrace(k.spec.ReadinessProbe)) {
			return c.starting()
		}
		text, event := c.probeEvent(k, "Readiness probe failed")
		said := ""
		if class := probeClass(text); class != "" {
			said = ": " + class
		}
		found := c.cause("readiness-probe-failing", k.name()+" "+probeClass(text),
			about("cannot pass the readiness probe of container %s (%s)%s", k.name(), probeText(k.spec, k.spec.ReadinessProbe), said),
			c.see(k.path("ready"), "false"), c.see(conditionPath(corev1.PodReady)+"/status", "False"))
		if event != nil {
			found.evidence = append(found.evidence, c.q.see(event, "/message", event.Message))
		}
		found.grace = false
		return c.while(found, func(p *corev1.Pod) bool { return !ready(p) })
	}
	return nil
}

// probeEvent returns the newest Event of a failed probe of the container.
func (c *podCase) probeEvent(k *container, prefix string) (string, *corev1.Event) {
	for _, e := range c.q.events(c.pod) {
		if e.Reason == "Unhealthy" && strings.HasPrefix(e.Message, prefix) && concerns(e, k) {
			return strings.TrimPrefix(strings.TrimPrefix(e.Message, prefix), ": "), e
		}
	}
	return "", nil
}

var statusCode = regexp.MustCompile(`statuscode: (\d+)`)

// probeClass puts what a probe said in the few words that tell where to look.
func probeClass(text string) string {
	if m := statusCode.FindStringSubmatch(text); m != nil {
		return "HTTP " + m[1]
	}
	switch {
	case strings.Contains(text, "connection refused"):
		return "connection refused"
	case containsAny(text, "deadline exceeded|timeout|timed out"):
		return "timeout"
	case strings.Contains(text, "no such host"):
		return "no such host"
	}
	return firstWords(text, 60)
}

// probeText says what a probe does: "GET :8080/healthz", with its port as a
// number if the container declares it.
func probeText(k *corev1.Container, p *corev1.Probe) string {
	port := func(name string, number int32) string {
		for _, cp := range k.Ports {
			if name != "" && cp.Name == name {
				return fmt.Sprint(cp.ContainerPort)
			}
		}
		if name != "" {
			return name
		}
		return fmt.Sprint(number)
	}
	switch {
	case p.HTTPGet != nil:
		return fmt.Sprintf("GET :%s%s", port(p.HTTPGet.Port.StrVal, p.HTTPGet.Port.IntVal), p.HTTPGet.Path)
	case p.TCPSocket != nil:
		return "TCP :" + port(p.TCPSocket.Port.StrVal, p.TCPSocket.Port.IntVal)
	case p.GRPC != nil:
		return fmt.Sprintf("gRPC :%d", p.GRPC.Port)
	case p.Exec != nil:
		return "exec " + firstWords(strings.Join(p.Exec.Command, " "), 60)
	}
	return "no action"
}

// readinessGate: the containers are ready, another controller has to confirm.
func (c *podCase) readinessGate() *cause {
	open := c.openGates()
	if len(open) == 0 || !podConditionIs(c.pod, corev1.ContainersReady, corev1.ConditionTrue) {
		return nil
	}
	found := c.cause("readiness-gate-blocking", open[0], about("cannot be ready before readiness gate %s is True: %s", strings.Join(open, ", "), gateOwner(open[0])))
	for _, g := range open {
		value := "never set"
		if cond := podCondition(c.pod, corev1.PodConditionType(g)); cond != nil {
			value = string(cond.Status)
		}
		found.evidence = append(found.evidence, c.see(conditionPath(g), value))
	}
	if ready := podCondition(c.pod, corev1.ContainersReady); !c.q.within(ready.LastTransitionTime.Time, startGrace) {
		found.grace = false
	}
	return c.while(found, func(p *corev1.Pod) bool { return !ready(p) })
}

// gateOwner tells who is known to set a gate.
func gateOwner(gate string) string {
	switch {
	case strings.HasPrefix(gate, "target-health.elbv2.k8s.aws/"), strings.HasPrefix(gate, "target-health.alb.ingress.k8s.aws/"):
		return "the AWS load balancer controller sets it"
	case strings.HasPrefix(gate, "cloud.google.com/load-balancer-neg-ready"):
		return "the GKE NEG controller sets it"
	}
	return "some controller has to set it"
}
