// Package lane says how an object was over time, one state after another, for
// whatever draws an outage: the document and the view in the browser.
package lane

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// States of objects. A Pod that is ready and one that only runs differ in what
// matters here: whether it gets traffic.
const (
	Ready        = "ready"
	NotReady     = "not ready"
	Pending      = "pending"
	Failing      = "failing" // not ready, and its container waits for a reason that does not pass by itself
	Terminating  = "terminating"
	Ended        = "ended"
	Cordoned     = "cordoned"
	ScaledToZero = "scaled to 0"
	Exists       = "exists" // nothing of the object says how it is
)

// Condition is how one version of an object is.
type Condition struct {
	State   string
	Note    string // why, as the cluster says it: hostile text
	Ready   int    // Pods of a workload
	Desired int
}

// Span is a stretch of time in which the condition of an object stayed the same.
type Span struct {
	Condition
	From, To time.Time
	Seq      store.Seq // of the version that began it
}

// MostVersions is how many versions of one object Of reads. Of an object that was
// written more often it reads the last one in each of so many equal parts of the
// time asked for, so that a shorter condition may be missing.
const MostVersions = 4000

// Of returns the conditions of an object between two instants, in order. Where it
// did not exist there is no span. exact is false if not all versions were read.
func Of(t replay.Timeline, ref store.Ref, from, to time.Time) (spans []Span, exact bool, err error) {
	last, err := t.SeqAt(to)
	if err != nil {
		return nil, false, err
	}
	first, err := t.SeqAt(from)
	if err != nil {
		return nil, false, err
	}
	seqs, err := t.History(ref, last)
	if err != nil || len(seqs) == 0 {
		return nil, true, err
	}
	begin := max(0, sortedBefore(seqs, first))
	seqs, exact, err = thin(t, seqs[begin:], from, to)
	if err != nil {
		return nil, exact, err
	}
	there, err := t.Find(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, last)
	if err != nil {
		return nil, exact, err
	}
	for i, seq := range seqs {
		e, err := t.Event(seq)
		if err != nil {
			return spans, exact, err
		}
		if e.Type == watch.Deleted {
			continue
		}
		end := to
		if i+1 < len(seqs) {
			if end, err = t.TimeOf(seqs[i+1]); err != nil {
				return spans, exact, err
			}
		} else if len(there) == 0 {
			end = e.Time // found to be missing later: nobody knows since when
		}
		spans = Join(spans, Span{Condition: Look(analyzer.NewObject(e)), From: later(e.Time, from), To: end, Seq: seq})
	}
	return spans, exact, nil
}

// sortedBefore returns the place of the last position that is not after another;
// -1 if there is none.
func sortedBefore(seqs []store.Seq, at store.Seq) int {
	i, there := slices.BinarySearch(seqs, at)
	if there {
		return i
	}
	return i - 1
}

// comingUp is how long an object may take to come up before that is a failure.
const comingUp = 30 * time.Second

// ComingUp returns how many of the first spans are those of an object that was
// coming up, soon enough: it is not ready because it is new.
func ComingUp(spans []Span) int {
	for i := range spans {
		if spans[i].Tone() == Good {
			if spans[i].From.Sub(spans[0].From) <= comingUp {
				return i
			}
			break
		}
	}
	return 0
}

// thin leaves out versions of an object that was written too often.
func thin(t replay.Timeline, seqs []store.Seq, from, to time.Time) ([]store.Seq, bool, error) {
	if len(seqs) <= MostVersions {
		return seqs, true, nil
	}
	part := max(to.Sub(from)/MostVersions, 1)
	var kept []store.Seq
	last := int64(-1)
	for _, seq := range seqs {
		at, err := t.TimeOf(seq)
		if err != nil {
			return nil, false, err
		}
		if n := int64(max(at.Sub(from), 0) / part); n == last {
			kept[len(kept)-1] = seq
		} else {
			kept, last = append(kept, seq), n
		}
	}
	return kept, false, nil
}

// Join appends a span; one that says the same as the last prolongs that, and one
// without length is left out.
func Join(spans []Span, s Span) []Span {
	if !s.To.After(s.From) {
		return spans
	}
	if n := len(spans); n > 0 && spans[n-1].To.Equal(s.From) && spans[n-1].Condition == s.Condition {
		spans[n-1].To = s.To
		return spans
	}
	return append(spans, s)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Look says how a version of an object is.
func Look(o *analyzer.Object) Condition {
	switch o.Resource.Group + "/" + o.Resource.Resource {
	case "/pods":
		return podCondition(analyzer.As[corev1.Pod](o))
	case "/nodes":
		return nodeCondition(analyzer.As[corev1.Node](o))
	case "apps/deployments":
		d := analyzer.As[appsv1.Deployment](o)
		return workload(d.DeletionTimestamp != nil, d.Status.ReadyReplicas, d.Spec.Replicas)
	case "apps/replicasets":
		d := analyzer.As[appsv1.ReplicaSet](o)
		return workload(d.DeletionTimestamp != nil, d.Status.ReadyReplicas, d.Spec.Replicas)
	case "apps/statefulsets":
		d := analyzer.As[appsv1.StatefulSet](o)
		return workload(d.DeletionTimestamp != nil, d.Status.ReadyReplicas, d.Spec.Replicas)
	case "apps/daemonsets":
		d := analyzer.As[appsv1.DaemonSet](o)
		return workload(d.DeletionTimestamp != nil, d.Status.NumberReady, &d.Status.DesiredNumberScheduled)
	case "discovery.k8s.io/endpointslices":
		return slice(analyzer.As[discoveryv1.EndpointSlice](o))
	case "batch/jobs":
		j := analyzer.As[batchv1.Job](o)
		if j.Status.CompletionTime != nil {
			return Condition{State: Ended}
		}
		return Condition{State: Exists}
	}
	return Condition{State: Exists}
}

func workload(deleted bool, ready int32, desired *int32) Condition {
	c := Condition{Ready: int(ready), Desired: 1}
	if desired != nil {
		c.Desired = int(*desired)
	}
	c.State = fmt.Sprintf("%d of %d ready", c.Ready, c.Desired)
	switch {
	case deleted:
		c.State = Terminating
	case c.Desired == 0:
		c.State = ScaledToZero
	}
	return c
}

// slice counts endpoints; one without any is as bad as one whose endpoints are all
// not ready.
func slice(s *discoveryv1.EndpointSlice) Condition {
	c := Condition{State: noEndpoints, Desired: len(s.Endpoints)}
	for i := range s.Endpoints {
		if r := s.Endpoints[i].Conditions.Ready; r == nil || *r { // "nil indicates an unknown state" that consumers take for ready
			c.Ready++
		}
	}
	if c.Desired > 0 {
		c.State = fmt.Sprintf("%d of %d ready", c.Ready, c.Desired)
	}
	return c
}

const noEndpoints = "no endpoints"

// passing are reasons for which a container waits while all is well.
var passing = []string{"ContainerCreating", "PodInitializing"}

func podCondition(p *corev1.Pod) Condition {
	var ready *corev1.PodCondition
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == corev1.PodReady {
			ready = &p.Status.Conditions[i]
		}
	}
	note := ""
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && note == "" && w.Reason != "" && !slices.Contains(passing, w.Reason) {
			note = w.Reason
		}
	}
	switch {
	case p.DeletionTimestamp != nil:
		return Condition{State: Terminating}
	case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
		return Condition{State: Ended, Note: cmp.Or(p.Status.Reason, string(p.Status.Phase))}
	case ready != nil && ready.Status == corev1.ConditionTrue:
		return Condition{State: Ready}
	case note != "":
		return Condition{State: Failing, Note: note}
	case p.Status.Phase == corev1.PodRunning:
		return Condition{State: NotReady}
	}
	return Condition{State: Pending}
}

func nodeCondition(n *corev1.Node) Condition {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return Condition{State: NotReady, Note: c.Reason}
		}
	}
	if n.Spec.Unschedulable {
		return Condition{State: Cordoned}
	}
	return Condition{State: Ready}
}

// Tones are the classes of how bad a state is, for colours and patterns.
const (
	Good    = "good"
	Bad     = "bad"
	Poor    = "poor"
	Change  = "change"
	Unknown = "unknown"
	Plain   = "plain" // the state says nothing
)

// Tone is how bad a condition is.
func (c *Condition) Tone() string {
	switch {
	case c.Desired > 0 && c.Ready >= c.Desired:
		return Good
	case c.Desired > 0 && c.Ready > 0:
		return Poor
	case c.Desired > 0:
		return Bad
	}
	return Tone(c.State)
}

// Tone is how bad a state of an object, or a verdict, is.
func Tone(state string) string {
	switch state {
	case string(analyzer.Serving), string(analyzer.NotSelected), Ready:
		return Good
	case string(analyzer.NotServing), string(analyzer.Absent), Ended, Failing, noEndpoints:
		return Bad
	case string(analyzer.PartiallyServing), string(analyzer.Degraded), NotReady:
		return Poor
	case string(analyzer.Converging), Pending, Terminating, Cordoned:
		return Change
	case Exists:
		return Plain
	}
	return Unknown
}
