package analyzer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// What a refusal names (plugin/pkg/admission and
// staging/src/k8s.io/apiserver/pkg/admission/plugin/policy in Kubernetes).
var (
	policyNames = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)' with binding '([^']+)'`)
	})
	className    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`no PriorityClass with name (\S+)`) })
	accountName  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`serviceaccount "([^"]+)" not found`) })
	securityMode = "pod-security.kubernetes.io/"
)

// refuser adds the object that a refusal to create a Pod names to its cause, and
// the command that shows or mends that object. It only chooses words: the refusal
// stands without it.
func (q *inquiry) refuser(c *cause, w *workload, message string) {
	q.wording(func() {
		switch c.variant {
		case "vap":
			if m := policyNames().FindStringSubmatch(message); m != nil {
				q.refusingPolicy(c, w, m[1], m[2])
			}
		case "priorityclass-missing":
			if m := className().FindStringSubmatch(message); m != nil {
				q.missingClass(c, m[1])
			}
		case "serviceaccount-missing":
			if m := accountName().FindStringSubmatch(message); m != nil {
				if get[corev1.ServiceAccount](q, w.meta.Namespace, m[1]) == nil {
					c.evidence = append(c.evidence, q.absent(kindOf[corev1.ServiceAccount](), w.meta.Namespace, m[1]))
				}
				c.next = commands(command.Kubectl("create").Add(command.Object("serviceaccount", w.meta.Namespace, m[1])...))
			}
		case "limitrange":
			for _, l := range list[corev1.LimitRange](q, store.Query{Namespace: w.meta.Namespace}) {
				c.evidence = append(c.evidence, q.see(l, "/spec/limits", limits(l)))
			}
			c.next = commands(command.Kubectl("describe", "limitrange", "-n", w.meta.Namespace))
		case "pod-security":
			if ns := get[corev1.Namespace](q, "", w.meta.Namespace); ns != nil {
				modes := map[string]string{}
				for k, v := range ns.Labels {
					if strings.HasPrefix(k, securityMode) {
						modes[k] = v
					}
				}
				c.evidence = append(c.evidence, q.see(ns, "/metadata/labels", phrase.Pairs(modes)))
				c.next = append(commands(command.Kubectl("get", "namespace", w.meta.Namespace, "--show-labels")), c.next...)
			}
		}
	})
}

// refusingPolicy shows a ValidatingAdmissionPolicy by the binding that makes it
// hold. w is the workload whose Pods are refused, nil if that is something else.
func (q *inquiry) refusingPolicy(c *cause, w *workload, policy, binding string) {
	b := get[admissionv1.ValidatingAdmissionPolicyBinding](q, "", binding)
	if b == nil && w == nil {
		return
	}
	if b == nil {
		q.refusedBefore(c, w, "ValidatingAdmissionPolicyBinding "+binding, kindOf[admissionv1.ValidatingAdmissionPolicyBinding](), binding)
		return
	}
	c.evidence = append(c.evidence, q.see(b, "/spec/validationActions", fmt.Sprint(b.Spec.ValidationActions)))
	if p := get[admissionv1.ValidatingAdmissionPolicy](q, "", policy); p != nil {
		var rules []string
		for _, v := range p.Spec.Validations {
			rules = append(rules, v.Expression)
		}
		c.evidence = append(c.evidence, q.see(p, "/spec/validations", phrase.FirstWords(strings.Join(rules, "; "), 120)))
	}
	c.next = append(commands(
		describe("validatingadmissionpolicybinding", "", binding),
		describe("validatingadmissionpolicy", "", policy),
	), c.next...)
}

// refusedBefore says that what refused new Pods is gone: the refusal is the last
// one there was, and the controller has not tried again since. It waits twice as
// long after each refusal (client-go's workqueue, up to 1000 s).
func (q *inquiry) refusedBefore(c *cause, w *workload, what string, k kind, name string) {
	if !q.covered(k, "") {
		return
	}
	when := ""
	for o := range q.view.Past(store.Ref{Resource: k.resource, Name: name}) {
		if o.Type == watch.Deleted {
			when = " since " + phrase.Clock(o.Time, q.now)
		}
		break
	}
	says := c.says
	c.says = func(who string) string {
		return fmt.Sprintf("%s (%s is gone%s; the controller tries again later, and later each time)", says(who), what, when)
	}
	c.evidence = append(c.evidence, q.absent(k, "", name))
	if w.kind == "Deployment" {
		c.next = append(commands(rolloutCommand("restart", w.meta.Namespace, w.meta.Name)), c.next...)
	}
}

// missingClass shows a PriorityClass that is gone, and how to make it again if its
// value was recorded.
func (q *inquiry) missingClass(c *cause, name string) {
	c.next = append(commands(command.Kubectl("get", "priorityclasses")), c.next...)
	if get[schedulingv1.PriorityClass](q, "", name) != nil {
		return
	}
	c.evidence = append(c.evidence, q.absent(kindOf[schedulingv1.PriorityClass](), "", name))
	for _, old := range past[schedulingv1.PriorityClass](q, "", name) {
		c.next = append(commands(command.Kubectl("create").Add(command.Object("priorityclass", "", name)...).Add(fmt.Sprintf("--value=%d", old.Value))), c.next...)
		return
	}
}

// limits prints the bounds of a LimitRange: "Container max memory 128Mi".
func limits(l *corev1.LimitRange) string {
	var list []string
	for _, item := range l.Spec.Limits {
		for bound, values := range map[string]corev1.ResourceList{"max": item.Max, "min": item.Min} {
			for name, q := range values {
				list = append(list, fmt.Sprintf("%s %s %s %s", item.Type, bound, name, q.String()))
			}
		}
	}
	slices.Sort(list)
	return phrase.Enumerate(list, 4)
}
