package analyzer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// unbornCause returns why a workload has fewer Pods than it should.
func (q *inquiry) unbornCause(w *workload) *cause {
	for _, rung := range []func(*workload) *cause{q.createFailed, q.setBlocked, q.behind} {
		if c := rung(w); c != nil {
			return c
		}
	}
	c := q.workloadCause(w, "", func(who string) string { return who + " must still be made" },
		q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired)))
	c.grace = q.within(q.writtenAt(w.object), controllerGrace)
	return c
}

// behind: the controller has not seen the last change of the spec.
func (q *inquiry) behind(w *workload) *cause {
	if w.generation <= w.observed || w.observed == 0 && !w.scaled {
		return nil
	}
	c := q.workloadCause(w, "controller-behind", clause("the last change of %s has not been processed (generation %d, observed %d)", w, w.generation, w.observed),
		q.see(w.object, "/metadata/generation", fmt.Sprint(w.generation)), q.see(w.object, "/status/observedGeneration", fmt.Sprint(w.observed)))
	c.grace = q.within(c.since, controllerGrace)
	return c.because(q.stalled("kube-controller-manager"))
}

// atZero: the workload is meant to have no Pods.
func (q *inquiry) atZero(w *workload) *cause {
	switch {
	case w.suspended():
		return q.workloadCause(w, "workload-scaled-to-zero", clause("%s is suspended", w), q.see(w.object, "/spec/suspend", "true"))
	case !w.scaled || w.desired > 0:
		return nil
	case w.kind == "DaemonSet":
		return q.wantsNoNode(w)
	}
	c := q.workloadCause(w, "workload-scaled-to-zero", clause("%s is scaled to 0", w), q.see(w.object, "/spec/replicas", "0"))
	c.next = commands(w.scaleTo(1))
	q.whoScaled(w, c)
	return c.because(q.scaledDown(w))
}

// wantsNoNode: a DaemonSet has no Pods because no Node is one of those that it wants.
func (q *inquiry) wantsNoNode(w *workload) *cause {
	c := q.workloadCause(w, "workload-scaled-to-zero", clause("no node is one that %s wants", w), q.see(w.object, "/status/desiredNumberScheduled", "0"))
	set, ok := w.object.(*appsv1.DaemonSet)
	if !ok {
		return c
	}
	c.onset = func() (time.Time, string) {
		return held(q, set, func(old *appsv1.DaemonSet) bool { return old.Status.DesiredNumberScheduled == 0 })
	}
	if selector := set.Spec.Template.Spec.NodeSelector; len(selector) > 0 {
		wanted := phrase.Pairs(selector)
		c.says = clause("no node is one that %s wants: it asks for %s", w, wanted)
		c.evidence = append(c.evidence, q.see(set, "/spec/template/spec/nodeSelector", wanted))
		c.next = commands(command.Kubectl("get", "nodes", "--show-labels"))
	}
	return c
}

// whoScaled adds when, from how many and with which tool replicas became 0.
func (q *inquiry) whoScaled(w *workload, c *cause) {
	o := q.seen(w.object)
	before := 0
	for old := range q.view.Past(store.Ref{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}) {
		if old.UID != o.UID {
			break
		}
		v := q.decodeWorkload(old)
		if v == nil {
			break
		}
		if v.desired > 0 {
			before = v.desired
			break
		}
		c.since = old.Time
	}
	c.onset = func() (time.Time, string) { return c.since, "" }
	by := ""
	if wr := writerOf(w.meta, "f:spec", "f:replicas"); wr != nil {
		by = " by " + wr.String()
		c.evidence = append(c.evidence, q.see(w.object, "/metadata/managedFields", wr.String()+" at "+phrase.Clock(wr.time, q.now)))
	}
	if before > 0 {
		c.evidence[0].Old = fmt.Sprint(before)
		c.next = commands(w.scaleTo(before))
		c.says = clause("%s was scaled from %d to 0%s", w, before, by)
	} else if by != "" {
		c.says = clause("%s is scaled to 0%s", w, by)
	}
}

// raisedSince: the workload got more replicas, or was made, at an instant within
// the window or later.
func (q *inquiry) raisedSince(w *workload, at time.Time) bool {
	raised, made := q.demand(w, at)
	return raised || made
}

// demand: the workload was scaled up at an instant within the window or later; or
// it was made since.
func (q *inquiry) demand(w *workload, at time.Time) (raised, made bool) {
	switch o := w.object.(type) {
	case *appsv1.Deployment:
		return demandIn(q, o, at)
	case *appsv1.ReplicaSet:
		return demandIn(q, o, at)
	case *appsv1.StatefulSet:
		return demandIn(q, o, at)
	case *appsv1.DaemonSet:
		return demandIn(q, o, at)
	}
	return false, false
}

func demandIn[T any](q *inquiry, v *T, at time.Time) (raised, made bool) {
	o := q.seen(v)
	want, since := asWorkload(any(v)).desired, o.Time
	fewer := false
	n := 0
	for old, w := range past[T](q, o.Namespace, o.Name) {
		was := asWorkload(any(w)).desired
		if fewer = old.UID == o.UID && was < want; since.Before(at) || old.UID != o.UID || fewer {
			break
		}
		want, since = was, old.Time
		if n++; n == maxHistory || !q.within(old.Time, window) {
			return false, false
		}
	}
	return fewer && !since.Before(at), !fewer && !since.Before(at)
}

// autoscaler returns the HorizontalPodAutoscaler of a workload, nil if there
// is none.
func (q *inquiry) autoscaler(w *workload) *autoscalingv2.HorizontalPodAutoscaler {
	for _, h := range list[autoscalingv2.HorizontalPodAutoscaler](q, store.Query{Namespace: w.meta.Namespace}) {
		if h.Spec.ScaleTargetRef.Kind == w.kind && h.Spec.ScaleTargetRef.Name == w.meta.Name {
			return h
		}
	}
	return nil
}

// autoscalers are managers that scale on their own.
var autoscalers = []string{"kube-controller-manager", "horizontal-pod-autoscaler", "keda-operator", "keda", "knative", "vpa-updater"}

// scaledDown returns the cause if an autoscaler last reduced the workload's
// replicas: it wrote them, or said so in an Event just then.
func (q *inquiry) scaledDown(w *workload) *cause {
	from, at := q.lowered(w)
	if from == 0 {
		return nil
	}
	h := q.autoscaler(w)
	by := writerOf(w.meta, "f:spec", "f:replicas")
	byTool := by != nil && slices.ContainsFunc(autoscalers, func(m string) bool { return strings.HasPrefix(by.manager, m) })
	var event *corev1.Event
	if h != nil {
		for _, e := range q.events(h) {
			if d := eventTime(e).Sub(at); e.Reason == "SuccessfulRescale" && d > -30*time.Second && d < 30*time.Second {
				event = e
				break
			}
		}
	}
	if event == nil && (!byTool || h == nil && by.manager == "kube-controller-manager") {
		return nil
	}
	why := ""
	e := q.see(w.object, "/spec/replicas", fmt.Sprint(w.desired))
	e.Old = fmt.Sprint(from)
	c := q.workloadCause(w, "autoscaler-scaled-down", nil, e)
	c.certainty, c.since = Likely, at
	if event != nil {
		why = ": " + phrase.FirstWords(event.Message, 120)
		c.evidence = append(c.evidence, q.see(event, "/message", event.Message))
	} else {
		why = " (" + by.manager + ")"
	}
	c.onset = func() (time.Time, string) { return at, "" }
	c.says = clause("an autoscaler scaled %s from %d to %d%s", w, from, w.desired, why)
	return c
}

// lowered is from how many the workload's replicas last fell to what they are,
// and when; 0 if they rose, or never changed within the window.
func (q *inquiry) lowered(w *workload) (from int, at time.Time) {
	o := q.seen(w.object)
	at = o.Time
	n := 0
	for old := range q.view.Past(store.Ref{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}) {
		v := q.decodeWorkload(old)
		if v == nil || old.UID != o.UID || n == maxHistory {
			return 0, time.Time{}
		}
		if v.desired > w.desired {
			return v.desired, at
		}
		if v.desired < w.desired {
			return 0, time.Time{}
		}
		n++
		at = old.Time
	}
	return 0, time.Time{}
}

// autoscaling says what an autoscaler has to do with missing Pods.
func (q *inquiry) autoscaling(w *workload) []*cause {
	var found []*cause
	if c := q.scaledDown(w); c != nil && q.within(c.since, window) {
		found = append(found, c)
	}
	h := q.autoscaler(w)
	if h == nil {
		return found
	}
	for _, cond := range h.Status.Conditions {
		bad := cond.Status == corev1.ConditionFalse && (cond.Type == autoscalingv2.AbleToScale || cond.Type == autoscalingv2.ScalingActive && cond.Reason != "ScalingDisabled") ||
			cond.Type == autoscalingv2.ScalingLimited && cond.Status == corev1.ConditionTrue && cond.Reason == "TooManyReplicas"
		if !bad {
			continue
		}
		c := q.workloadCause(w, "hpa-cannot-scale", clause("autoscaler %s cannot scale %s: %s", h.Name, w, phrase.Sentence(cond.Reason, cond.Message)), q.see(h, phrase.ConditionPath(cond.Type)+"/message", cond.Message))
		c.variant, c.since, c.subject = cond.Reason, cond.LastTransitionTime.Time, q.subject(h)
		found = append(found, c)
	}
	return found
}

// refusals sort the API server's reasons not to create a Pod; the first that
// fits. %s is not used: the name in the message stays in the message.
var refusals = []struct{ variant, words string }{
	{"quota-exhausted", "exceeded quota"},
	{"quota-needs-requests", "failed quota"},
	{"webhook-unreachable", "failed calling webhook"},
	{"webhook-denied", "admission webhook"},
	{"pod-security", "violates PodSecurity"},
	{"serviceaccount-missing", "error looking up service account"},
	{"limitrange", "usage per"},
	{"vap", "ValidatingAdmissionPolicy"},
	{"priorityclass-missing", "no PriorityClass with name"},
	{"namespace-terminating", "is being terminated"},
}

// createFailed: the API server rejects the workload's new Pods.
func (q *inquiry) createFailed(w *workload) *cause {
	message, evidence, since, certainty := q.refusal(w)
	if message == "" {
		return nil
	}
	variant := ""
	for _, r := range refusals {
		if strings.Contains(message, r.words) {
			variant = r.variant
			break
		}
	}
	c := q.workloadCause(w, "replica-create-failed", func(who string) string {
		return fmt.Sprintf("%s cannot be created: %s", who, phrase.FirstWords(refused(message), 200))
	}, evidence)
	c.variant, c.since, c.certainty = variant, since, certainty
	q.refuser(c, w, message)
	switch variant {
	case "quota-exhausted", "quota-needs-requests":
		c.next = commands(command.Kubectl("describe", "quota", "-n", w.meta.Namespace))
		if m := quotaName().FindStringSubmatch(message); m != nil {
			if quota := get[corev1.ResourceQuota](q, w.meta.Namespace, m[1]); quota != nil {
				c.key = m[1]
				c.evidence = append(c.evidence, q.see(quota, "/status/used", usage(quota)))
			}
		}
	case "webhook-denied", "webhook-unreachable":
		q.wording(func() {
			if config, path := q.webhook(message); config != nil {
				c.evidence = append(c.evidence, q.see(config, path, ""))
			}
		})
		if variant == "webhook-unreachable" {
			deeper := q.deadWebhook(message)
			if deeper != nil && deeper.since.Before(since) {
				deeper.since, deeper.onset = since, nil // no Pod was missed before
			}
			return c.because(deeper)
		}
	}
	return c
}

var (
	quotaName   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`quota: ([a-z0-9.-]+)`) })
	webhookName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`webhook "([A-Za-z0-9.-]+)"`) })
	webhookHost = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc[:/]`) })
)

// usage prints a quota: "pods 4 of 4".
func usage(quota *corev1.ResourceQuota) string {
	var list []string
	for name, hard := range quota.Status.Hard {
		used := quota.Status.Used[name]
		list = append(list, fmt.Sprintf("%s %s of %s", name, used.String(), hard.String()))
	}
	slices.Sort(list)
	return phrase.Enumerate(list, 4)
}

// webhook returns the configuration that a refusal comes from, and where in it;
// nil if it is not known, or gone.
func (q *inquiry) webhook(message string) (config any, path string) {
	m := webhookName().FindStringSubmatch(message)
	if m == nil {
		return nil, ""
	}
	path = "/webhooks[name=" + m[1] + "]"
	for _, c := range list[admissionv1.ValidatingWebhookConfiguration](q, store.Query{}) {
		if slices.ContainsFunc(c.Webhooks, func(w admissionv1.ValidatingWebhook) bool { return w.Name == m[1] }) {
			return c, path
		}
	}
	for _, c := range list[admissionv1.MutatingWebhookConfiguration](q, store.Query{}) {
		if slices.ContainsFunc(c.Webhooks, func(w admissionv1.MutatingWebhook) bool { return w.Name == m[1] }) {
			return c, path
		}
	}
	return nil, ""
}

// deadWebhook returns why the Service of a webhook that could not be called
// does not serve; nil if it serves, or the message does not name it.
func (q *inquiry) deadWebhook(message string) *cause {
	m := webhookHost().FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	a := q.serviceAnswer(m[2], m[1])
	if a == nil || !a.nothingServes() && a.state != Absent {
		return nil
	}
	g := a.groups()
	if len(g) == 0 {
		return nil
	}
	root, who := g[0].root, q.who(g[0])
	deeper := *root
	deeper.says = func(string) string {
		return fmt.Sprintf("Service %s/%s of the webhook does not serve: %s", m[2], m[1], root.says(who))
	}
	return &deeper
}

// refused cuts what names the Pod, whose name differs each time.
func refused(message string) string {
	if _, why, ok := strings.Cut(message, " is forbidden: "); ok {
		return why
	}
	return message
}

// refusal returns the last refusal to create a Pod: from the condition of the
// Deployment or ReplicaSet, else from an Event about what creates the Pods.
func (q *inquiry) refusal(w *workload) (message string, evidence Evidence, since time.Time, certainty Certainty) {
	switch o := w.object.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message, q.see(o, phrase.ConditionPath(c.Type)+"/message", c.Message), c.LastTransitionTime.Time, Certain
			}
		}
		return "", Evidence{}, time.Time{}, ""
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message, q.see(o, phrase.ConditionPath(c.Type)+"/message", c.Message), c.LastTransitionTime.Time, Certain
			}
		}
		return "", Evidence{}, time.Time{}, ""
	}
	for _, e := range q.events(w.object) {
		if e.Reason != "FailedCreate" {
			continue
		}
		for _, p := range w.pods {
			if p.CreationTimestamp.After(eventTime(e)) {
				return "", Evidence{}, time.Time{}, ""
			}
		}
		return e.Message, q.see(e, "/message", e.Message), eventTime(e), Likely
	}
	return "", Evidence{}, time.Time{}, ""
}

// setBlocked: a StatefulSet waits for one of its Pods before it makes the next,
// for the reason that Pod is not ready.
func (q *inquiry) setBlocked(w *workload) *cause {
	c, p := q.blockedSet(w)
	if c == nil {
		return nil
	}
	if kube.Terminating(p) {
		if stuck := q.stuckTerminating(p); stuck != nil {
			return c.because(stuck)
		}
		if progress, _ := q.setProgress(w); progress != nil {
			return progress // it is replaced at its own pace
		}
		return c
	}
	return c.because(q.podCause(p, w))
}

// blockedSet returns that a StatefulSet which works in order waits for a Pod,
// and for which; nil if it has nothing left to do. New Pods are made from the
// lowest ordinal up, and updated from the highest down; one that is not ready
// holds up the rest (K/pkg/controller/statefulset/stateful_set_control.go).
func (q *inquiry) blockedSet(w *workload) (*cause, *corev1.Pod) {
	set, ok := w.object.(*appsv1.StatefulSet)
	if !ok || set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
		return nil, nil
	}
	byName := map[string]*corev1.Pod{}
	for _, p := range w.pods {
		if metav1.IsControlledBy(p, set) {
			byName[p.Name] = p
		}
	}
	first := 0
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	updating := set.Status.CurrentRevision != set.Status.UpdateRevision
	var waits *corev1.Pod
	for i := first; i < first+min(w.desired, maxFormer); i++ {
		p := byName[fmt.Sprintf("%s-%d", set.Name, i)]
		if p != nil && (!kube.Ready(p) || kube.Terminating(p)) {
			waits = p
			break
		}
	}
	if waits == nil || !updating && len(byName) >= w.desired {
		return nil, nil
	}
	doing := "makes"
	if updating {
		doing = "updates"
	}
	c := q.workloadCause(w, "statefulset-blocked", clause("StatefulSet %s %s its Pods one by one and waits for %s", set.Name, doing, waits.Name),
		q.see(waits, phrase.ConditionPath(corev1.PodReady)+"/status", fmt.Sprint(kube.Ready(waits))), q.see(set, "/status/updateRevision", set.Status.UpdateRevision))
	c.since = waits.CreationTimestamp.Time
	return c, waits
}
