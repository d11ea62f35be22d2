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

// Judgement is a verdict that is not put into words yet.
type Judgement struct {
	State    State
	Intent   string
	Headline string  // id, "" if there is none
	About    Subject // of the headline
	Ready    int     // endpoints that get packets, as in Endpoints

	subject store.Ref
	inquiry *inquiry
	answer  *answer
}

// Judge judges at one instant after the other, in memory that it uses again. The
// zero value is ready. It is not safe for concurrent use.
type Judge struct{ inquiry *inquiry }

// At returns the state and the intent of the verdict that Diagnose gives, and
// the id and the subject of its headline. It looks only at what decides them, so
// it is much cheaper. The Judgement is valid until the next call.
func (j *Judge) At(v View, subject store.Ref, o Options) Judgement {
	o.Brief = true
	j.inquiry = j.inquiry.again(v, o)
	return j.inquiry.judge(subject)
}

func (q *inquiry) judge(subject store.Ref) Judgement {
	q.silent = q.options.Symptom == ""
	a := q.answer(subject)
	j := Judgement{State: a.state, Intent: a.intent, About: a.subject, Ready: a.endpoints.Ready, subject: subject, inquiry: q, answer: a}
	if !q.silent { // a hint may become the headline
		r := q.report(a)
		j.Headline, j.About = r.Headline.ID, r.Headline.Subject
		return j
	}
	if a.state != Serving && a.state != NotSelected {
		if groups := a.groups(); len(groups) > 0 {
			j.Headline, j.About = groups[0].root.id, groups[0].root.subject
		} else if len(a.effects) > 0 {
			j.Headline, j.About = a.effects[0].id, a.effects[0].subject
		}
	}
	return j
}

// Outline puts the judgement into words: of the report that Diagnose gives with
// Options.Brief the subject, the verdict, the headline, and how many endpoints
// there are. The View must still be what it was.
func (j *Judgement) Outline() Report {
	q := j.inquiry
	var r Report
	if len(q.answers) > 1 { // the words of one answer are made of those of others
		r = Diagnose(q.view, j.subject, q.options)
	} else {
		q.silent = false
		for _, tell := range q.later {
			tell()
		}
		q.later = nil
		r = q.known(j.answer)
	}
	r.Endpoints.Items = nil
	return Report{Subject: r.Subject, Verdict: r.Verdict, Headline: r.Headline, Endpoints: r.Endpoints}
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
