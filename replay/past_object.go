package replay

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
)

// read takes the facts out of one object of the first state.
func (p *past) read(o *analyzer.Object) {
	switch o.Resource.Resource {
	case "events":
		p.event(o)
		return
	case "leases":
		p.lease(o)
		return
	case "controllerrevisions", "replicasets":
		p.revision(o)
	case "deployments", "statefulsets", "daemonsets":
		p.revisable[revised{subjectOf(o).Kind, o.Namespace, o.UID}] = o
	}
	m, err := meta(o.Object)
	if err != nil {
		return
	}
	root := decode(o)
	p.metadata(o, m, root)
	p.conditions(o, m, root)
	switch o.Resource {
	case podResource:
		p.containers(o)
	case nodeResource:
		p.taints(o)
	}
	if o.Resource.Resource == "horizontalpodautoscalers" {
		if at, ok := timeAt(root, "status", "lastScaleTime"); ok {
			f := p.fact(o, Scaled, ControllerClock)
			f.Path, f.New = "/status/desiredReplicas", valueAt(root, below("status", "desiredReplicas"))
			p.add(f, at, time.Second)
		}
	}
}

// fact begins a fact about an object.
func (p *past) fact(o *analyzer.Object, what What, clock Timepiece) Fact {
	return Fact{
		Reconstructed: true, What: what, Clock: clock, Subject: subjectOf(o), Seq: o.Seq, ObservedAt: o.Time.UTC(), ref: o.Ref(),
	}
}

// add dates a fact and keeps it, if that can be done.
func (p *past) add(f Fact, stated time.Time, resolution time.Duration) {
	if p.date(&f, stated, resolution) {
		p.facts = append(p.facts, f)
	}
}

// metadata: creation, the request for deletion, and who wrote last.
func (p *past) metadata(o *analyzer.Object, m *metav1.ObjectMeta, root any) {
	created := m.CreationTimestamp.Time
	f := p.fact(o, Creation, ServerClock)
	f.Writer = creator(m)
	p.add(f, created, time.Second)

	if m.DeletionTimestamp != nil {
		f := p.fact(o, DeletionAsked, ServerClock)
		f.Path, f.New = "/metadata/deletionTimestamp", FormatInstant(m.DeletionTimestamp.Time)
		grace := int64(0)
		if m.DeletionGracePeriodSeconds != nil {
			grace = *m.DeletionGracePeriodSeconds
		}
		p.add(f, m.DeletionTimestamp.Add(-time.Duration(grace)*time.Second), time.Second)
	}
	for i := range m.ManagedFields {
		e := &m.ManagedFields[i]
		if e.Time == nil || e.FieldsV1 == nil || e.Subresource == "status" || !e.Time.After(created.Add(time.Second)) {
			continue // what was written with the creation is part of it
		}
		owned := telling(o, fieldsOf(e, root))
		owned = slices.DeleteFunc(owned, func(f Field) bool { return f.top() == "status" })
		if len(owned) == 0 {
			continue
		}
		f := p.fact(o, Writing, ServerClock)
		f.Writer = &Writer{Manager: e.Manager, Operation: string(e.Operation), Subresource: e.Subresource, Time: e.Time.UTC()}
		if f.Path, f.New = owned[0].Path, owned[0].New; len(owned) > 1 {
			f.Path, f.New, f.Fields = common(owned), nil, owned
		}
		f.all = owned
		p.add(f, e.Time.Time, time.Second)
	}
}

// common is the path that all fields are below.
func common(all []Field) string {
	path := all[0].steps
	for i := range all {
		n := 0
		for n < min(len(path), len(all[i].steps)) && path[n].String() == all[i].steps[n].String() {
			n++
		}
		path = path[:n]
	}
	return pathString(path)
}

// creator is who wrote when the object was created, nil if somebody else did in
// that second, too, or the creator wrote again later.
func creator(m *metav1.ObjectMeta) *Writer {
	var found *Writer
	for i := range m.ManagedFields {
		e := &m.ManagedFields[i]
		if e.Time == nil || e.Subresource != "" || e.Time.Before(&m.CreationTimestamp) || e.Time.After(m.CreationTimestamp.Add(time.Second)) {
			continue
		}
		if found != nil {
			return nil
		}
		found = &Writer{Manager: e.Manager, Operation: string(e.Operation), Time: e.Time.UTC()}
	}
	return found
}

// fieldsOf are the fields that an entry of managedFields owns, with what is in
// them, in the order of their paths.
func fieldsOf(e *metav1.ManagedFieldsEntry, root any) []Field {
	set := fieldpath.NewSet()
	if set.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())) != nil {
		return nil
	}
	var owned []Field
	set.Leaves().Iterate(func(path fieldpath.Path) {
		steps := stepsFrom(path)
		owned = append(owned, Field{Path: pathString(steps), New: valueAt(root, steps), steps: steps})
	})
	slices.SortStableFunc(owned, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	return owned
}

// stepsFrom is the inverse of fieldPath.
func stepsFrom(path fieldpath.Path) []step {
	steps := make([]step, 0, len(path))
	for _, e := range path {
		switch {
		case e.FieldName != nil:
			steps = append(steps, step{field: *e.FieldName})
		case e.Key != nil:
			s := step{list: true}
			for _, k := range *e.Key {
				s.keys, s.value = append(s.keys, k.Name), append(s.value, number(k.Value.Unstructured()))
			}
			steps = append(steps, s)
		case e.Value != nil:
			steps = append(steps, step{list: true, set: true, value: []any{number((*e.Value).Unstructured())}})
		case e.Index != nil:
			steps = append(steps, step{list: true, index: *e.Index})
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
func below(fields ...string) []step {
	path := make([]step, len(fields))
	for i, f := range fields {
		path[i] = step{field: f}
	}
	return path
}

// timeAt reads a time in an object.
func timeAt(root any, path ...string) (time.Time, bool) {
	text, ok := valueAt(root, below(path...)).(string)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

// conditions: since when each has its status. The rule holds for every kind
// that follows the API conventions.
func (p *past) conditions(o *analyzer.Object, m *metav1.ObjectMeta, root any) {
	list, _ := valueAt(root, below("status", "conditions")).([]any)
	for _, c := range list {
		kind, _ := valueAt(c, below("type")).(string)
		status, _ := valueAt(c, below("status")).(string)
		at, ok := timeAt(c, "lastTransitionTime")
		if kind == "" || status == "" || !ok {
			continue
		}
		steps := append(below("status", "conditions"), step{list: true, keys: []string{"type"}, value: []any{kind}}, step{field: "status"})
		f := p.fact(o, Condition, ControllerClock)
		f.Path, f.New = pathString(steps), status
		f.all = []Field{{Path: f.Path, New: status, steps: steps}}
		f.Reason, _ = valueAt(c, below("reason")).(string)
		f.Message, _ = valueAt(c, below("message")).(string)
		if f.Writer = holder(m, f.all); f.Writer != nil {
			f.Writer.Time = time.Time{} // when it wrote last is not when it wrote this
			if kubelets[f.Writer.Manager] {
				f.Clock = KubeletClock
			}
		}
		p.add(f, at, time.Second)
	}
}

// kubelets are the field managers that write with the clock of a Node.
var kubelets = map[string]bool{"kubelet": true, "kwok": true}

// containers: when each was started and ended, as far back as the Pod says.
func (p *past) containers(o *analyzer.Object) {
	status := &analyzer.As[corev1.Pod](o).Status
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
				p.started(o, at+"/state/running", running.StartedAt, int(s.RestartCount))
			}
			p.terminated(o, at+"/state/terminated", s.State.Terminated, int(s.RestartCount))
			p.terminated(o, at+"/lastState/terminated", s.LastTerminationState.Terminated, max(int(s.RestartCount)-1, 0))
		}
	}
}

func (p *past) started(o *analyzer.Object, path string, at metav1.Time, restarts int) {
	f := p.fact(o, Started, KubeletClock)
	f.Path, f.New = path, restarts
	p.add(f, at.Time, time.Second)
}

func (p *past) terminated(o *analyzer.Object, path string, t *corev1.ContainerStateTerminated, restarts int) {
	if t == nil {
		return
	}
	p.started(o, path, t.StartedAt, restarts)
	f := p.fact(o, Terminated, KubeletClock)
	f.Path, f.New, f.Reason, f.Message = path, int(t.ExitCode), t.Reason, t.Message
	p.add(f, t.FinishedAt.Time, time.Second)
}

// lease: when it was renewed last, if it should have been renewed again since.
// Others say nothing: they are renewed all the time.
func (p *past) lease(o *analyzer.Object) {
	spec := analyzer.As[coordinationv1.Lease](o).Spec
	if spec.RenewTime == nil || spec.LeaseDurationSeconds == nil || spec.HolderIdentity == nil {
		return
	}
	f := p.fact(o, Renewal, ControllerClock)
	f.Path, f.New = "/spec/renewTime", *spec.HolderIdentity
	valid := time.Duration(*spec.LeaseDurationSeconds) * time.Second
	if p.date(&f, spec.RenewTime.Time, time.Microsecond) && f.Latest.Add(valid).Before(f.ObservedAt) {
		p.facts = append(p.facts, f)
	}
}

// taints: when the ones that evict were put on a Node.
func (p *past) taints(o *analyzer.Object) {
	for _, t := range analyzer.As[corev1.Node](o).Spec.Taints {
		if t.TimeAdded == nil {
			continue
		}
		f := p.fact(o, Tainted, ControllerClock)
		f.Path, f.New = fmt.Sprintf("/spec/taints[key=%s,effect=%s]", t.Key, t.Effect), t.ToString()
		p.add(f, t.TimeAdded.Time, time.Second)
	}
}
