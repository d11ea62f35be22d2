package analyzer

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

// Options narrow the question. The zero value asks about all traffic.
type Options struct {
	From    string // client: pod/NAME, pod/NAMESPACE/NAME, node/NAME or an IP address
	Port    string // only this Service port: a number or a name, optionally /PROTOCOL
	Symptom string // what the client sees: refused, timeout or nxdomain
	// Brief leaves out what stands beside the verdict and does not decide it:
	// symptoms, risks, hints and the checklist. It has no effect with Symptom.
	Brief bool
}

// Diagnose says why the subject gets traffic or gets none, at the instant of
// the View. It is a pure function: one View gives one Report, and the View's
// objects are not changed.
func Diagnose(v View, subject store.Ref, o Options) Report {
	q := newInquiry(v, o)
	return q.report(q.answer(subject))
}

// Judge returns the state and the intent of the verdict that Diagnose gives, and
// the id and the subject of its headline, without putting them into words. It
// looks only at what decides them, so it is much cheaper.
func Judge(v View, subject store.Ref, o Options) (Verdict, Headline) {
	o.Brief = true
	q := newInquiry(v, o)
	q.silent = o.Symptom == ""
	a := q.answer(subject)
	if !q.silent { // a hint may become the headline
		r := q.report(a)
		return r.Verdict, r.Headline
	}
	h := Headline{Subject: a.subject}
	if a.state != Serving && a.state != NotSelected {
		if groups := a.groups(); len(groups) > 0 {
			h.ID, h.Subject = groups[0].root.id, groups[0].root.subject
		} else if len(a.effects) > 0 {
			h.ID, h.Subject = a.effects[0].id, a.effects[0].subject
		}
	}
	return Verdict{State: a.state, Intent: a.intent}, h
}

// maxDepth bounds chains of Services: aliases, webhooks, backends.
const maxDepth = 4

// answer examines a subject once. A subject that is already being examined
// further up is a cycle: nil.
func (q *inquiry) answer(ref store.Ref) *answer {
	if a, begun := q.answers[ref]; begun {
		return a
	}
	if q.depth == maxDepth {
		return nil
	}
	q.answers[ref] = nil
	q.depth++
	a := q.examine(ref)
	q.depth--
	q.answers[ref] = a
	return a
}

// serviceAnswer examines the Service with this name.
func (q *inquiry) serviceAnswer(namespace, name string) *answer {
	return q.answer(store.Ref{Resource: kindOf[corev1.Service]().resource, Namespace: namespace, Name: name})
}
