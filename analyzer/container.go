package analyzer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

// container is one container of a Pod with what the kubelet says about it.
type container struct {
	spec   *corev1.Container
	status *corev1.ContainerStatus
	init   bool
}

func (k *container) name() string { return k.status.Name }

func (k *container) path(field string) string {
	list := "containerStatuses"
	if k.init {
		list = "initContainerStatuses"
	}
	return "/status/" + list + "[name=" + k.name() + "]/" + field
}

// containers lists the Pod's containers that have a status: init containers
// first, each list in the order of the spec.
func (c *podCase) containers() []*container {
	var all []*container
	all = appendContainers(all, c.pod.Spec.InitContainers, c.pod.Status.InitContainerStatuses, true)
	return appendContainers(all, c.pod.Spec.Containers, c.pod.Status.ContainerStatuses, false)
}

func appendContainers(all []*container, specs []corev1.Container, statuses []corev1.ContainerStatus, init bool) []*container {
	for i := range specs {
		for j := range statuses {
			if statuses[j].Name == specs[i].Name {
				all = append(all, &container{spec: &specs[i], status: &statuses[j], init: init})
				break
			}
		}
	}
	return all
}

// waiting returns the reason a container waits for, "" if it does not wait.
func (k *container) waiting() string {
	if w := k.status.State.Waiting; w != nil {
		return w.Reason
	}
	return ""
}

func (k *container) message() string {
	if w := k.status.State.Waiting; w != nil {
		return w.Message
	}
	return ""
}

// exited returns how the container last ended, nil if it never did.
func (k *container) exited() *corev1.ContainerStateTerminated {
	if t := k.status.State.Terminated; t != nil {
		return t
	}
	return k.status.LastTerminationState.Terminated
}

// blocking: the container keeps the Pod from being ready.
func (k *container) blocking() bool {
	switch {
	case !k.init:
		return !k.status.Ready
	case kube.Sidecar(k.spec):
		return k.status.Started == nil || !*k.status.Started
	}
	t := k.status.State.Terminated
	return t == nil || t.ExitCode != 0
}

// containerRungs find why a container does not run.
var containerRungs = []func(*podCase, *container) *cause{
	(*podCase).imagePull,
	(*podCase).config,
	(*podCase).startError,
	(*podCase).crashing,
	(*podCase).completed,
}

// containerTrouble: the first container that cannot run, init containers
// first. What an init container suffers from blocks the Pod.
func (c *podCase) containerTrouble() *cause {
	for _, k := range c.containers() {
		if !k.blocking() {
			continue
		}
		for _, rung := range containerRungs {
			found := rung(c, k)
			if found == nil {
				continue
			}
			if k.init {
				return c.initBlocking(k).because(found)
			}
			return found
		}
		if k.init && (k.status.State.Running != nil || k.status.State.Terminated != nil) {
			return c.initBlocking(k)
		}
		if k.init {
			return nil // not its turn, or just beginning
		}
	}
	return nil
}

// waits begins a cause about a container that waits for one of the reasons.
func (c *podCase) waits(id string, k *container, key string, says func(string) string, reasons ...string) *cause {
	reason := k.waiting()
	if !slices.Contains(reasons, reason) {
		return nil
	}
	found := c.cause(id, k.name()+" "+key, says,
		c.see(k.path("state/waiting/reason"), reason), c.see(k.path("state/waiting/message"), k.message()))
	return c.while(found, func(p *corev1.Pod) bool {
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if s.Name == k.name() {
				return s.State.Waiting != nil && slices.Contains(reasons, s.State.Waiting.Reason)
			}
		}
		return false
	})
}

// pullReasons alternate while a kubelet retries: one state
// (K/pkg/kubelet/images/types.go, S/cri-api/pkg/errors).
var pullReasons = []string{
	"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
}

// pullVariants sort the texts of registries and runtimes; the first that fits.
var pullVariants = []struct{ variant, words string }{
	{"rate limit", "toomanyrequests|too many requests|429"},
	{"not found", "not found|manifest unknown|does not exist|notfound"},
	{"credentials", "unauthorized|denied|forbidden|403|authentication required|no basic auth"},
	{"registry unreachable", "no such host|timeout|refused|unreachable|i/o|tls|certificate"},
	{"architecture", "no match for platform|no matching manifest"},
	{"invalid name", "invalid reference|invalidimagename|couldn't parse image"},
}

func (c *podCase) imagePull(k *container) *cause {
	message := c.pullMessage(k)
	variant := ""
	for _, v := range pullVariants {
		if phrase.ContainsAny(strings.ToLower(message+" "+k.waiting()), v.words) {
			variant = v.variant
			break
		}
	}
	why := variant
	if why == "" {
		why = k.waiting()
	}
	found := c.waits("image-pull-failed", k, k.spec.Image, about("cannot pull image %s (%s)", k.spec.Image, why), pullReasons...)
	if found == nil {
		return nil
	}
	found.variant = variant
	if d := c.workload; d != nil && d.kind == "Deployment" && c.q.revision(c.pod) != firstRevision {
		found.next = append(commands(rolloutCommand("undo", c.pod.Namespace, d.meta.Name)), found.next...)
	}
	return found
}

// pullMessage is the container's message; while it backs off that only says
// so, and the Event of the failed pull tells why.
func (c *podCase) pullMessage(k *container) string {
	if !slices.Contains(pullReasons, k.waiting()) {
		return ""
	}
	if k.waiting() != "ImagePullBackOff" || !strings.HasPrefix(k.message(), "Back-off") || strings.Contains(k.message(), ": ") && len(k.message()) > 200 {
		return k.message()
	}
	for old, p := range past[corev1.Pod](c.q, c.pod.Namespace, c.pod.Name) {
		if old.UID != c.pod.UID {
			break
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if w := s.State.Waiting; s.Name == k.name() && w != nil && w.Reason == "ErrImagePull" {
				return w.Message
			}
		}
	}
	for _, e := range c.q.events(c.pod) {
		if e.Reason == "Failed" && strings.HasPrefix(e.Message, "Failed to pull image") {
			return e.Message
		}
	}
	return k.message()
}

func (c *podCase) config(k *container) *cause {
	found := c.waits("container-config-error", k, phrase.MessageClass(k.message()),
		about("cannot start container %s: %s", k.name(), phrase.Sentence("its configuration is incomplete", k.message())), "CreateContainerConfigError")
	if found == nil {
		return nil
	}
	found.next = append(found.next, commands(command.Kubectl("get", "configmap,secret", "-n", c.pod.Namespace))...)
	c.missingConfig(k, found)
	return found
}

var startReasons = []string{
	"CreateContainerError", "RunContainerError", "PreStartHookError", "PostStartHookError", "CreatePodSandboxError", "ConfigPodSandboxError",
}

func (c *podCase) startError(k *container) *cause {
	if found := c.waits("container-start-error", k, phrase.MessageClass(k.message()),
		about("cannot start container %s: %s", k.name(), phrase.Sentence(k.waiting(), k.message())), startReasons...); found != nil {
		return found
	}
	t := k.exited()
	if t == nil || t.Reason != "StartError" && t.Reason != "ContainerCannotRun" {
		return nil
	}
	return c.cause("container-start-error", k.name()+" "+phrase.MessageClass(t.Message),
		about("cannot start container %s: %s", k.name(), phrase.Sentence(t.Reason, t.Message)),
		c.see(k.path("lastState/terminated/reason"), t.Reason), c.see(k.path("lastState/terminated/message"), t.Message))
}

// settled is how long a container must run after a crash before the crash loop
// counts as over, however long it ran before.
const settled = 60 * time.Second

// crashing: the container exits again and again. Between two exits it runs,
// so the loop is held until it has run for longer than that.
func (c *podCase) crashing(k *container) *cause {
	t := k.exited()
	if t == nil {
		return nil
	}
	loops := k.waiting() == "CrashLoopBackOff"
	ends := t.ExitCode != 0 || c.restartsAlways() // ending well is no better where the kubelet starts it again
	failed := k.status.State.Terminated != nil && ends && !k.init && c.pod.Spec.RestartPolicy != corev1.RestartPolicyNever ||
		k.status.State.Terminated != nil && t.ExitCode != 0 && c.pod.Spec.RestartPolicy != corev1.RestartPolicyNever
	running := k.status.State.Running
	again := running != nil && k.status.RestartCount > 0 && c.q.within(running.StartedAt.Time, max(settled, t.FinishedAt.Sub(t.StartedAt.Time))) &&
		(k.init && t.ExitCode != 0 || !k.init && !k.status.Ready && ends)
	if !loops && !failed && !again {
		return nil
	}
	return c.crashLoop(k, t)
}

func (c *podCase) restartsAlways() bool {
	return c.pod.Spec.RestartPolicy == corev1.RestartPolicyAlways || c.pod.Spec.RestartPolicy == ""
}

// shortLived is how long a container that ends with exit code 0 may run for its
// restarts to be a loop: what ends well after hours was meant to.
const shortLived = 5 * time.Minute

// crashLoop is the cause that a container exits again and again, as it did
// last with t.
func (c *podCase) crashLoop(k *container, t *corev1.ContainerStateTerminated) *cause {
	found := c.cause("crash-loop", k.name()+" "+strconv.Itoa(int(t.ExitCode)), about("cannot keep container %s running: it exits with code %d%s", k.name(), t.ExitCode, exitHint(t)),
		c.see(k.path("restartCount"), strconv.Itoa(int(k.status.RestartCount))),
		c.see(k.path("lastState/terminated/exitCode"), strconv.Itoa(int(t.ExitCode))),
		c.see(k.path("lastState/terminated/reason"), t.Reason))
	if w := k.waiting(); w != "" {
		found.evidence = append(found.evidence, c.see(k.path("state/waiting/reason"), w))
	}
	found.since = t.FinishedAt.Time
	found.next = append(commands(c.logs(k).Add("--previous")), found.next...)
	c.while(found, func(p *corev1.Pod) bool {
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if s.Name == k.name() {
				return s.RestartCount > 0 || s.State.Terminated != nil
			}
		}
		return false
	})
	return found.because(c.killer(k, t))
}

// crashesBetween holds a crash loop while its container runs for a moment: it
// counts as ready then, and endpoints come and go with it.
func (q *inquiry) crashesBetween(p *corev1.Pod, w *workload) *cause {
	c := &podCase{q, p, w}
	for _, k := range c.containers() {
		r, t := k.status.State.Running, k.status.LastTerminationState.Terminated
		if r == nil || t == nil || k.init || k.status.RestartCount < 2 || t.ExitCode == 0 && (!c.restartsAlways() || t.FinishedAt.Sub(t.StartedAt.Time) > shortLived) {
			continue
		}
		if !q.within(r.StartedAt.Time, max(settled, t.FinishedAt.Sub(t.StartedAt.Time))) {
			continue
		}
		return c.crashLoop(k, t)
	}
	return nil
}

// killer returns what ends the container, if it is not its own doing.
func (c *podCase) killer(k *container, t *corev1.ContainerStateTerminated) *cause {
	if t.Reason == "OOMKilled" {
		limit := k.spec.Resources.Limits.Memory().String()
		deeper := c.cause("oom-killed", k.name(), about("ran out of memory: container %s was killed at its limit of %s", k.name(), limit),
			c.see(k.path("lastState/terminated/reason"), t.Reason), c.see("/spec/containers[name="+k.name()+"]/resources/limits/memory", limit))
		deeper.since = t.FinishedAt.Time
		return deeper
	}
	if t.ExitCode == 126 || t.ExitCode == 127 {
		return c.cause("container-start-error", k.name(), about("cannot run the command of container %s: exit code %d means it is %s", k.name(), t.ExitCode,
			map[int32]string{126: "not executable", 127: "not found"}[t.ExitCode]),
			c.see(k.path("lastState/terminated/exitCode"), strconv.Itoa(int(t.ExitCode))))
	}
	if k.spec.LivenessProbe == nil && k.spec.StartupProbe == nil {
		return nil
	}
	for _, e := range c.q.events(c.pod) {
		killed := e.Reason == "Killing" && (strings.Contains(e.Message, "failed liveness probe") || strings.Contains(e.Message, "failed startup probe"))
		unhealthy := e.Reason == "Unhealthy" && strings.HasPrefix(e.Message, "Liveness probe failed") && (t.ExitCode == 137 || t.ExitCode == 143)
		if (!killed && !unhealthy) || !concerns(e, k) {
			continue
		}
		deeper := c.cause("liveness-killing", k.name(), about("cannot keep container %s running: the kubelet restarts it because its probe fails", k.name()),
			c.q.see(e, "/message", e.Message))
		deeper.certainty, deeper.since = Likely, eventTime(e)
		return deeper
	}
	return nil
}

// concerns: the Event is about this container, or does not say about which.
func concerns(e *corev1.Event, k *container) bool {
	f := e.InvolvedObject.FieldPath
	return f == "" || strings.HasSuffix(f, "{"+k.name()+"}")
}

func exitHint(t *corev1.ContainerStateTerminated) string {
	ran := t.FinishedAt.Sub(t.StartedAt.Time)
	after := ""
	if !t.StartedAt.IsZero() && ran >= 0 {
		after = " after " + ran.Round(time.Second).String()
	}
	switch t.ExitCode {
	case 0:
		return after + " (it ends; its command may be wrong)"
	case 137:
		return after + " (SIGKILL)"
	case 139:
		return after + " (segmentation fault)"
	case 143:
		return after + " (SIGTERM)"
	}
	return after
}

// completed: the container ended and the Pod's restart policy leaves it so.
func (c *podCase) completed(k *container) *cause {
	t := k.status.State.Terminated
	if k.init || t == nil || c.pod.Spec.RestartPolicy == corev1.RestartPolicyAlways || c.pod.Spec.RestartPolicy == "" {
		return nil
	}
	found := c.cause("container-completed", k.name(), about("cannot become ready again: container %s ended with exit code %d and is not restarted", k.name(), t.ExitCode),
		c.see(k.path("state/terminated/exitCode"), strconv.Itoa(int(t.ExitCode))), c.see("/spec/restartPolicy", string(c.pod.Spec.RestartPolicy)))
	found.since, found.grace = t.FinishedAt.Time, false
	return found
}

// initBlocking: the application waits for an init container.
func (c *podCase) initBlocking(k *container) *cause {
	since := c.pod.CreationTimestamp.Time
	if r := k.status.State.Running; r != nil {
		since = r.StartedAt.Time
	}
	found := c.cause("init-blocking", k.name(), about("cannot start their containers: init container %s has not finished", k.name()),
		c.see(phrase.ConditionPath(corev1.PodInitialized)+"/status", "False"), c.see(k.path("restartCount"), strconv.Itoa(int(k.status.RestartCount))))
	found.says = about("did not get past init container %s", k.name())
	found.since = since
	found.grace = k.status.RestartCount == 0 && c.q.within(since, initGrace)
	found.next = append(commands(c.logs(k)), found.next...)
	return found
}

// startupProbe: the container runs, and its startup probe has not passed.
func (c *podCase) startupProbe() *cause {
	for _, k := range c.containers() {
		r := k.status.State.Running
		if r == nil || k.spec.StartupProbe == nil || k.status.Started == nil || *k.status.Started {
			continue
		}
		found := c.cause("startup-probe-pending", k.name(), about("did not pass the startup probe of container %s yet (%s)", k.name(), probeText(k.spec, k.spec.StartupProbe)),
			c.see(k.path("started"), "false"), c.see(k.path("state/running/startedAt"), phrase.Clock(r.StartedAt.Time, c.q.now)))
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
			c.see(k.path("ready"), "false"), c.see(phrase.ConditionPath(corev1.PodReady)+"/status", "False"))
		if event != nil {
			found.evidence = append(found.evidence, c.q.see(event, "/message", event.Message))
		}
		found.grace = false
		return c.while(found, func(p *corev1.Pod) bool { return !kube.Ready(p) })
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

var statusCode = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`statuscode: (\d+)`) })

// probeClass puts what a probe said in the few words that tell where to look.
func probeClass(text string) string {
	if m := statusCode().FindStringSubmatch(text); m != nil {
		return "HTTP " + m[1]
	}
	switch {
	case strings.Contains(text, "connection refused"):
		return "connection refused"
	case phrase.ContainsAny(text, "deadline exceeded|timeout|timed out"):
		return "timeout"
	case strings.Contains(text, "no such host"):
		return "no such host"
	}
	return phrase.FirstWords(text, 60)
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
		return "exec " + phrase.FirstWords(strings.Join(p.Exec.Command, " "), 60)
	}
	return "no action"
}

// readinessGate: the containers are ready, another controller has to confirm.
func (c *podCase) readinessGate() *cause {
	open := c.openGates()
	if len(open) == 0 || !kube.PodConditionIs(c.pod, corev1.ContainersReady, corev1.ConditionTrue) {
		return nil
	}
	found := c.cause("readiness-gate-blocking", open[0], about("cannot be ready before readiness gate %s is True: %s", strings.Join(open, ", "), gateOwner(open[0])))
	for _, g := range open {
		value := "never set"
		if cond := kube.PodCondition(c.pod, corev1.PodConditionType(g)); cond != nil {
			value = string(cond.Status)
		}
		found.evidence = append(found.evidence, c.see(phrase.ConditionPath(g), value))
	}
	if ready := kube.PodCondition(c.pod, corev1.ContainersReady); !c.q.within(ready.LastTransitionTime.Time, startGrace) {
		found.grace = false
	}
	return c.while(found, func(p *corev1.Pod) bool { return !kube.Ready(p) })
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
