// Package past reconstructs what happened before a recording began, from the
// times that objects state of themselves.
//
// A Fact is one thing that happened, with its uncertainty. A FirstState is the
// first complete state of a recording; Reconstruct takes a report before it.
package past

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// Fact is something that happened before a recording began, and that an object
// of its first complete state still told the time of. Nobody heard it happen:
// whatever shows a Fact says that it is reconstructed, and how uncertain it is.
type Fact struct {
	Reconstructed bool `json:"reconstructed"` // always true: a fact that is taken out of its list still says so

	// Time is when it happened, by the recorder's clock; it lies between
	// Earliest and Latest. Most times in objects are cut to the second, so it
	// happened up to a second later. Latest is never after the object was heard.
	Time     time.Time `json:"time"`
	Earliest time.Time `json:"earliest"`
	Latest   time.Time `json:"latest"`
	Stated   time.Time `json:"stated,omitzero"` // the time in the object, where that clock is known to differ from the recorder's
	Clock    Timepiece `json:"clock"`           // whose clock the time was read from

	Subject  analyzer.Subject `json:"subject"`
	What     What             `json:"what"`
	Path     string           `json:"path,omitempty"` // what it is about; of a Writing with several fields, what they are below; of a Rollout, an image if it changed one
	Old      any              `json:"old,omitempty"`
	New      any              `json:"new,omitempty"`      // the value, which has stayed the same since
	Fields   []change.Field   `json:"fields,omitempty"`   // if it is about more than one; see Rollout and Writing
	Writer   *change.Writer   `json:"writer,omitempty"`   // nil where managedFields do not tell
	Revision int64            `json:"revision,omitempty"` // of a Rollout
	Reason   string           `json:"reason,omitempty"`   // as the object gives it when the recording begins
	Message  string           `json:"message,omitempty"`
	Source   string           `json:"source,omitempty"` // of a KubernetesEvent: the component that reported it
	Warning  bool             `json:"warning,omitempty"`
	Count    int              `json:"count,omitempty"` // of a KubernetesEvent: how often it had occurred by then

	// Link and Note are set in a Prelude: that, and how firmly, the fact explains
	// the outage.
	Link change.Link `json:"link,omitempty"`
	Note string      `json:"note,omitempty"`

	Seq        store.Seq `json:"seq"`        // the event that the object was heard in
	ObservedAt time.Time `json:"observedAt"` // when that was

	Ref       store.Ref      `json:"-"`
	AllFields []change.Field `json:"-"` // also where it is only one
}

// What says what a Fact is about.
type What string

// What can be told of the time before a recording.
const (
	// Creation: the object was created.
	Creation What = "created"
	// DeletionAsked: its deletion was asked for. The object has the deadline.
	DeletionAsked What = "deletionAsked"
	// Condition: a condition became New. What it was before is not known.
	Condition What = "condition"
	// Started: a container was started, New times restarted by then.
	Started What = "started"
	// Terminated: a container ended, with exit code New.
	Terminated What = "terminated"
	// Rollout: the template of a workload was changed, by which a new revision
	// came about; Fields are the differences to the revision before.
	Rollout What = "rollout"
	// Writing: a manager wrote to the object, for the last time. Fields are those
	// it owns; which of them it changed then, managedFields do not tell, and it
	// may have changed some that it owns no longer.
	Writing What = "written"
	// KubernetesEvent: an Event about the subject was reported, for the first or
	// the last time.
	KubernetesEvent What = "event"
	// Tainted: a Node got a taint.
	Tainted What = "tainted"
	// Scaled: an autoscaler changed the number of replicas.
	Scaled What = "scaled"
	// Renewal: a Lease was renewed by New, and then not in time any more.
	Renewal What = "renewed"
)

// rank puts causes before effects where the second they happened in is all
// that is known.
func (w What) rank() int {
	return slices.Index([]What{Writing, Rollout, Scaled, Tainted, DeletionAsked, Creation, Renewal, Terminated, Started, Condition, KubernetesEvent}, w)
}

// Timepiece says whose clock a time was read from.
type Timepiece string

// The clocks of a cluster. Only that of the API server is compared with the
// recorder's; those of the others are taken to show the same as that one.
const (
	ServerClock     Timepiece = "apiserver"
	ControllerClock Timepiece = "controller"
	KubeletClock    Timepiece = "kubelet"
)

// Known reports whether the fact has happened at an instant, as far as is known.
func (f *Fact) Known(at time.Time) bool { return !f.Time.After(at) }

// All returns all that can be told of the time before the recording, oldest
// first: from the first complete list of each resource, which is read whole.
func All(t replay.Timeline) ([]Fact, error) {
	p, err := newCollector(t)
	if err != nil {
		return nil, err
	}
	for _, b := range p.beginnings {
		seqs, err := t.Find(store.Query{Resource: b.resource, Namespace: b.namespace}, b.seq)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			e, err := t.Event(seq)
			if err != nil {
				return nil, err
			}
			p.read(analyzer.NewObject(e))
		}
	}
	return p.sorted(), nil
}

// Count is how many objects Past reads.
func Count(t replay.Timeline) (int, error) {
	p, err := newCollector(t)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, b := range p.beginnings {
		seqs, err := t.Find(store.Query{Resource: b.resource, Namespace: b.namespace}, b.seq)
		if err != nil {
			return 0, err
		}
		n += len(seqs)
	}
	return n, nil
}

// Of returns what can be told of the time before the recording about the
// subject and all that can matter to it, oldest first.
func Of(t replay.Timeline, subject store.Ref) ([]Fact, error) {
	p, err := newCollector(t)
	if err != nil || len(p.beginnings) == 0 {
		return nil, err
	}
	s, err := replay.NewCursor(t).Seek(p.complete())
	if err != nil {
		return nil, err
	}
	r := cause.RelationsOf(s, subject)
	hosts := map[string]bool{}
	for _, pod := range r.Pods {
		hosts[pod.Spec.NodeName] = true
	}
	absent := map[store.Ref]bool{}
	for _, ref := range r.Refs {
		at := p.began(ref)
		if at == 0 {
			continue
		}
		told := len(p.facts)
		exists, err := p.object(ref, at)
		if err != nil {
			return nil, err
		}
		if !exists {
			absent[ref] = true
			continue
		}
		if ref.Resource == replay.Nodes && !hosts[ref.Name] && subject != ref {
			// A Node without Pods of the subject matters if somebody did something to it.
			p.facts = slices.Concat(p.facts[:told], slices.DeleteFunc(slices.Clone(p.facts[told:]), func(f Fact) bool {
				return f.What != Writing && f.What != Tainted && f.What != DeletionAsked
			}))
		}
	}
	for _, o := range s.List(store.Query{Resource: replay.Leases}) {
		p.read(o)
	}
	if len(absent) > 0 {
		told := len(p.facts)
		for _, o := range s.List(store.Query{Resource: replay.KubernetesEvents, Namespace: cmp.Or(subject.Namespace, "default")}) {
			p.read(o)
		}
		if subject.Namespace != "default" {
			for _, o := range s.List(store.Query{Resource: replay.KubernetesEvents, Namespace: "default"}) {
				p.read(o)
			}
		}
		p.facts = slices.Concat(p.facts[:told], slices.DeleteFunc(slices.Clone(p.facts[told:]), func(f Fact) bool { return !absent[f.Ref] }))
	}
	return p.sorted(), s.Err()
}

// object reads the object of a name, if there is one, what revises it, and the
// Kubernetes Events about it.
func (p *collector) object(ref store.Ref, at store.Seq) (exists bool, err error) {
	seqs, err := p.timeline.Find(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, at)
	if err != nil || len(seqs) == 0 {
		return false, err
	}
	o, err := p.objects.Get(p.timeline, seqs[0])
	if err != nil {
		return false, err
	}
	p.read(o)
	related := []store.Query{{Resource: replay.KubernetesEvents, Namespace: cmp.Or(ref.Namespace, "default"), Involved: o.UID}}
	if ref.Resource == replay.Nodes { // kubelets name their Node by its name
		related = append(related, store.Query{Resource: replay.KubernetesEvents, Namespace: "default", Involved: types.UID(ref.Name)})
	}
	if ref.Resource == replay.Workloads["StatefulSet"] || ref.Resource == replay.Workloads["DaemonSet"] {
		related = append(related, store.Query{Resource: replay.ControllerRevisions, Namespace: ref.Namespace, Owner: o.UID})
	}
	for _, q := range related {
		from := p.began(store.Ref{Resource: q.Resource, Namespace: q.Namespace})
		if from == 0 {
			continue
		}
		seqs, err := p.timeline.Find(q, from)
		if err != nil {
			return false, err
		}
		for _, seq := range seqs {
			o, err := p.objects.Get(p.timeline, seq)
			if err != nil {
				return false, err
			}
			p.read(o)
		}
	}
	return true, nil
}

// collector collects facts.
type collector struct {
	timeline   replay.Timeline
	objects    *replay.Cache
	beginnings []beginning
	skew       replay.Skew
	kinds      map[schema.GroupKind]schema.GroupVersionResource
	facts      []Fact
	revisions  map[revised][]revision
	revisable  map[revised]*teller // the workloads that revisions belong to
}

// beginning is where the first list of a stream was complete.
type beginning struct {
	resource  schema.GroupVersionResource
	namespace string
	seq       store.Seq
	late      bool // the stream could not be listed at first
}

func newCollector(t replay.Timeline) (*collector, error) {
	p := &collector{
		timeline: t, objects: &replay.Cache{}, kinds: map[schema.GroupKind]schema.GroupVersionResource{},
		revisions: map[revised][]revision{}, revisable: map[revised]*teller{},
	}
	info := t.Info()
	for _, r := range info.Resources {
		p.kinds[schema.GroupKind{Group: r.Group, Kind: r.Kind}] = schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}
	}
	ledger, err := t.Ledger(0, info.Last)
	if err != nil {
		return nil, err
	}
	type stream struct {
		resource  schema.GroupVersionResource
		namespace string
	}
	late, done := map[stream]bool{}, map[stream]bool{}
	for _, c := range ledger {
		switch s := (stream{c.Resource, c.Namespace}); {
		case done[s]:
		case c.Status.AbsenceProven(), c.Status == store.Partial, c.Status == store.Instant: // what was chosen is all there, too
			done[s] = true
			// The ring's window begins where everything is there.
			p.beginnings = append(p.beginnings, beginning{c.Resource, c.Namespace, max(c.Seq, info.First), late[s]})
		case c.Status != store.Listing:
			late[s] = true
		}
	}
	slices.SortFunc(p.beginnings, func(a, b beginning) int {
		return cmp.Or(cmp.Compare(a.resource.Group, b.resource.Group), cmp.Compare(a.resource.Resource, b.resource.Resource), cmp.Compare(a.namespace, b.namespace))
	})
	samples, err := t.Clocks()
	p.skew = replay.SkewOf(samples)
	return p, err
}

// began returns the position of the first complete list that the object of the
// name would be in, 0 if there was none.
func (p *collector) began(ref store.Ref) store.Seq {
	for _, b := range p.beginnings {
		if b.resource == ref.Resource && (b.namespace == "" || b.namespace == ref.Namespace) {
			return b.seq
		}
	}
	return 0
}

// complete is the position of the first complete state: all lists that could be
// made at first were complete.
func (p *collector) complete() store.Seq {
	var last, any store.Seq
	for _, b := range p.beginnings {
		if any = max(any, b.seq); !b.late {
			last = max(last, b.seq)
		}
	}
	return cmp.Or(last, any)
}

// sorted returns the facts in order, those of rollouts among them.
func (p *collector) sorted() []Fact {
	p.rollouts()
	slices.SortFunc(p.facts, func(a, b Fact) int {
		return cmp.Or(
			a.Time.Compare(b.Time), cmp.Compare(a.What.rank(), b.What.rank()), a.Latest.Compare(b.Latest),
			compareSubjects(&a.Subject, &b.Subject), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Reason, b.Reason),
		)
	})
	return p.facts
}

func compareSubjects(a, b *analyzer.Subject) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
