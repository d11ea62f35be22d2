package past

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/when"
)

// read takes the facts out of one object of the first state.
func (p *collector) read(o *analyzer.Object) {
	switch o.Resource.Resource {
	case "events":
		p.event(o)
		return
	case "leases":
		p.lease(o)
		return
	}
	t := &teller{Object: o, root: change.Decode(o)}
	t.subject = analyzer.Subject{
		Group: o.Resource.Group, Version: o.Resource.Version, Kind: o.Resource.Resource, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID),
	}
	if kind, ok := change.ValueAt(t.root, below("kind")).(string); ok && kind != "" {
		t.subject.Kind = kind
	}
	var err error
	if t.meta, err = change.Metadata(o.Object); err != nil {
		return
	}
	switch o.Resource.Resource {
	case "controllerrevisions", "replicasets":
		p.revision(t)
	case "deployments", "statefulsets", "daemonsets":
		p.revisable[revised{t.subject.Kind, o.Namespace, o.UID}] = t
	}
	p.metadata(t)
	p.conditions(t)
	switch o.Resource {
	case replay.Pods:
		p.containers(t)
	case replay.Nodes:
		p.taints(t)
	}
	if o.Resource.Resource == "horizontalpodautoscalers" {
		if at, ok := timeAt(t.root, "status", "lastScaleTime"); ok {
			f := t.fact(Scaled, ControllerClock)
			f.Path, f.New = "/status/desiredReplicas", change.ValueAt(t.root, below("status", "desiredReplicas"))
			p.add(f, at, time.Second)
		}
	}
}

// teller is an object that facts are read from, decoded once.
type teller struct {
	*analyzer.Object
	meta    *metav1.ObjectMeta
	root    any
	subject analyzer.Subject
	entries []ownership // of managedFields, once they are needed
}

// ownership is what an entry of managedFields owns.
type ownership struct {
	*metav1.ManagedFieldsEntry
	set *fieldpath.Set
}

// owners decodes managedFields.
func (t *teller) owners() []ownership {
	if t.entries == nil {
		t.entries = []ownership{}
		for i := range t.meta.ManagedFields {
			e := &t.meta.ManagedFields[i]
			set := fieldpath.NewSet()
			if e.Time != nil && e.FieldsV1 != nil && set.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())) == nil {
				t.entries = append(t.entries, ownership{e, set})
			}
		}
	}
	return t.entries
}

// fact begins a fact about the object.
func (t *teller) fact(what What, clock Timepiece) Fact {
	return Fact{
		Reconstructed: true, What: what, Clock: clock, Subject: t.subject, Seq: t.Seq, ObservedAt: t.Time.UTC(), Ref: t.Ref(),
	}
}

// add dates a fact and keeps it, if that can be done.
func (p *collector) add(f Fact, stated time.Time, resolution time.Duration) {
	if p.date(&f, stated, resolution) {
		p.facts = append(p.facts, f)
	}
}

// metadata: creation, the request for deletion, and who wrote last.
func (p *collector) metadata(t *teller) {
	m, created := t.meta, t.meta.CreationTimestamp.Time
	f := t.fact(Creation, ServerClock)
	f.Writer = creator(m)
	p.add(f, created, time.Second)

	// The kubelet confirms the end of a Pod by a deletion with a grace of 0, which
	// replaces the deadline: a Pod that stays after that, for its finalizers, does
	// not tell when it was asked for first.
	confirmed := t.Resource.Resource == "pods" && m.DeletionGracePeriodSeconds != nil && *m.DeletionGracePeriodSeconds == 0
	if m.DeletionTimestamp != nil && !confirmed {
		f := t.fact(DeletionAsked, ServerClock)
		f.Path, f.New = "/metadata/deletionTimestamp", when.Format(m.DeletionTimestamp.Time)
		grace := int64(0)
		if m.DeletionGracePeriodSeconds != nil {
			grace = *m.DeletionGracePeriodSeconds
		}
		p.add(f, m.DeletionTimestamp.Add(-time.Duration(grace)*time.Second), time.Second)
	}
	for _, e := range t.owners() {
		if e.Subresource == "status" || !e.Time.After(created.Add(time.Second)) {
			continue // what was written with the creation is part of it
		}
		owned := slices.DeleteFunc(change.Meaningful(t.Object, fieldsOf(e.set, t.root)), func(f change.Field) bool { return f.Top() == "status" })
		if len(owned) == 0 {
			continue
		}
		f := t.fact(Writing, ServerClock)
		f.Writer = &change.Writer{Manager: e.Manager, Operation: string(e.Operation), Subresource: e.Subresource, Time: e.Time.UTC()}
		if f.Path, f.New = owned[0].Path, owned[0].New; len(owned) > 1 {
			f.Path, f.New, f.Fields = CommonPath(owned), nil, owned
		}
		f.AllFields = owned
		p.add(f, e.Time.Time, time.Second)
	}
}

// CommonPath is the path that all fields are below.
func CommonPath(all []change.Field) string {
	path := all[0].Steps
	for i := range all {
		n := 0
		for n < min(len(path), len(all[i].Steps)) && path[n].String() == all[i].Steps[n].String() {
			n++
		}
		path = path[:n]
	}
	return change.PathString(path)
}

// creator is who wrote when the object was created, nil if somebody else did in
// that second, too, or the creator wrote again later.
func creator(m *metav1.ObjectMeta) *change.Writer {
	var found *change.Writer
	for i := range m.ManagedFields {
		e := &m.ManagedFields[i]
		if e.Time == nil || e.Subresource != "" || e.Time.Before(&m.CreationTimestamp) || e.Time.After(m.CreationTimestamp.Add(time.Second)) {
			continue
		}
		if found != nil {
			return nil
		}
		found = &change.Writer{Manager: e.Manager, Operation: string(e.Operation), Time: e.Time.UTC()}
	}
	return found
}

// fieldsOf are the fields that an entry of managedFields owns, with what is in
// them, in the order of their paths.
func fieldsOf(set *fieldpath.Set, root any) []change.Field {
	var owned []change.Field
	set.Leaves().Iterate(func(path fieldpath.Path) {
		steps := stepsFrom(path)
		owned = append(owned, change.Field{Path: change.PathString(steps), New: change.ValueAt(root, steps), Steps: steps})
	})
	slices.SortStableFunc(owned, func(a, b change.Field) int { return strings.Compare(a.Path, b.Path) })
	return owned
}

// stepsFrom is the inverse of fieldPath.
func stepsFrom(path fieldpath.Path) []change.Step {
	steps := make([]change.Step, 0, len(path))
	for _, e := range path {
		switch {
		case e.FieldName != nil:
			steps = append(steps, change.Step{Field: *e.FieldName})
		case e.Key != nil:
			s := change.Step{InList: true}
			for _, k := range *e.Key {
				s.Keys, s.Value = append(s.Keys, k.Name), append(s.Value, number(k.Value.Unstructured()))
			}
			steps = append(steps, s)
		case e.Value != nil:
			steps = append(steps, change.Step{InList: true, InSet: true, Value: []any{number((*e.Value).Unstructured())}})
		case e.Index != nil:
			steps = append(steps, change.Step{InList: true, Index: *e.Index})
		}
	}
	return steps
}

// number is a number as encoding/json decodes it.
func number(v any) any {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v
}

// below is the path through fields of objects.
func below(fields ...string) []change.Step {
	path := make([]change.Step, len(fields))
	for i, f := range fields {
		path[i] = change.Step{Field: f}
	}
	return path
}

// timeAt reads a time in an object.
func timeAt(root any, path ...string) (time.Time, bool) {
	text, ok := change.ValueAt(root, below(path...)).(string)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

// conditions: since when each has its status. The rule holds for every kind
// that follows the API conventions. Who opens the readiness gates of Pods need not:
// what writes a condition may stamp it anew though nothing changed, so that a gate was
// opened at that time at the latest.
func (p *collector) conditions(t *teller) {
	list, _ := change.ValueAt(t.root, below("status", "conditions")).([]any)
	for _, c := range list {
		kind, _ := change.ValueAt(c, below("type")).(string)
		status, _ := change.ValueAt(c, below("status")).(string)
		at, ok := timeAt(c, "lastTransitionTime")
		if kind == "" || status == "" || !ok {
			continue
		}
		steps := append(below("status", "conditions"), change.Step{InList: true, Keys: []string{"type"}, Value: []any{kind}}, change.Step{Field: "status"})
		f := t.fact(Condition, ControllerClock)
		f.Path, f.New = change.PathString(steps), status
		f.AllFields = []change.Field{{Path: f.Path, New: status, Steps: steps}}
		f.Reason, _ = change.ValueAt(c, below("reason")).(string)
		f.Message, _ = change.ValueAt(c, below("message")).(string)
		if f.Writer = t.holder(f.AllFields); f.Writer != nil {
			f.Writer.Time = time.Time{} // when it wrote last is not when it wrote this
			if kubelets[f.Writer.Manager] {
				f.Clock = KubeletClock
			}
		}
		if !p.date(&f, at, time.Second) {
			continue
		}
		if created := t.meta.CreationTimestamp.Time; t.Resource == replay.Pods && isGate(analyzer.As[corev1.Pod](t.Object), kind) && created.Before(f.Earliest) {
			f.Earliest = created.UTC()
		}
		p.facts = append(p.facts, f)
	}
}

// isGate reports whether a condition is one that a Pod waits for.
func isGate(pod *corev1.Pod, kind string) bool {
	return slices.ContainsFunc(pod.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool { return string(g.ConditionType) == kind })
}

// kubelets are the field managers that write with the clock of a Node.
var kubelets = map[string]bool{"kubelet": true, "kwok": true}

// containers: when each was started and ended, as far back as the Pod says.
func (p *collector) containers(t *teller) {
	status := &analyzer.As[corev1.Pod](t.Object).Status
	for _, in := range []struct {
		list     string
		statuses []corev1.ContainerStatus
	}{
		{"initContainerStatuses", status.InitContainerStatuses},
		{"containerStatuses", status.ContainerStatuses},
		{"ephemeralContainerStatuses", status.EphemeralContainerStatuses},
	} {
		for i := range in.statuses {
			s := &in.statuses[i]
			at := fmt.Sprintf("/status/%s[name=%s]", in.list, s.Name)
			if running := s.State.Running; running != nil {
				p.started(t, at+"/state/running", running.StartedAt, int(s.RestartCount))
			}
			p.terminated(t, at+"/state/terminated", s.State.Terminated, int(s.RestartCount))
			p.terminated(t, at+"/lastState/terminated", s.LastTerminationState.Terminated, max(int(s.RestartCount)-1, 0))
		}
	}
}

func (p *collector) started(t *teller, path string, at metav1.Time, restarts int) {
	f := t.fact(Started, KubeletClock)
	f.Path, f.New = path, restarts
	p.add(f, at.Time, time.Second)
}

func (p *collector) terminated(t *teller, path string, end *corev1.ContainerStateTerminated, restarts int) {
	if end == nil {
		return
	}
	p.started(t, path, end.StartedAt, restarts)
	f := t.fact(Terminated, KubeletClock)
	f.Path, f.New, f.Reason, f.Message = path, int(end.ExitCode), end.Reason, end.Message
	p.add(f, end.FinishedAt.Time, time.Second)
}

// lease: when it was renewed last, if it should have been renewed again since.
// Others say nothing: they are renewed all the time.
func (p *collector) lease(o *analyzer.Object) {
	spec := analyzer.As[coordinationv1.Lease](o).Spec
	if spec.RenewTime == nil || spec.LeaseDurationSeconds == nil || spec.HolderIdentity == nil {
		return
	}
	f := (&teller{Object: o, subject: change.SubjectOf(o)}).fact(Renewal, ControllerClock)
	f.Path, f.New = "/spec/renewTime", *spec.HolderIdentity
	valid := time.Duration(*spec.LeaseDurationSeconds) * time.Second
	if p.date(&f, spec.RenewTime.Time, time.Microsecond) && f.Latest.Add(valid).Before(f.ObservedAt) {
		p.facts = append(p.facts, f)
	}
}

// taints: when the ones that evict were put on a Node.
func (p *collector) taints(t *teller) {
	for _, taint := range analyzer.As[corev1.Node](t.Object).Spec.Taints {
		if taint.TimeAdded == nil {
			continue
		}
		f := t.fact(Tainted, ControllerClock)
		f.Path, f.New = fmt.Sprintf("/spec/taints[key=%s,effect=%s]", taint.Key, taint.Effect), taint.ToString()
		p.add(f, taint.TimeAdded.Time, time.Second)
	}
}
