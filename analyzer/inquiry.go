package analyzer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store"
)

// inquiry is one run of Diagnose. Everything it looks at goes through it, so
// that it knows what an answer rests on: which version of which object, and
// what was not covered by the recording.
//
// An answer is certain only if all kinds looked at before it was reached were
// covered. That makes certainty safe by construction: a run that lacks a kind
// takes the same way as the complete run up to where that kind is first looked
// at, so whatever it says differently from there on is not called certain.
type inquiry struct {
	view     View
	options  Options
	now      time.Time
	origin   map[any]*Object // decoded object -> the version it comes from
	got      map[store.Ref]any
	nodes    map[string]*corev1.Node
	looked   map[scope]*proof // what the recording proves, of everything looked at
	depth    int              // how many subjects are being examined, one because of the other
	asides   int              // > 0: what is looked at cannot change the answer
	silent   bool             // the words come later, if at all
	later    []func()         // what is left for then
	unsure   bool             // the answer rests on something not covered
	answers  map[store.Ref]*answer
	rollouts map[*appsv1.Deployment]*rollout
}

// scope is a kind (by name) in a namespace, "" for all namespaces.
type scope struct {
	kind      string
	namespace string
}

func newInquiry(v View, o Options) *inquiry {
	return &inquiry{
		view: v, options: o, now: v.Instant(),
		origin:  make(map[any]*Object, 64),
		got:     make(map[store.Ref]any, 32),
		looked:  make(map[scope]*proof, 32),
		answers: map[store.Ref]*answer{},
	}
}

// again returns an inquiry in the memory of one that is over, or in new memory.
func (q *inquiry) again(v View, o Options) *inquiry {
	if q == nil {
		return newInquiry(v, o)
	}
	clear(q.origin)
	clear(q.got)
	clear(q.looked)
	clear(q.answers)
	*q = inquiry{view: v, options: o, now: v.Instant(), origin: q.origin, got: q.got, looked: q.looked, answers: q.answers}
	return q
}

// proof is what the recording proves about a scope.
type proof struct {
	status store.Status // "" if something could not be decoded
	hole   bool         // something was asked that it does not prove
}

func (q *inquiry) proof(k kind, namespace string) *proof {
	if k.cluster {
		namespace = ""
	}
	s := scope{k.name, namespace}
	p := q.looked[s]
	if p == nil {
		p = &proof{status: q.view.Coverage(k.resource, namespace).Status}
		q.looked[s] = p
	}
	return p
}

// doubt notes that the answer rests on something that is not proven.
func (q *inquiry) doubt(p *proof) {
	p.hole = true
	if q.asides == 0 {
		q.unsure = true
	}
}

// covered reports whether absence of an object of the kind proves something, and
// remembers that it was asked. Of lists that were read one after the other it
// does, but what rests on that is not certain.
func (q *inquiry) covered(k kind, namespace string) bool {
	p := q.proof(k, namespace)
	if !p.status.AbsenceProven() {
		q.doubt(p)
	}
	return p.status.AbsenceProven() || p.status == store.Instant
}

// current remembers that the answer rests on an object that is known, and that
// may be outdated.
func (q *inquiry) current(k kind, namespace string) {
	if p := q.proof(k, namespace); !p.status.ContentCurrent() {
		q.doubt(p)
	}
}

// aside runs f, whose findings do not change the verdict or the headline, so
// that what it looks at does not weaken them. They do change it if the user
// says that traffic fails: then a hint may become the headline.
func (q *inquiry) aside(f func()) {
	switch {
	case q.options.Symptom != "":
		f()
	case !q.options.Brief:
		q.wording(f)
	}
}

// wording runs f, which only chooses words.
func (q *inquiry) wording(f func()) {
	q.telling(func() {
		q.asides++
		f()
		q.asides--
	})
}

// telling runs f, which adds what a report tells beside the verdict and the
// headline's id and subject: at once, or when the report is asked for.
func (q *inquiry) telling(f func()) {
	if q.silent {
		q.later = append(q.later, f)
		return
	}
	f()
}

// list returns the objects that match, ordered by namespace and name. What
// cannot be decoded is left out and counts as not covered.
func list[T any](q *inquiry, query store.Query) []*T {
	k := kindOf[T]()
	query.Resource = k.resource
	q.covered(k, query.Namespace)
	objects := q.view.List(query)
	values := make([]*T, 0, len(objects))
	for _, o := range objects {
		if v := decode[T](q, k, o); v != nil {
			values = append(values, v)
		}
	}
	return values
}

// get returns the object with this name, nil if none is known.
func get[T any](q *inquiry, namespace, name string) *T {
	k := kindOf[T]()
	ref := store.Ref{Resource: k.resource, Namespace: namespace, Name: name}
	var v *T
	if known, ok := q.got[ref]; ok {
		v = known.(*T)
	} else {
		if o := q.view.Get(ref); o != nil {
			v = decode[T](q, k, o)
		}
		q.got[ref] = v
	}
	if v != nil {
		q.current(k, namespace)
	} else {
		q.covered(k, namespace)
	}
	return v
}

// past yields the recorded versions of the object with this name, newest
// first, of whatever UID, deletions included.
func past[T any](q *inquiry, namespace, name string) iter.Seq2[*Object, *T] {
	k := kindOf[T]()
	q.covered(k, namespace)
	return func(yield func(*Object, *T) bool) {
		for o := range q.view.Past(store.Ref{Resource: k.resource, Namespace: namespace, Name: name}) {
			if v := decode[T](q, k, o); v != nil && !yield(o, v) {
				return
			}
		}
	}
}

// deleted returns the last versions of objects that would match and were
// deleted, latest first; none where the View does not tell. What it returns
// changes only with what the same List does.
func (q *inquiry) deleted(query store.Query) []*Object {
	if v, ok := q.view.(interface {
		Deleted(q store.Query) []*Object
	}); ok {
		return v.Deleted(query)
	}
	return nil
}

func decode[T any](q *inquiry, k kind, o *Object) *T {
	v := As[T](o)
	if o.Err() != nil {
		p := q.proof(k, o.Namespace)
		p.status = ""
		q.doubt(p)
		return nil
	}
	q.origin[v] = o
	return v
}

// seen returns the version an object was decoded from. It is never nil for an
// object that came through the inquiry.
func (q *inquiry) seen(v any) *Object { return q.origin[v] }

// see returns evidence: what the object says at the path.
func (q *inquiry) see(v any, path, value string) Evidence {
	o := q.origin[v]
	return Evidence{
		Seq: o.Seq, Kind: kindsByResource[o.Resource.GroupResource()].name,
		Namespace: o.Namespace, Name: o.Name, UID: string(o.UID),
		ResourceVersion: o.ResourceVersion, ObservedAt: o.Time,
		Path: path, Value: value,
	}
}

// absent returns evidence that no such object exists: the moment from which
// the recorder knew all of them.
func (q *inquiry) absent(k kind, namespace, name string) Evidence {
	if k.cluster {
		namespace = ""
	}
	c := q.view.Coverage(k.resource, namespace)
	note := "does not exist: all " + k.plural + " are known since then"
	if c.Status == store.Instant {
		note = "did not exist: the complete list of " + k.plural + " of that time has no such name"
	}
	return Evidence{
		Seq: c.Seq, Kind: k.name, Namespace: namespace, Name: name,
		ResourceVersion: c.ResourceVersion, ObservedAt: c.Time, Note: note,
	}
}

// subject names an object that came through the inquiry.
func (q *inquiry) subject(v any) Subject {
	o := q.origin[v]
	s := subjectOf(kindsByResource[o.Resource.GroupResource()], o.Namespace, o.Name)
	s.UID = string(o.UID)
	return s
}

func subjectOf(k kind, namespace, name string) Subject {
	if k.cluster {
		namespace = ""
	}
	return Subject{Group: k.resource.Group, Version: k.resource.Version, Kind: k.name, Namespace: namespace, Name: name}
}

// node returns the Node with this name, nil if none is known.
func (q *inquiry) node(name string) *corev1.Node {
	if name == "" {
		return nil
	}
	return get[corev1.Node](q, "", name)
}

// allNodes returns all known Nodes by name.
func (q *inquiry) allNodes() map[string]*corev1.Node {
	q.covered(kindOf[corev1.Node](), "")
	if q.nodes == nil {
		q.nodes = map[string]*corev1.Node{}
		for _, n := range list[corev1.Node](q, store.Query{}) {
			q.nodes[n.Name] = n
		}
	}
	return q.nodes
}

// events returns the Kubernetes Events about an object, newest first. That
// there is none proves nothing: they are best effort and expire.
func (q *inquiry) events(v any) []*corev1.Event {
	o := q.origin[v]
	found := list[corev1.Event](q, store.Query{Namespace: o.Namespace, Involved: o.UID})
	slices.SortStableFunc(found, func(a, b *corev1.Event) int {
		return cmp.Or(eventTime(b).Compare(eventTime(a)), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// eventTime is when an Event was last seen. Recorders of events.k8s.io leave
// lastTimestamp and count empty.
func eventTime(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	case !e.FirstTimestamp.IsZero():
		return e.FirstTimestamp.Time
	}
	return e.CreationTimestamp.Time
}

// within reports whether t is at most d ago. While it is, the View is told when
// that ends.
func (q *inquiry) within(t time.Time, d time.Duration) bool {
	end := t.Add(d)
	if end.Before(q.now) {
		return false
	}
	q.view.Until(end)
	return true
}

// Graces: how long a change may take to have its effect before it counts as a
// fault. Inside them a subject is Converging.
const (
	startGrace       = 10 * time.Second // a Pod begins to start
	scheduleGrace    = 10 * time.Second // a Pod is unschedulable
	ignoredGrace     = 30 * time.Second // no scheduler has looked at a Pod
	kubeletGrace     = 60 * time.Second // a kubelet has not touched a Pod
	sliceGrace       = 10 * time.Second // slices follow Pods and Services
	loadBalancer     = 60 * time.Second // a load balancer gets its address
	terminationGrace = 30 * time.Second // beyond deletionTimestamp
	controllerGrace  = 30 * time.Second // a controller observes a new generation
	initGrace        = 30 * time.Second // an init container runs
)

// look-back windows
const (
	window     = 10 * time.Minute // how far back transitions are looked for
	maxHistory = 256              // versions of one object looked at
	maxRefined = 8                // units whose history is read to date a group
	maxRows    = 12               // rows of evidence kept for one finding
)

// probeGrace is how long a container may take to pass a probe: before that its
// failing says nothing.
func probeGrace(p *corev1.Probe) time.Duration {
	period, threshold := int64(p.PeriodSeconds), int64(p.FailureThreshold)
	if period <= 0 {
		period = 10
	}
	if threshold <= 0 {
		threshold = 3
	}
	return time.Duration(int64(p.InitialDelaySeconds)+period*threshold) * time.Second
}

// held returns since when something has been true of an object without a
// break, and a note when that is not known exactly. It reads the history
// backwards and stops where it was not true.
func held[T any](q *inquiry, v *T, is func(*T) bool) (since time.Time, note string) {
	o := q.seen(v)
	since = o.Time
	n := 0
	for old, w := range past[T](q, o.Namespace, o.Name) {
		if old.UID != o.UID || !is(w) {
			return since, ""
		}
		since = old.Time
		if n++; n == maxHistory {
			return since, "or earlier"
		}
	}
	if created := creation(v); created.IsZero() || since.Sub(created) > time.Second && !since.After(q.view.Start().Add(startGrace)) {
		return since, "or earlier: the recording starts here"
	}
	return since, ""
}

func creation(v any) time.Time {
	if m, ok := v.(metav1.Object); ok {
		return m.GetCreationTimestamp().Time
	}
	return time.Time{}
}

// writer is who last wrote a field, as managedFields tell: a tool, not a
// person. Deletions leave no writer.
type writer struct {
	manager, operation, subresource string
	time                            time.Time
}

func (w *writer) String() string {
	if w.subresource != "" && w.subresource != "status" {
		return fmt.Sprintf("%s (%s)", w.manager, w.subresource)
	}
	return w.manager
}

// writerOf returns the newest manager of a field, given as its keys in
// fieldsV1 ("f:spec", "f:replicas"); nil if nobody is known.
func writerOf(m *metav1.ObjectMeta, path ...string) *writer {
	var newest *writer
	for i := range m.ManagedFields {
		f := &m.ManagedFields[i]
		if f.Time == nil || f.FieldsV1 == nil || !owns(f.FieldsV1.GetRawBytes(), path) {
			continue
		}
		if newest == nil || f.Time.After(newest.time) {
			newest = &writer{f.Manager, string(f.Operation), f.Subresource, f.Time.Time}
		}
	}
	return newest
}

func owns(fields json.RawMessage, path []string) bool {
	for _, key := range path {
		var level map[string]json.RawMessage
		if json.Unmarshal(fields, &level) != nil {
			return false
		}
		next, ok := level[key]
		if !ok {
			return false
		}
		fields = next
	}
	return true
}
