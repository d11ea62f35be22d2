package analyzer

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// strays are Pods that a workload counts as its own and that lack labels of its
// template which the Service selects: the workload makes no others, and the
// Service does not get them.
func (s *service) strays(w *workload) []*corev1.Pod {
	if !kube.Matches(s.svc.Spec.Selector, w.template.Labels) {
		return nil
	}
	c := &controllers{q: s.q, byRef: map[types.UID]*workload{}, byUID: map[types.UID]*workload{w.meta.UID: w}}
	var found []*corev1.Pod
	for _, p := range list[corev1.Pod](s.q, store.Query{Namespace: s.svc.Namespace, Labels: matchLabels(w)}) {
		if kube.Terminal(p) || kube.Terminating(p) || kube.Matches(s.svc.Spec.Selector, p.Labels) || metav1.GetControllerOfNoCopy(p) == nil {
			continue
		}
		if c.of(p) == w && s.madeToMatch(p, w) {
			found = append(found, p)
		}
	}
	return found
}

// madeToMatch reports whether the template that a Pod was made from has the labels
// that the Service selects. The Pods of an older revision may lack what the
// template says now: nobody took it from them.
func (s *service) madeToMatch(p *corev1.Pod, w *workload) bool {
	if set, ok := w.object.(*appsv1.StatefulSet); ok {
		return p.Labels[appsv1.ControllerRevisionHashLabelKey] == set.Status.UpdateRevision
	}
	ref := metav1.GetControllerOfNoCopy(p)
	if ref.Kind != "ReplicaSet" {
		return true
	}
	rs := get[appsv1.ReplicaSet](s.q, p.Namespace, ref.Name)
	return rs == nil || rs.UID != ref.UID || kube.Matches(s.svc.Spec.Selector, rs.Spec.Template.Labels)
}

// strayed says why Pods of a workload lack its labels: they never had them, so
// admission rewrote them; or somebody took them away later.
func (s *service) strayed(w *workload, strays []*corev1.Pod) *cause {
	var made, later []*corev1.Pod
	for _, p := range strays {
		if s.matchedOnce(p) {
			later = append(later, p)
		} else {
			made = append(made, p)
		}
	}
	if len(made) == 0 {
		return s.unlabelled(later)
	}
	want, have := difference(s.svc.Spec.Selector, made[0].Labels)
	c := s.q.workloadCause(w, "pod-labels-rewritten", clause("%s of %s carry %s where its template says %s, which Service %s selects: something rewrote the labels when the Pods were made, such as a mutating webhook or admission policy",
		phrase.Quantity(len(made), "Pod"), w, have, want, s), s.q.see(w.object, "/spec/template/metadata/labels", want))
	c.certainty, c.since = Likely, made[0].CreationTimestamp.Time
	c.onset = nil
	for _, p := range made[:min(len(made), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(p, "/metadata/labels", have))
		if p.CreationTimestamp.Time.Before(c.since) {
			c.since = p.CreationTimestamp.Time
		}
	}
	c.next = commands(
		command.Kubectl("get", "mutatingwebhookconfigurations,mutatingadmissionpolicies,mutatingadmissionpolicybindings"),
		command.Kubectl("get", "pods", "-n", s.svc.Namespace, "--show-labels"),
	)
	s.q.wording(func() { s.q.mutators(c) })
	return c
}

// unlabelled: somebody took a label from Pods whose workload goes on counting
// them.
func (s *service) unlabelled(pods []*corev1.Pod) *cause {
	c := s.cause("pods-detached-by-label", clause("%s lost the labels %s and left the Service; the workload counts them still and makes no others", phrase.Quantity(len(pods), "Pod"), phrase.Pairs(s.svc.Spec.Selector)))
	c.variant = "counted"
	for _, p := range pods[:min(len(pods), maxRows)] {
		c.evidence = append(c.evidence, s.q.see(p, "/metadata/labels", phrase.Pairs(p.Labels)))
		c.since = s.q.seen(p).Time
	}
	c.next = s.relabel(pods[0])
	return c
}

// relabel proposes to give a Pod the labels back that the Service selects.
func (s *service) relabel(p *corev1.Pod) []next {
	words := command.Kubectl("label").Add(command.Object("pod", p.Namespace, p.Name)...)
	keys := make([]string, 0, len(s.svc.Spec.Selector))
	for k := range s.svc.Spec.Selector {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if v := s.svc.Spec.Selector[k]; p.Labels[k] != v {
			words = words.Add(k + "=" + v)
			if _, other := p.Labels[k]; other {
				words = words.Add("--overwrite")
			}
		}
	}
	return append(commands(words), commands(command.Kubectl("get", "pods", "-n", p.Namespace, "--show-labels"))...)
}

// difference returns the pairs of a selector that labels do not have, and what
// they have in their place.
func difference(selector, labels map[string]string) (want, have string) {
	wanted, had := map[string]string{}, []string{}
	for k, v := range selector {
		l, has := labels[k]
		switch {
		case has && l == v:
			continue
		case has:
			had = append(had, k+"="+l)
		default:
			had = append(had, "no "+k)
		}
		wanted[k] = v
	}
	slices.Sort(had)
	return phrase.Pairs(wanted), strings.Join(had, ", ")
}

// mutators shows what can rewrite Pods at their creation.
func (q *inquiry) mutators(c *cause) {
	ofPods := func(rules []admissionv1.RuleWithOperations) bool {
		return slices.ContainsFunc(rules, func(r admissionv1.RuleWithOperations) bool {
			return slices.ContainsFunc(r.Resources, func(s string) bool { return s == "pods" || s == "*" || s == "*/*" })
		})
	}
	var names []next
	for _, w := range list[admissionv1.MutatingWebhookConfiguration](q, store.Query{}) {
		if slices.ContainsFunc(w.Webhooks, func(h admissionv1.MutatingWebhook) bool { return ofPods(h.Rules) }) {
			c.evidence = append(c.evidence, q.see(w, "/webhooks", fmt.Sprintf("%d", len(w.Webhooks))))
			names = append(names, commands(describe("mutatingwebhookconfiguration", "", w.Name))...)
		}
	}
	for _, b := range list[admissionv1.MutatingAdmissionPolicyBinding](q, store.Query{}) {
		p := get[admissionv1.MutatingAdmissionPolicy](q, "", b.Spec.PolicyName)
		if p == nil {
			continue
		}
		c.evidence = append(c.evidence, q.see(b, "/spec/policyName", b.Spec.PolicyName), q.see(p, "/spec/mutations", fmt.Sprint(len(p.Spec.Mutations))))
		names = append(names, commands(describe("mutatingadmissionpolicy", "", p.Name))...)
	}
	if len(names) == 1 {
		c.next = append(names, c.next...)
	}
}

// labelledOneByOne reports whether the Service selects Pods of a workload by a
// label that no template of it has, or had: an operator gives it to some, such
// as the one that leads. How many are meant is not known then.
func (s *service) labelledOneByOne(w *workload) bool {
	selector := s.svc.Spec.Selector
	if len(w.template.Labels) == 0 || kube.Matches(selector, w.template.Labels) {
		return false
	}
	o := s.q.seen(w.object)
	for old := range s.q.view.Past(store.Ref{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name}) {
		if v := s.q.decodeWorkload(old); v != nil && kube.Matches(selector, v.template.Labels) {
			return false
		}
	}
	if _, ok := w.object.(*appsv1.Deployment); !ok {
		return true
	}
	for _, rs := range list[appsv1.ReplicaSet](s.q, store.Query{Namespace: s.svc.Namespace, Owner: w.meta.UID}) {
		if kube.Matches(selector, rs.Spec.Template.Labels) {
			return false
		}
	}
	return true
}
