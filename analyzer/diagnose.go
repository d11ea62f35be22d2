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
}

// Diagnose says why the subject gets traffic or gets none, at the instant of
// the View. It is a pure function: one View gives one Report, and the View's
// objects are not changed.
func Diagnose(v View, subject store.Ref, o Options) Report {
	q := newInquiry(v, o)
	return q.report(q.answer(subject))
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
