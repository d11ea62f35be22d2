// Package analyzer says why a Service, a workload or a Pod gets traffic or gets
// none, at one instant of a cluster: one headline, what proves it, what it leads
// to, and what could not be decided.
//
//	report := analyzer.Diagnose(view, subject, analyzer.Options{})
//
// Diagnose is a pure function of a [View]. It has no clock but the View's
// instant, never looks past it, changes no object, and gives the same bytes for
// the same View, live or years later.
//
// # How an answer is found
//
// The reference functions ([FindPort], [Expected], [Backends], [Route]) are the
// rules of the control plane and of kube-proxy, written anew and held to the
// originals by an oracle in a module of its own. With them a Service is looked
// at from two ends:
//
//   - From the client: what kube-proxy makes of each port, family and node, and
//     what DNS answers. That gives the traffic classes, and with them the state.
//   - From the Pods: each missing unit of service (a Pod that should serve, a
//     Pod that does not exist, a way in from outside, the Service itself) goes
//     down a ladder of rungs, each of which knows one diagnosis. The first that
//     fits is its cause; a cause may be the effect of a deeper one (a Pod marked
//     unready, because its Node fell silent).
//
// Units with the same deepest cause are one group; the group that comes first
// in a total order is the headline, its path to what is lost is "because", and
// the other groups are "also". What explains nothing stands apart: symptoms,
// risks and hints. DIAGNOSES.md lists every id.
//
// # What is certain
//
// Absence proves something only where the recorder was listening. All look-ups
// go through one inquiry, which remembers what was looked at and not covered;
// an answer is called certain only if there was no such thing. A missing
// Kubernetes Event never proves anything.
//
// Comments name the sources of rules: K/ is the module k8s.io/kubernetes, S/
// stands for its staging modules, k8s.io/...
package analyzer

import (
	"iter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer/object"
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

// Object is one version of an object, decoded on demand and once. It is shared
// between Views and must not be changed.
type Object = object.Object

// Template is what an object that makes Pods tells of them.
type Template = object.Template

// NewObject returns the object of an event.
func NewObject(e store.Event) *Object { return object.New(e) }

// NewObjectAhead returns the object of an event whose times were written by a clock that
// is ahead of the recorder's.
func NewObjectAhead(e store.Event, ahead time.Duration) *Object { return object.NewAhead(e, ahead) }

// As decodes an object into a Kubernetes API type; see [object.As].
func As[T any](o *Object) *T { return object.As[T](o) }

// View is a cluster at one instant, as far as it is known. It is all the
// analyzer sees: the same View gives the same Report, live or years later.
// A View never shows anything after its instant. Objects are read-only.
type View interface {
	// Start is when the recording began.
	Start() time.Time
	// Instant is the moment looked at. It is the analyzer's only clock.
	Instant() time.Time
	// Seq is the last position at or before the instant.
	Seq() store.Seq
	// Get returns the object with this name, nil if none is known. Coverage says
	// whether it is up to date, and whether absence proves something.
	Get(ref store.Ref) *Object
	// List returns the objects that match, ordered by namespace and name.
	List(q store.Query) []*Object
	// Past yields all recorded versions of the object with this name up to the
	// instant, newest first, of whatever UID; a deletion is the version with
	// Type DELETED. The oldest version is only as old as the recording. Each is
	// read only when it is asked for, so a look-back that stops early is cheap.
	Past(ref store.Ref) iter.Seq[*Object]
	// Coverage says whether the recorder was listening to the resource in the
	// namespace ("" for cluster-scoped resources or for all namespaces).
	Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage
	// Templates is List for objects of which only the Template will be looked at,
	// and only if the selector matches it; a View may leave out the others.
	Templates(q store.Query, selector map[string]string) []*Object
	// Until is told that the answer may change after an instant although nothing
	// is recorded then: a grace ends.
	Until(t time.Time)
}
