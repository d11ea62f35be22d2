package analyzer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/store"
)

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
		return fmt.Sprintf("%s cannot be created: %s", who, firstWords(refused(message), 200))
	}, evidence)
	c.variant, c.since, c.certainty = variant, since, certainty
	switch variant {
	case "quota-exhausted", "quota-needs-requests":
		c.next = commands(command.Kubectl("describe", "quota", "-n", w.meta.Namespace))
		if m := quotaName.FindStringSubmatch(message); m != nil {
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
	quotaName   = regexp.MustCompile(`quota: ([a-z0-9.-]+)`)
	webhookName = regexp.MustCompile(`webhook "([A-Za-z0-9.-]+)"`)
	webhookHost = regexp.MustCompile(`https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc[:/]`)
)

// usage prints a quota: "pods 4 of 4".
func usage(quota *corev1.ResourceQuota) string {
	var list []string
	for name, hard := range quota.Status.Hard {
		used := quota.Status.Used[name]
		list = append(list, fmt.Sprintf("%s %s of %s", name, used.String(), hard.String()))
	}
	slices.Sort(list)
	return enumerate(list, 4)
}

// webhook returns the configuration that a refusal comes from, and where in it;
// nil if it is not known, or gone.
func (q *inquiry) webhook(message string) (config any, path string) {
	m := webhookName.FindStringSubmatch(message)
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
	m := webhookHost.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	a := q.serviceAnswer(m[2], m[1])
	if a == nil || a.state != NotServing && a.state != Absent {
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
				return c.Message, q.see(o, conditionPath(c.Type)+"/message", c.Message), c.LastTransitionTime.Time, Certain
			}
		}
		return "", Evidence{}, time.Time{}, ""
	case *appsv1.ReplicaSet:
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Message, q.see(o, conditionPath(c.Type)+"/message", c.Message), c.LastTransitionTime.Time, Certain
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
