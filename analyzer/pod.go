package analyzer

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
)

// podCase is a Pod that does not serve, on its way down the ladder.
type podCase struct {
	q        *inquiry
	pod      *corev1.Pod
	workload *workload // who made it, if known
}

// podRungs find the local cause of a Pod that does not become ready: the first
// that knows one wins.
var podRungs = []func(*podCase) *cause{
	(*podCase).finished,
	(*podCase).gated,
	(*podCase).unschedulable,
	(*podCase).ignored,
	(*podCase).lostNode,
	(*podCase).containerTrouble,
	(*podCase).startTrouble,
	(*podCase).startupProbe,
	(*podCase).readinessProbe,
	(*podCase).readinessGate,
	(*podCase).starting,
}

// podCause returns why a Pod is not ready. It is never nil for such a Pod.
func (q *inquiry) podCause(p *corev1.Pod, w *workload) *cause {
	c := &podCase{q, p, w}
	for _, rung := range podRungs {
		if found := rung(c); found != nil {
			return c.nodeFirst(found)
		}
	}
	return nil
}

// nodeFirst: what a Pod waits for, or what its probes said, proves nothing while
// its Node is not ready: the node is the cause, unless the Pod failed before.
func (c *podCase) nodeFirst(found *cause) *cause {
	root := found.root()
	if c.pod.Spec.NodeName == "" || root.id == "node-not-ready" || root.layer() != registry.Readiness && root.id != "" && root.id != "pod-stalled-on-node" {
		return found
	}
	deeper := c.q.nodeNotReady(c.q.node(c.pod.Spec.NodeName))
	if deeper == nil || root.id != "" && root.since.Before(deeper.since) && root.id != "readiness-probe-failing" && root.id != "startup-probe-pending" {
		return found
	}
	found.grace = false
	return found.because(deeper)
}

// cause begins a cause about this Pod: its subject is the workload, as it is
// the template that is wrong, or the Pod if nothing made it.
func (c *podCase) cause(id, key string, says func(string) string, evidence ...Evidence) *cause {
	subject := c.q.subject(c.pod)
	if c.workload != nil {
		subject = c.q.subject(c.workload.object)
	}
	if ref := metav1.GetControllerOf(c.pod); ref != nil {
		key = string(ref.UID) + " " + key // one revision
	}
	return &cause{
		id: id, key: key, subject: subject, says: says, evidence: evidence, certainty: Certain,
		grace: c.young(), since: c.changed(),
		next: commands(describe("pod", c.pod.Namespace, c.pod.Name)),
	}
}

// young: the Pod is inside the grace of its start.
func (c *podCase) young() bool { return c.q.within(c.pod.CreationTimestamp.Time, startGrace) }

// changed is when the Pod's readiness last changed, per status.
func (c *podCase) changed() time.Time {
	if r := kube.PodCondition(c.pod, corev1.PodReady); r != nil && !r.LastTransitionTime.IsZero() {
		return r.LastTransitionTime.Time
	}
	return c.pod.CreationTimestamp.Time
}

// while dates a cause by the Pod's history: since when is has held.
func (c *podCase) while(found *cause, is func(*corev1.Pod) bool) *cause {
	found.onset = func() (time.Time, string) { return held(c.q, c.pod, is) }
	return found
}

func (c *podCase) see(path, value string) Evidence { return c.q.see(c.pod, path, value) }

// lostNode: the node went silent and the control plane flipped Ready. Nothing
// else sets Ready to False while all containers say they are ready
// (K/pkg/controller/util/node/controller_utils.go, MarkPodsNotReady).
func (c *podCase) lostNode() *cause {
	p := c.pod
	if p.Spec.NodeName == "" || !kube.PodConditionIs(p, corev1.PodReady, corev1.ConditionFalse) ||
		!kube.PodConditionIs(p, corev1.ContainersReady, corev1.ConditionTrue) || len(c.openGates()) > 0 {
		return nil
	}
	deeper := c.q.nodeNotReady(c.q.node(p.Spec.NodeName))
	if deeper == nil {
		return nil
	}
	found := c.cause("pod-notready-by-node-controller", p.Spec.NodeName,
		about("did not fail: the node controller set Ready to False, while the containers last said they are ready"),
		c.see(phrase.ConditionPath(corev1.PodReady)+"/status", "False"), c.see(phrase.ConditionPath(corev1.ContainersReady)+"/status", "True"))
	found.grace = false
	return found.because(deeper)
}

// openGates are the Pod's readiness gates that are not True.
func (c *podCase) openGates() []string {
	var open []string
	for _, g := range c.pod.Spec.ReadinessGates {
		if !kube.PodConditionIs(c.pod, g.ConditionType, corev1.ConditionTrue) {
			open = append(open, string(g.ConditionType))
		}
	}
	return open
}

// starting is the last rung: nothing is wrong that anything says.
func (c *podCase) starting() *cause {
	found := c.cause("", "", func(who string) string { return "waiting for " + who + " to become ready" },
		c.see(phrase.ConditionPath(corev1.PodReady)+"/status", c.readyStatus()))
	found.grace = c.q.within(found.since, kubeletGrace)
	return found
}

func (c *podCase) readyStatus() string {
	if r := kube.PodCondition(c.pod, corev1.PodReady); r != nil {
		return string(r.Status)
	}
	return "not set"
}

// startTrouble: bound to a node, and no container has anything to say.
func (c *podCase) startTrouble() *cause {
	p := c.pod
	if p.Spec.NodeName == "" || p.Status.Phase != corev1.PodPending {
		return nil
	}
	if !c.waitsToStart() {
		return nil
	}
	if found := c.unavailableVolume(); found != nil {
		return found
	}
	if found := c.sandbox(); found != nil {
		return found
	}
	scheduled := p.CreationTimestamp.Time
	if s := kube.PodCondition(p, corev1.PodScheduled); s != nil {
		scheduled = s.LastTransitionTime.Time
	}
	if len(p.Status.ContainerStatuses) > 0 || kube.PodCondition(p, corev1.PodReadyToStartContainers) != nil || c.q.within(scheduled, kubeletGrace) {
		return nil
	}
	found := c.cause("pod-stalled-on-node", p.Spec.NodeName, about("did not begin to start: the kubelet of Node %s has not touched them", p.Spec.NodeName),
		c.see("/spec/nodeName", p.Spec.NodeName), c.see(phrase.ConditionPath(corev1.PodScheduled), "True since "+phrase.Clock(scheduled, c.q.now)))
	found.grace, found.since = false, scheduled
	found.next = commands(describe("node", "", p.Spec.NodeName))
	return found.because(c.q.nodeNotReady(c.q.node(p.Spec.NodeName)))
}

// waitsToStart: every container there is waits for the kubelet.
func (c *podCase) waitsToStart() bool {
	for _, k := range c.containers() {
		w := k.status.State.Waiting
		if w == nil || w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return false
		}
	}
	return true
}

// sandbox: the node cannot set up the Pod's sandbox or network.
func (c *podCase) sandbox() *cause {
	e := c.podEvent("FailedCreatePodSandBox", "NetworkNotReady")
	if e == nil || kube.PodConditionIs(c.pod, corev1.PodReadyToStartContainers, corev1.ConditionTrue) {
		return nil
	}
	found := c.cause("pod-sandbox-failed", c.pod.Spec.NodeName, about("cannot start: Node %s cannot set up the sandbox or network: %s", c.pod.Spec.NodeName, phrase.FirstWords(e.Message, 120)), c.q.see(e, "/message", e.Message))
	found.variant, found.certainty, found.since = e.Reason, Likely, eventTime(e)
	found.next = commands(command.Kubectl("get", "pods", "-A", "-o", "wide", "--field-selector", "spec.nodeName="+c.pod.Spec.NodeName))
	return found
}

// gated: scheduling gates hold the Pod back.
func (c *podCase) gated() *cause {
	s := kube.PodCondition(c.pod, corev1.PodScheduled)
	if len(c.pod.Spec.SchedulingGates) == 0 && (s == nil || s.Status != corev1.ConditionFalse || s.Reason != corev1.PodReasonSchedulingGated) {
		return nil
	}
	var gates []string
	for _, g := range c.pod.Spec.SchedulingGates {
		gates = append(gates, g.Name)
	}
	return c.cause("pod-scheduling-gated", strings.Join(gates, ","), about("cannot be scheduled before the controller of scheduling gate %s removes it", strings.Join(gates, ", ")),
		c.see("/spec/schedulingGates", strings.Join(gates, ",")))
}

// unschedulable: the scheduler found no node.
func (c *podCase) unschedulable() *cause {
	s := kube.PodCondition(c.pod, corev1.PodScheduled)
	if c.pod.Spec.NodeName != "" || s == nil || s.Status != corev1.ConditionFalse || s.Reason != corev1.PodReasonUnschedulable {
		return nil
	}
	message := noPreemption(s.Message)
	variant := mainObstacle(message)
	found := c.cause("pod-unschedulable", variant, about("cannot be placed on any node: %s", message),
		c.see(phrase.ConditionPath(s.Type)+"/message", s.Message))
	found.variant, found.since = variant, s.LastTransitionTime.Time
	found.grace = c.q.within(s.LastTransitionTime.Time, scheduleGrace)
	switch {
	case strings.Contains(message, "taint"):
		c.tainted(found, message)
	case strings.Contains(message, "Insufficient"):
		found.next = append(found.next, commands(command.Kubectl("describe", "nodes").Pipe("grep", "-A6", "Allocated"))...)
	}
	c.while(found, func(p *corev1.Pod) bool {
		s := kube.PodCondition(p, corev1.PodScheduled)
		return s != nil && s.Status == corev1.ConditionFalse
	})
	return found.because(c.unavailableClaim())
}

// tainted names the taints that keep the Pod from the Nodes, which the scheduler
// only counts, and how to take them away.
func (c *podCase) tainted(found *cause, message string) {
	nodes := map[string][]string{} // by taint
	var rows []Evidence
	for _, name := range slices.Sorted(maps.Keys(c.q.allNodes())) {
		n := c.q.node(name)
		for i := range n.Spec.Taints {
			t := &n.Spec.Taints[i]
			if t.Effect == corev1.TaintEffectPreferNoSchedule || kube.Tolerates(c.pod.Spec.Tolerations, t) {
				continue
			}
			nodes[t.ToString()] = append(nodes[t.ToString()], name)
			rows = append(rows, c.q.see(n, "/spec/taints[key="+t.Key+"]", t.ToString()))
		}
	}
	if len(nodes) == 0 {
		return
	}
	most := slices.MaxFunc(slices.Sorted(maps.Keys(nodes)), func(a, b string) int { return cmp.Compare(len(nodes[a]), len(nodes[b])) })
	found.says = about("cannot be placed on any node: %s; taint %s is on %s", message, most, phrase.Enumerate(nodes[most], 5))
	found.evidence = append(found.evidence, rows[:min(len(rows), maxRows-len(found.evidence))]...)
	mend := command.Kubectl("taint", "nodes").Add(nodes[most]...).Add(most + "-")
	switch key, _, _ := strings.Cut(most, ":"); {
	case key == corev1.TaintNodeUnschedulable:
		mend = command.Kubectl("uncordon").Add(nodes[most]...)
	case strings.HasPrefix(key, "node.kubernetes.io/"), strings.HasPrefix(key, "node.cloudprovider.kubernetes.io/"): // it says what the Node is like
		mend = describe("node", "", nodes[most][0])
	}
	found.next = append(commands(mend), found.next...)
}

var nodesAvailable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d+/\d+ nodes are available: `) })

// noPreemption drops what the scheduler says about preemption: it explains why
// no Pod was evicted for this one, not why it has no place.
func noPreemption(message string) string {
	message, _, _ = strings.Cut(message, " preemption:")
	message, _, _ = strings.Cut(message, ". no new claims")
	return strings.TrimRight(message, ". ")
}

var obstacle = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(\d+) (.*)$`) })

// mainObstacle names the reason that keeps most nodes away, in the words of
// the scheduler without its counts; the first of several.
func mainObstacle(message string) string {
	best, most := "", -1
	for part := range strings.SplitSeq(nodesAvailable().ReplaceAllString(message, ""), ", ") {
		m := obstacle().FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil && n > most {
			best, most = strings.TrimPrefix(strings.TrimPrefix(m[2], "node(s) "), "node(s)"), n
		}
	}
	if best == "" { // a reason that is not counted by node
		best = phrase.FirstWords(nodesAvailable().ReplaceAllString(message, ""), 60)
	}
	if i := strings.Index(best, " {"); i > 0 { // the taint itself, in older texts
		best = best[:i]
	}
	return strings.TrimRight(best, ".")
}

// ignored: no scheduler has looked at the Pod.
func (c *podCase) ignored() *cause {
	if c.pod.Spec.NodeName != "" || kube.PodCondition(c.pod, corev1.PodScheduled) != nil {
		return nil
	}
	if c.q.within(c.pod.CreationTimestamp.Time, ignoredGrace) {
		return c.starting()
	}
	found := c.cause("pod-ignored-by-scheduler", c.pod.Spec.SchedulerName, about("never came before a scheduler: %q has not tried them", c.pod.Spec.SchedulerName),
		c.see("/spec/schedulerName", c.pod.Spec.SchedulerName))
	found.since = c.pod.CreationTimestamp.Time
	found.next = commands(leaseOf("kube-scheduler"))
	return found.because(c.q.stalled("kube-scheduler"))
}

// unavailableClaim: a PersistentVolumeClaim keeps the Pod from being placed. A
// claim that waits for its first consumer is an effect of that, not a cause.
func (c *podCase) unavailableClaim() *cause {
	s := kube.PodCondition(c.pod, corev1.PodScheduled)
	if s == nil || !phrase.ContainsAny(strings.ToLower(s.Message), "persistentvolumeclaim|persistent volume|volume node affinity|max volume count") {
		return nil
	}
	for _, v := range c.pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		name := v.PersistentVolumeClaim.ClaimName
		k := kindOf[corev1.PersistentVolumeClaim]()
		claim := get[corev1.PersistentVolumeClaim](c.q, c.pod.Namespace, name)
		var found *cause
		switch {
		case claim == nil && c.q.covered(k, c.pod.Namespace):
			found = c.cause("volume-unavailable", name, about("cannot start: PersistentVolumeClaim %s does not exist", name), c.q.absent(k, c.pod.Namespace, name))
			found.variant = "claim missing"
		case claim != nil && claim.Status.Phase != corev1.ClaimBound:
			found = c.cause("volume-unavailable", name, about("cannot start: PersistentVolumeClaim %s is %s%s", name, claim.Status.Phase, c.claimEvent(claim)), c.q.see(claim, "/status/phase", string(claim.Status.Phase)))
			found.variant = "claim " + strings.ToLower(string(claim.Status.Phase))
			found.since = claim.CreationTimestamp.Time
		default:
			continue
		}
		found.grace = false
		found.next = commands(describe("pvc", c.pod.Namespace, name))
		return found
	}
	return nil
}

// claimEvent is what the newest Event about a claim says.
func (c *podCase) claimEvent(claim *corev1.PersistentVolumeClaim) string {
	for _, e := range c.q.events(claim) {
		if slices.Contains([]string{"ProvisioningFailed", "FailedBinding"}, e.Reason) {
			return ": " + phrase.FirstWords(e.Message, 120)
		}
	}
	return ""
}

// unavailableVolume: the kubelet cannot mount what the Pod needs.
func (c *podCase) unavailableVolume() *cause {
	e := c.podEvent("FailedMount", "FailedAttachVolume", "FailedMapVolume")
	if e == nil {
		return nil
	}
	found := c.cause("volume-unavailable", phrase.MessageClass(e.Message), about("cannot start: %s", phrase.Sentence("a volume is not available", e.Message)), c.q.see(e, "/message", e.Message))
	found.variant, found.certainty, found.since = e.Reason, Likely, eventTime(e)
	return found
}

// podEvent returns the newest Event about the Pod with one of the reasons,
// since it was scheduled.
func (c *podCase) podEvent(reasons ...string) *corev1.Event {
	scheduled := c.pod.CreationTimestamp.Time
	if s := kube.PodCondition(c.pod, corev1.PodScheduled); s != nil {
		scheduled = s.LastTransitionTime.Time
	}
	for _, e := range c.q.events(c.pod) {
		if slices.Contains(reasons, e.Reason) && !eventTime(e).Before(scheduled) {
			return e
		}
	}
	return nil
}
