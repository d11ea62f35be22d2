package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

// orEarlier is the note of a date that objects prove, and that may be older.
const orEarlier = "or earlier"

// unrecordedBefore returns the instant before which more endpoints may have been
// ready than now, where the recording does not tell: it began within the look-back
// window, the slices existed already, and nothing shows that the Service or its
// workloads were made, or asked for more, since.
func (s *service) unrecordedBefore() (at time.Time, unknown bool) {
	began := s.q.view.Start()
	if !s.q.within(began, window) {
		return began, false
	}
	for _, sl := range s.slices {
		var oldest *Object
		for o := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if o.UID != sl.UID {
				break
			}
			oldest = o
		}
		if oldest != nil && oldest.Time.Sub(sl.CreationTimestamp.Time) > startGrace {
			unknown = true
		}
	}
	if !unknown || slices.ContainsFunc(s.workloads, func(w *workload) bool { return s.q.raisedSince(w, began.Add(listTime)) }) {
		return began, false
	}
	return began, !s.firstPods()
}

// listTime is how long a recorder may take to list all kinds: what it finds by
// then was there before.
const listTime = 5 * time.Second

// firstPods reports whether the Service was made with its workloads, and their
// Pods are those they were made with: there was nothing to lose before.
func (s *service) firstPods() bool {
	return len(s.workloads) > 0 && !slices.ContainsFunc(s.workloads, func(w *workload) bool {
		made := w.meta.CreationTimestamp.Time
		return made.Sub(s.svc.CreationTimestamp.Time) > startGrace || len(w.pods) < w.desired ||
			slices.ContainsFunc(w.pods, func(p *corev1.Pod) bool { return p.CreationTimestamp.Sub(made) > startGrace })
	})
}

// longGone reports whether the Pod of an endpoint that the recording never had
// is gone longer than slices need to follow, or whether they cannot follow. How
// long ago it left is told by its replacement, which was made by then.
func (s *service) longGone(ref *corev1.ObjectReference, late func(time.Time) bool) bool {
	if late(s.q.view.Start()) || s.controllersStalled() != nil {
		return true
	}
	for _, sl := range s.slices {
		if !slices.ContainsFunc(sl.Endpoints, func(e discoveryv1.Endpoint) bool { return kube.PodOf(&e) == ref.UID }) {
			continue
		}
		written := s.q.writtenAt(sl)
		if at, replaced := s.replacedBy(sl, ref.Name, written); replaced && late(at) || s.writesRefused(written) != nil {
			return true
		}
	}
	return false
}

// replacedBy returns the instant by which all missing Pods of a slice that were
// made as the one named had been replaced: as many Pods were made since the slice
// was written as are missing, and none of them is one too many.
func (s *service) replacedBy(sl *discoveryv1.EndpointSlice, name string, written time.Time) (at time.Time, replaced bool) {
	made, _, ok := cutLast(name, "-")
	if !ok {
		return time.Time{}, false
	}
	missing := 0
	for i := range sl.Endpoints {
		e := &sl.Endpoints[i]
		if e.TargetRef == nil || !strings.HasPrefix(e.TargetRef.Name, made+"-") || s.byUID[kube.PodOf(e)] != nil {
			continue
		}
		missing++
	}
	have, newer, desired := 0, 0, 0
	for _, w := range s.workloads {
		mine := false
		for _, p := range w.pods {
			if !strings.HasPrefix(p.Name, made+"-") || kube.Terminal(p) || kube.Terminating(p) {
				continue
			}
			mine = true
			have++
			if p.CreationTimestamp.After(written) {
				newer++
				if p.CreationTimestamp.After(at) {
					at = p.CreationTimestamp.Time
				}
			}
		}
		if mine {
			desired += w.desired
		}
	}
	return at, missing > 0 && newer >= missing && missing+have-desired >= missing
}

// cutLast cuts around the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// dateDark dates the answer that nothing is served where the recording has seen
// nothing else of the slices: by when they were last written, as they have held
// no usable endpoint since then at least. What a cause is dated by may be far
// older than the first packet that failed: a Pod, a port, the Service itself.
func (s *service) dateDark(a *answer) {
	if a.state != NotServing {
		return
	}
	if at := s.writtenDark(); !at.IsZero() {
		a.dark = at
		return
	}
	began := s.q.view.Start()
	if len(s.slices) == 0 {
		a.undated = s.svc.CreationTimestamp.Time.Before(began.Add(-sliceGrace)) && s.q.first(s.q.seen(s.svc))
		return
	}
	var at time.Time
	for _, sl := range s.slices {
		if !s.q.first(s.q.seen(sl)) {
			a.undated = false
			return
		}
		if t := s.tally(at, sl); t.usable() > 0 {
			a.undated = true // they lead nowhere, and nothing tells since when
			continue
		}
		written := sl.CreationTimestamp.Time
		for _, f := range sl.ManagedFields {
			if f.Time != nil && f.Time.After(written) {
				written = f.Time.Time
			}
		}
		// A slice that is younger than the Service took the place of another, and
		// nothing tells when that was deleted.
		replaced := sl.CreationTimestamp.Sub(s.svc.CreationTimestamp.Time) > sliceGrace
		a.undated = a.undated || replaced || len(sl.ManagedFields) == 0 && sl.CreationTimestamp.Time.Before(began.Add(-sliceGrace))
		if written.After(at) {
			at = written
		}
	}
	if !a.undated && at.Before(began) {
		a.dark = at
		// Pods that are as young took the place of others: what those did, and when
		// they left, nothing tells.
		a.young = s.svc.CreationTimestamp.Time.Before(at.Add(-startGrace)) && len(s.pods) > 0 &&
			!slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return p.CreationTimestamp.Time.Before(at.Add(-startGrace)) })
	}
}

// heardLate is how long after it was written a slice may be heard by a recorder that
// listens.
const heardLate = 3 * time.Second

// writtenDark is by when the slices had lost their last usable endpoint, where the
// recording was told of that late: nobody was listening when they were written. Zero if it
// was told in time, or began without any.
func (s *service) writtenDark() (at time.Time) {
	for _, sl := range s.slices {
		var dark time.Time
		n, lost := 0, false
		for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if n++; o.UID != sl.UID || n > maxHistory {
				break
			}
			if t := s.tally(o.Time, old); t.usable() > 0 {
				lost = true
				break
			}
			if dark = lastManaged(old.ManagedFields); o.Time.Sub(dark) <= heardLate {
				dark = time.Time{}
			}
		}
		if !lost || dark.IsZero() {
			return time.Time{}
		}
		if dark.After(at) {
			at = dark
		}
	}
	return at
}

// lastManaged is when an object was last written, by its managed fields; zero if they do
// not tell.
func lastManaged(fields []metav1.ManagedFieldsEntry) (at time.Time) {
	for _, f := range fields {
		if f.Time != nil && f.Time.After(at) {
			at = f.Time.Time
		}
	}
	return at
}

// begun says in the words of an answer that a look without a past cannot know
// whether something was lost.
func (s *service) begun(a *answer, ready int) {
	if a.state != Converging || ready >= s.desired || s.replacing(a) {
		return
	}
	s.q.wording(func() {
		if at, unknown := s.unrecordedBefore(); unknown {
			a.doubtful = true
			a.prefix = fmt.Sprintf("Service %s is changing, with %s ready; whether more were before %s is not recorded: ", s, phrase.Quantity(ready, "endpoint"), phrase.Clock(at, s.q.now))
		}
	})
}

// unseen reports whether the Pod that an endpoint names had gone before the
// recording began, where its absence proves that.
func (s *service) unseen(ref *corev1.ObjectReference) bool {
	if !kube.Selectable(s.svc) || !s.q.covered(kindOf[corev1.Pod](), s.svc.Namespace) {
		return false
	}
	o, _ := s.lastPod(ref)
	return o == nil
}

// asOldAs dates a cause that follows from what objects say of each other, where the
// recording has seen none of them say anything else: it is as old as what was written
// last of them, or older.
func (q *inquiry) asOldAs(c *cause, all ...metav1.Object) {
	var at time.Time
	for _, o := range all {
		if !q.first(q.seen(o)) {
			return
		}
		for _, t := range []time.Time{o.GetCreationTimestamp().Time, lastManaged(o.GetManagedFields())} {
			if t.After(at) {
				at = t
			}
		}
	}
	c.since, c.onset = at, func() (time.Time, string) { return at, orEarlier }
}

// localSince dates a gap of a traffic policy where the recording has neither seen
// another policy nor other endpoints: it is as old as the later of what was last
// written of both, or older.
func (s *service) localSince(c *cause, policy string) {
	if !s.q.first(s.q.seen(s.svc)) || slices.ContainsFunc(s.slices, func(sl *discoveryv1.EndpointSlice) bool { return !s.q.first(s.q.seen(sl)) }) {
		return
	}
	at := s.svc.CreationTimestamp.Time
	if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:"+policy); w != nil && w.time.After(at) {
		at = w.time
	}
	for _, sl := range s.slices {
		if t := s.q.writtenAt(sl); t.After(at) {
			at = t
		}
	}
	c.since, c.onset = at, func() (time.Time, string) { return at, orEarlier }
}
