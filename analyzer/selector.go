package analyzer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// candidate is something the selector misses by one pair.
type candidate struct {
	object     any
	name       string // Pod web-1, Deployment web
	want, have string // key=value
	matched    int    // pairs that do match
	ready      int    // ready Pods it would add
}

// typo: the selector is one pair away from something that exists.
func (s *service) typo() *cause {
	selector := s.svc.Spec.Selector
	near := func(labels map[string]string) bool { _, _, ok := oddPair(selector, labels); return ok }
	byPair := map[string]*candidate{}
	add := func(object any, name string, labels map[string]string, ready int) {
		want, have, ok := oddPair(selector, labels)
		if !ok {
			return
		}
		key := want + " " + have
		c := byPair[key]
		if c == nil {
			c = &candidate{object: object, name: name, want: want, have: have, matched: len(selector) - 1}
			byPair[key] = c
		}
		c.ready += ready
	}
	k := kindOf[corev1.Pod]()
	s.q.covered(k, s.svc.Namespace)
	for _, o := range s.q.view.List(store.Query{Resource: k.resource, Namespace: s.svc.Namespace}) {
		if labels, ok := o.LabelsOnly(); ok && !near(labels) {
			continue // most of the namespace: not worth decoding
		}
		p := decode[corev1.Pod](s.q, k, o)
		if p == nil || kube.Terminal(p) || kube.Terminating(p) {
			continue
		}
		n := 0
		if kube.Ready(p) {
			n = 1
		}
		add(p, "Pod "+p.Name, p.Labels, n)
	}
	for _, w := range s.q.templates(s.svc.Namespace, nil, near) {
		add(w.object, w.String(), w.template.Labels, 0)
	}
	var all []*candidate
	for _, c := range byPair {
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.ready, a.ready), cmp.Compare(a.have, b.have), cmp.Compare(a.want, b.want))
	})
	best := all[0]
	has := best.name + " has"
	if best.ready > 0 {
		has = phrase.Quantity(best.ready, "ready Pod") + " have"
		if best.ready == 1 {
			has = "the ready " + best.name + " has"
		}
	}
	c := s.cause("selector-typo", clause("its selector says %s, but %s %s", best.want, has, best.have),
		s.q.see(s.svc, "/spec/selector", phrase.Pairs(selector)))
	c.certainty, c.units = Likely, best.ready
	if len(all) > 1 && all[1].ready == best.ready {
		c.says = clause("its selector says %s, and nothing has that; near are %s and %s", best.want, best.have, all[1].have)
		c.certainty = Possible
	}
	for _, found := range all[:min(len(all), 3)] {
		e := s.q.see(found.object, "/metadata/labels", found.have)
		e.Note = "selector says " + found.want
		c.evidence = append(c.evidence, e)
	}
	s.selectorSince(c)
	key, value, _ := strings.Cut(best.have, "=")
	to := map[string]string{}
	for k, v := range selector {
		if k+"="+v != best.want {
			to[k] = v
		}
	}
	to[key] = value
	c.next = commands(s.kubectl("patch").Add("-p", selectorPatch(selector, to)))
	return c
}

// keyVariants are label keys that people take for one another.
var keyVariants = [][]string{{"app", "app.kubernetes.io/name", "run", "k8s-app", "app.kubernetes.io/instance"}}

// oddPair finds the one pair in which labels differ from the selector, if it
// looks like a slip: the same key with another value, or another usual key with
// the same value. A selector of one pair must be close, not only of one key.
func oddPair(selector, labels map[string]string) (want, have string, ok bool) {
	key, odd := "", 0
	for k, v := range selector {
		if l, has := labels[k]; !has || l != v {
			key = k
			odd++
		}
	}
	if odd != 1 {
		return "", "", false
	}
	value := selector[key]
	if l, has := labels[key]; has {
		if len(selector) > 1 || Distance(l, value) <= 2 {
			return key + "=" + value, key + "=" + l, true
		}
		return "", "", false
	}
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		l := labels[k]
		variant := slices.ContainsFunc(keyVariants, func(set []string) bool { return slices.Contains(set, k) && slices.Contains(set, key) })
		switch {
		case l == value && (variant || len(selector) == 1 || Distance(k, key) <= 2),
			Distance(k, key) <= 2 && Distance(l, value) <= 2 && len(key) > 4:
			return key + "=" + value, k + "=" + l, true
		}
	}
	return "", "", false
}

// Distance is the Levenshtein distance of two words, counted in bytes; labels
// are ASCII.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// selectorEdited: the selector was changed, and healthy Pods that matched the
// old one do not match the new one.
func (s *service) selectorEdited() *cause {
	var before *corev1.Service
	changed := s.q.seen(s.svc)
	for o, old := range past[corev1.Service](s.q, s.svc.Namespace, s.svc.Name) {
		if o.UID != s.svc.UID {
			break
		}
		if phrase.Pairs(old.Spec.Selector) != phrase.Pairs(s.svc.Spec.Selector) {
			before = old
			break
		}
		changed = o
	}
	if before == nil || !kube.Selectable(before) {
		return nil
	}
	var left, remade []*corev1.Pod
	for _, p := range list[corev1.Pod](s.q, store.Query{Namespace: s.svc.Namespace, Labels: before.Spec.Selector}) {
		switch {
		case !kube.Ready(p) || kube.Terminating(p) || kube.Matches(s.svc.Spec.Selector, p.Labels):
		case p.CreationTimestamp.Time.Before(changed.Time):
			left = append(left, p)
		default:
			remade = append(remade, p)
		}
	}
	// Pods made since in the place of those count, if nothing was served under the new one.
	if len(left) == 0 && s.darkSince().Before(changed.Time.Add(sliceGrace)) {
		left = remade
	}
	if now, _ := s.usable(); len(left) == 0 || now > len(left) {
		return nil
	}
	from, to := phrase.Pairs(before.Spec.Selector), phrase.Pairs(s.svc.Spec.Selector)
	by := ""
	edit := s.q.see(s.svc, "/spec/selector", to)
	edit.Old = from
	c := s.cause("selector-edited", nil, edit)
	if w := writerOf(&s.svc.ObjectMeta, "f:spec", "f:selector"); w != nil {
		by = " by " + w.String()
		c.evidence = append(c.evidence, s.q.see(s.svc, "/metadata/managedFields", fmt.Sprintf("%s %s at %s", w.manager, w.operation, phrase.Clock(w.time, s.q.now))))
	}
	c.says = clause("the selector was changed from %s to %s%s, and %s no longer match", from, to, by, healthy(len(left)))
	for _, p := range left[:min(len(left), maxRows-len(c.evidence))] {
		e := s.q.see(p, phrase.ConditionPath(corev1.PodReady)+"/status", "True")
		e.Note = "matched the old selector"
		c.evidence = append(c.evidence, e)
	}
	c.since, c.units = changed.Time, len(left)
	c.onset = func() (time.Time, string) { return changed.Time, "" }
	c.next = commands(s.kubectl("patch").Add("-p", selectorPatch(s.svc.Spec.Selector, before.Spec.Selector)))
	return c
}

func healthy(n int) string { return phrase.Quantity(n, "healthy Pod") }

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
	s.formerPodsIn(maxCounted, yield)
}

// formerPodsIn is formerPods of so many versions of each slice at most.
func (s *service) formerPodsIn(versions int, yield func(*Object, *corev1.Pod) bool) {
	seen := map[types.UID]bool{}
	for _, sl := range s.slices {
		budget, left := maxCounted/len(s.slices), versions
		for _, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if budget -= 1 + len(old.Endpoints); budget < 0 || left == 0 {
				break
			}
			left--
			for i := range old.Endpoints {
				uid := kube.PodOf(&old.Endpoints[i])
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
func (s *service) workloadDeleted() *cause { return s.workloadDeletedIn(maxCounted, true) }

// workloadDeletedIn is workloadDeleted as so many versions of the slices show it;
// without others only if the last Pods to leave had been made by that workload.
func (s *service) workloadDeletedIn(versions int, others bool) *cause {
	var found *cause
	s.formerPodsIn(versions, func(_ *Object, p *corev1.Pod) bool {
		top := s.q.lastController(p)
		if top == nil || s.q.exists(top) {
			return others
		}
		o := s.q.seen(top.object)
		found = s.q.workloadCause(top, "workload-deleted", clause("%s, which made the Pods of Service %s, was deleted", top, s),
			s.q.see(top.object, "/spec/template/metadata/labels", phrase.Pairs(top.template.Labels)))
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
		if top == nil || !s.q.exists(top) || kube.Matches(s.svc.Spec.Selector, top.template.Labels) || !kube.Matches(s.svc.Spec.Selector, p.Labels) {
			return true
		}
		e := s.q.see(top.object, "/spec/template/metadata/labels", phrase.Pairs(top.template.Labels))
		e.Old = phrase.Pairs(p.Labels)
		found = s.cause("pods-detached-by-label", clause("%s now labels its Pods %s, which the selector %s does not match", top, phrase.Pairs(top.template.Labels), phrase.Pairs(s.svc.Spec.Selector)), e)
		found.variant, found.since = "template", s.q.seen(top.object).Time
		follow := map[string]string{}
		for k := range s.svc.Spec.Selector {
			if v, has := top.template.Labels[k]; has {
				follow[k] = v
			}
		}
		if len(follow) > 0 {
			found.next = commands(s.kubectl("patch").Add("-p", selectorPatch(s.svc.Spec.Selector, follow)))
		}
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
		if o.Type != watch.Deleted && kube.Ready(p) && !kube.Terminating(p) && !kube.Matches(s.svc.Spec.Selector, p.Labels) && s.matchedOnce(p) {
			left = append(left, p)
		}
		return len(left) < maxRows
	})
	if len(left) == 0 {
		return nil
	}
	slices.SortFunc(left, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	c := s.cause("pods-detached-by-label", clause("%s lost the labels %s and left the Service while ready", phrase.Quantity(len(left), "Pod"), phrase.Pairs(s.svc.Spec.Selector)))
	for _, p := range left {
		c.evidence = append(c.evidence, s.q.see(p, "/metadata/labels", phrase.Pairs(p.Labels)))
		c.since = s.q.seen(p).Time
	}
	c.next = s.relabel(left[0])
	return c
}

// matchedOnce: an earlier version of the Pod had the labels.
func (s *service) matchedOnce(p *corev1.Pod) bool {
	for o, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
		if o.UID == p.UID && kube.Matches(s.svc.Spec.Selector, old.Labels) {
			return true
		}
	}
	return false
}
