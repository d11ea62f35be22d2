package analyzer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/store"
)

// selectorEdited: the selector was changed, and healthy Pods that matched the
// old one do not match the new one.
func (s *service) selectorEdited() *cause {
	var before *corev1.Service
	changed := s.q.seen(s.svc)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID {
			break
		}
		if pairs(old.Spec.Selector) != pairs(s.svc.Spec.Selector) {
			before = old
			break
		}
		changed = o
	}
	if before == nil || !selectable(before) {
		return nil
	}
	var left []*corev1.Pod
	for _, p := range list[corev1.Pod](s.q, store.Query{Namespace: s.svc.Namespace, Labels: before.Spec.Selector}) {
		if ready(p) && !terminating(p) && !matches(s.svc.Spec.Selector, p.Labels) && p.CreationTimestamp.Time.Before(changed.Time) {
			left = append(left, p)
		}
	}
	if now, _ := s.usable(); len(left) == 0 || now > len(left) {
		return nil
	}
	from, to := pairs(before.Spec.Selector), pairs(s.svc.Spec.Selector)
	by := ""
	edit := s.q.see(s.svc, "/spec/selector", to)
	edit.Old = from
	c := s.cause("selector-edited", nil, edit)
	if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:selector"); w != nil {
		by = " by " + w.String()
		c.evidence = append(c.evidence, s.q.see(s.svc, "/metadata/managedFields", fmt.Sprintf("%s %s at %s", w.manager, w.operation, clock(w.time, s.q.now))))
	}
	c.says = clause("the selector was changed from %s to %s%s, and %s no longer match", from, to, by, healthy(len(left)))
	for _, p := range left[:min(len(left), maxRows-len(c.evidence))] {
		e := s.q.see(p, conditionPath(corev1.PodReady)+"/status", "True")
		e.Note = "matched the old selector"
		c.evidence = append(c.evidence, e)
	}
	c.since, c.units = changed.Time, len(left)
	c.onset = func() (time.Time, string) { return changed.Time, "" }
	c.next = commands(s.kubectl("patch").Add("-p", selectorPatch(s.svc.Spec.Selector, before.Spec.Selector)))
	return c
}

func healthy(n int) string { return quantity(n, "healthy Pod") }

// selectorPatch is the merge patch from one selector to another.
func selectorPatch(from, to map[string]string) string {
	fields := map[string]*string{} // nil takes a label away
	for k, v := range to {
		if from[k] != v {
			fields[k] = &v
		}
	}
	for k := range from {
		if _, keep := to[k]; !keep {
			fields[k] = nil
		}
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"selector": fields}})
	if err != nil {
		panic(err) // maps of strings can be encoded
	}
	return string(patch)
}

// maxFormer bounds how many Pods that left the Service are looked at.
const maxFormer = 64

// formerPods yields the Pods that were endpoints of the Service within the
// recorded history of its slices and are not selected any more, latest first,
// with their last version.
func (s *service) formerPods(yield func(*Object, *corev1.Pod) bool) {
	seen := map[types.UID]bool{}
	for _, sl := range s.slices {
		budget := maxCounted / len(s.slices)
		for _, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if budget -= 1 + len(old.Endpoints); budget < 0 {
				break
			}
			for i := range old.Endpoints {
				uid := podOf(&old.Endpoints[i])
				if uid == "" || seen[uid] || s.byUID[uid] != nil {
					continue
				}
				seen[uid] = true
				if o, p := s.lastPod(old.Endpoints[i].TargetRef); p != nil && !yield(o, p) {
					return
				}
				if len(seen) >= maxFormer {
					return
				}
			}
		}
	}
}

// lastPod returns the last recorded version of the Pod that an endpoint names.
func (s *service) lastPod(ref *corev1.ObjectReference) (*Object, *corev1.Pod) {
	for o, p := range past[corev1.Pod](s.q, s.svc.Namespace, ref.Name) {
		if o.UID == ref.UID {
			return o, p
		}
	}
	return nil, nil
}

// workloadDeleted: what made the Service's Pods was deleted, and nothing of
// the same labels took its place.
func (s *service) workloadDeleted() *cause {
	var found *cause
	s.formerPods(func(_ *Object, p *corev1.Pod) bool {
		top := s.q.lastController(p)
		if top == nil || s.q.exists(top) {
			return true
		}
		o := s.q.seen(top.object)
		found = s.q.workloadCause(top, "workload-deleted", clause("%s, which made the Pods of Service %s, was deleted", top, s),
			s.q.see(top.object, "/spec/template/metadata/labels", pairs(top.template.Labels)))
		found.evidence[0].Note = "final state"
		found.since, found.next = o.Time, commands(command.Kubectl("get", "events", "-n", p.Namespace))
		return false
	})
	return found
}

// relabelled: the workload that made the Service's Pods is still there, and
// its template has other labels now.
func (s *service) relabelled() *cause {
	var found *cause
	s.formerPods(func(_ *Object, p *corev1.Pod) bool {
		top := s.q.lastController(p)
		if top == nil || !s.q.exists(top) || matches(s.svc.Spec.Selector, top.template.Labels) || !matches(s.svc.Spec.Selector, p.Labels) {
			return true
		}
		e := s.q.see(top.object, "/spec/template/metadata/labels", pairs(top.template.Labels))
		e.Old = pairs(p.Labels)
		found = s.cause("pods-detached-by-label", clause("%s now labels its Pods %s, which the selector %s does not match", top, pairs(top.template.Labels), pairs(s.svc.Spec.Selector)), e)
		found.variant, found.since = "template", s.q.seen(top.object).Time
		return false
	})
	return found
}

// lastController returns the workload at the top of a Pod's owners, as last
// recorded, deleted or not.
func (q *inquiry) lastController(p *corev1.Pod) *workload {
	ref := metav1.GetControllerOf(p)
	var top *workload
	for range ownerDepth {
		if ref == nil {
			break
		}
		w := q.lastVersion(ref.Kind, p.Namespace, ref.Name, ref.UID)
		if w == nil {
			break
		}
		top, ref = w, metav1.GetControllerOf(w.meta)
	}
	return top
}

// exists reports whether this very workload is still there.
func (q *inquiry) exists(w *workload) bool {
	now := asWorkload(q.owned(w.kind, w.meta.Namespace, w.meta.Name))
	return now != nil && now.meta.UID == w.meta.UID
}

// lastVersion returns the newest recorded version of a workload, deleted or
// not, if it has the UID.
func (q *inquiry) lastVersion(kind, namespace, name string, uid types.UID) *workload {
	k, ok := kindsByName[kind]
	if !ok {
		return nil
	}
	q.covered(k, namespace)
	for o := range q.view.Past(store.Ref{Resource: k.resource, Namespace: namespace, Name: name}) {
		if o.UID == uid {
			return q.decodeWorkload(o)
		}
	}
	return nil
}

// detached: Pods that were endpoints are still there and ready, and lost the
// labels.
func (s *service) detached() *cause {
	var left []*corev1.Pod
	s.formerPods(func(o *Object, p *corev1.Pod) bool {
		if o.Type != watch.Deleted && ready(p) && !terminating(p) && !matches(s.svc.Spec.Selector, p.Labels) && s.matchedOnce(p) {
			left = append(left, p)
		}
		return len(left) < maxRows
	})
	if len(left) == 0 {
		return nil
	}
	slices.SortFunc(left, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	c := s.cause("pods-detached-by-label", clause("%s lost the labels %s and left the Service while ready", quantity(len(left), "Pod"), pairs(s.svc.Spec.Selector)))
	for _, p := range left {
		c.evidence = append(c.evidence, s.q.see(p, "/metadata/labels", pairs(p.Labels)))
		c.since = s.q.seen(p).Time
	}
	c.next = commands(command.Kubectl("get", "pods", "-n", s.svc.Namespace, "--show-labels"))
	return c
}

// matchedOnce: an earlier version of the Pod had the labels.
func (s *service) matchedOnce(p *corev1.Pod) bool {
	for o, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
		if o.UID == p.UID && matches(s.svc.Spec.Selector, old.Labels) {
			return true
		}
	}
	return false
}
