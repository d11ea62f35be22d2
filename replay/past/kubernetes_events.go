package past

import (
	"cmp"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// event: when a Kubernetes Event was reported first and last. The fact is about
// the object that the Event is about.
func (p *collector) event(o *analyzer.Object) {
	e := analyzer.As[corev1.Event](o)
	if o.Err() != nil {
		return
	}
	about := e.InvolvedObject
	gv, err := schema.ParseGroupVersion(about.APIVersion)
	if err != nil {
		return
	}
	f := (&teller{Object: o}).fact(KubernetesEvent, ControllerClock)
	f.Subject = analyzer.Subject{
		Group: gv.Group, Version: gv.Version, Kind: about.Kind, Namespace: about.Namespace, Name: about.Name, UID: string(about.UID),
	}
	f.Ref = store.Ref{Resource: p.kinds[schema.GroupKind{Group: gv.Group, Kind: about.Kind}], Namespace: about.Namespace, Name: about.Name}
	f.Path, f.Reason, f.Message, f.Warning = about.FieldPath, e.Reason, e.Message, e.Type == corev1.EventTypeWarning
	component := cmp.Or(e.Source.Component, e.ReportingController)
	if f.Source = component; kubelets[component] {
		f.Clock = KubeletClock
	}
	first, firstExact := timeOf(e.FirstTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time)
	last, exact := first, firstExact
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		last, exact = e.Series.LastObservedTime.Time, time.Microsecond
	case !e.LastTimestamp.IsZero():
		last, exact = e.LastTimestamp.Time, time.Second
	}
	count := int(e.Count)
	if e.Series != nil {
		count = int(e.Series.Count)
	}
	if count = max(count, 1); last.After(first) {
		again := f
		again.Count = count
		p.add(again, last, exact)
		count = 1
	}
	f.Count = count
	p.add(f, first, firstExact)
}

// timeOf returns the first time that is set, and how exact it is: eventTime has
// microseconds.
func timeOf(first, event, created time.Time) (time.Time, time.Duration) {
	switch {
	case !first.IsZero():
		return first, time.Second
	case !event.IsZero():
		return event, time.Microsecond
	}
	return created, time.Second
}
