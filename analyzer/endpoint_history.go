package analyzer

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// lossWindow is how close together losses are one loss.
const lossWindow = 5 * time.Second

// maxCounted bounds the endpoints looked at to count back.
const maxCounted = 20_000

// tally is how many endpoints a Service had from a moment on. Terminating ones
// still serve.
type tally struct {
	at                         time.Time
	ready, terminating, listed int
}

func (t tally) usable() int { return t.ready + t.terminating }

// tallies is the history of a Service's endpoint counts, newest first, counted
// in the slices' own history: it is what proxies were told. Only the latest
// part is read until somebody asks for more.
type tallies struct {
	service *service
	reach   time.Duration // how far back known reaches
	known   []tally
}

// at returns the i-th newest tally. The last is the one that was in force when
// the window began.
func (h *tallies) at(i int) (tally, bool) {
	return h.read(i, 1) // the oldest known may have begun earlier
}

// read is at, with so many older ones known, if there are.
func (h *tallies) read(i, older int) (tally, bool) {
	for i+older >= len(h.known) && h.reach < window {
		h.reach = min(window, max(30*time.Second, 5*h.reach))
		h.known = h.service.count(h.reach)
	}
	if i >= len(h.known) {
		return tally{}, false
	}
	return h.known[i], true
}

// all yields the tallies, newest first.
func (h *tallies) all(yield func(tally) bool) {
	for i := 0; ; i++ {
		t, ok := h.at(i)
		if !ok || !yield(t) {
			return
		}
	}
}

// count reads the slices' histories over a time, and one version beyond it.
func (s *service) count(reach time.Duration) []tally {
	type change struct {
		slice int
		seq   store.Seq
		tally
	}
	var changes []change
	for i, sl := range s.slices {
		budget := maxCounted / len(s.slices)
		if string(sl.AddressType) != string(kube.Families(s.svc)[0]) {
			continue
		}
		for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if o.UID != sl.UID || budget < 0 || kube.Selectable(s.svc) && kube.ManagedBy(old) == kube.SliceController && !kube.Own(s.svc, old) {
				break
			}
			budget -= 1 + len(old.Endpoints)
			changes = append(changes, change{i, o.Seq, s.tally(o.Time, old)})
			if reach < window && o.Time.Before(s.q.now.Add(-reach)) || reach == window && !s.q.within(o.Time, window) {
				break
			}
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.seq, b.seq) })
	current := make([]tally, len(s.slices))
	var history []tally
	for _, c := range changes {
		current[c.slice] = c.tally
		sum := tally{at: c.at}
		for _, t := range current {
			sum.ready += t.ready
			sum.terminating += t.terminating
			sum.listed += t.listed
		}
		if n := len(history); n > 0 && sameCount(history[n-1], sum) {
			continue
		}
		history = append(history, sum)
	}
	slices.Reverse(history)
	return history
}

func sameCount(a, b tally) bool {
	return a.ready == b.ready && a.terminating == b.terminating && a.listed == b.listed
}

// tally counts one version of one slice.
func (s *service) tally(at time.Time, sl *discoveryv1.EndpointSlice) tally {
	t := tally{at: at}
	if !s.counts(sl) {
		return t
	}
	t.listed = len(sl.Endpoints)
	for i := range sl.Endpoints {
		switch e := &sl.Endpoints[i]; {
		case kube.EndpointReady(e):
			t.ready++
		case kube.EndpointUsable(e):
			t.terminating++
		}
	}
	return t
}

// hadMore: there were more ready endpoints than so many, since a workload was last
// scaled up. It tells a loss from a Service that comes up. A workload that is made
// after endpoints were lost is to take their place: it asks for no more than there
// was. It reads no further back than it must, as it is asked of every Service that
// lacks something.
func (s *service) hadMore(than int) bool {
	for i := 0; ; i++ {
		t, ok := s.history.read(i, 0)
		if !ok {
			return false
		}
		if i > 0 {
			newer := s.history.known[i-1].at
			if slices.ContainsFunc(s.workloads, func(w *workload) bool { raised, _ := s.q.demand(w, newer); return raised }) {
				return false
			}
		}
		if t.ready > than {
			return true
		}
	}
}

// lostTogether tells whether the last endpoints went within the window of one
// loss: how many, and when. Zero if there are some, or they went one by one.
func (s *service) lostTogether() (n int, at time.Time) {
	first, ok := s.history.at(0)
	if !ok || first.usable() > 0 {
		return 0, time.Time{}
	}
	for t := range s.history.all {
		if t.usable() > 0 {
			n = max(n, t.usable())
		}
		if first.at.Sub(t.at) > lossWindow {
			break
		}
	}
	if n < 2 {
		return 0, time.Time{}
	}
	return n, first.at
}

// darkSince is since when nothing has been usable, or only what terminates.
func (s *service) darkSince() time.Time {
	at := s.svc.CreationTimestamp.Time
	for t := range s.history.all {
		if t.ready > 0 {
			break
		}
		at = t.at
	}
	return at
}

// steadySince is since when the Service has had as many ready endpoints.
func (s *service) steadySince() (time.Time, string) {
	now, ok := s.history.at(0)
	if !ok {
		return s.svc.CreationTimestamp.Time, "per status"
	}
	since := now.at
	for t := range s.history.all {
		if t.ready != now.ready {
			return since, ""
		}
		since = t.at
	}
	return since, "or earlier"
}

// dips counts how often the Service fell below its best within the window,
// without Pods being deleted; and since when.
func (s *service) dips() (n int, since time.Time) {
	most := 0
	for t := range s.history.all {
		most = max(most, t.ready)
	}
	newer := tally{}
	for i := 0; ; i++ {
		t, ok := s.history.at(i)
		if !ok {
			return n, since
		}
		if i > 0 && t.ready == most && newer.ready < most && newer.terminating == t.terminating && newer.listed == t.listed {
			n++
			since = newer.at
		}
		newer = t
	}
}

const (
	lagLimit  = 5 * time.Second // endpoints that follow a Pod later than this lag
	exitLimit = time.Second     // a Pod that ends sooner after its deletion was asked for was not drained
)

// lag: an endpoint followed its Pod's readiness too late. Both are told apart
// by when they were heard, so the recorder's own delay is in neither.
func (s *service) lag() []*cause {
	looked := 0
	for _, p := range s.pods {
		c := kube.PodCondition(p, corev1.PodReady)
		if c == nil || !s.q.within(c.LastTransitionTime.Time, window) || kube.Terminal(p) {
			continue
		}
		if looked++; looked > maxFormer {
			return nil
		}
		for _, l := range s.listed[p.UID] {
			pod, known := s.changedTo(p, kube.Ready(p))
			slice, written := s.wroteReady(l.slice, p, kube.EndpointServing(l.endpoint))
			if !known || !written || kube.EndpointServing(l.endpoint) != kube.Ready(p) || slice.Sub(pod) <= lagLimit || slice.Sub(s.selectedSince(p)) <= lagLimit {
				continue
			}
			found := s.cause("endpoint-lag", clause("the endpoint of Pod %s became %s %s after the Pod", p.Name, readyWord(kube.Ready(p)), slice.Sub(pod).Round(time.Second)),
				s.q.see(p, phrase.ConditionPath(corev1.PodReady)+"/status", string(c.Status)), s.q.see(l.slice, "/endpoints[targetRef="+p.Name+"]/conditions/serving", string(c.Status)))
			found.since, found.certainty = pod, Likely
			return []*cause{found}
		}
	}
	return nil
}

// selectedSince is since when the Service has selected the Pod: before that its
// endpoint had nothing to follow.
func (s *service) selectedSince(p *corev1.Pod) time.Time {
	selector := phrase.Pairs(s.svc.Spec.Selector)
	at, _ := held(s.q, s.svc, func(old *corev1.Service) bool { return phrase.Pairs(old.Spec.Selector) == selector })
	if t, _ := held(s.q, p, func(old *corev1.Pod) bool { return kube.Matches(s.svc.Spec.Selector, old.Labels) }); t.After(at) {
		return t
	}
	return at
}

func readyWord(is bool) string {
	if is {
		return "ready"
	}
	return "not ready"
}

// changedTo is when the Pod's readiness became what it is, if that was heard.
func (s *service) changedTo(p *corev1.Pod, is bool) (at time.Time, known bool) {
	n := 0
	for o, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
		if o.UID != p.UID || n == maxHistory {
			return at, false
		}
		if kube.Ready(old) != is {
			return at, true
		}
		at = o.Time
		n++
	}
	return at, false
}

// wroteReady is when the slice began to say of the Pod what it says, if that
// was heard.
func (s *service) wroteReady(sl *discoveryv1.EndpointSlice, p *corev1.Pod, is bool) (at time.Time, known bool) {
	n := 0
	for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
		if n == maxHistory {
			return at, false
		}
		says := false
		for i := range old.Endpoints {
			if kube.PodOf(&old.Endpoints[i]) == p.UID {
				says = kube.EndpointServing(&old.Endpoints[i]) == is
			}
		}
		if !says {
			return at, true
		}
		at = o.Time
		n++
	}
	return at, false
}

// undrained: Pods end as soon as they are told to, before proxies can have
// stopped sending to them. Times have a resolution of a second, so one Pod
// proves nothing.
func (s *service) undrained() []*cause {
	if !s.q.within(s.lastSliceChange(), window) {
		return nil
	}
	var ended []*corev1.Pod
	s.formerPods(func(o *Object, p *corev1.Pod) bool {
		asked := s.deletion(p)
		if asked == nil || !s.q.within(o.Time, window) || hasPreStop(p) || *asked.DeletionGracePeriodSeconds == 0 {
			return true
		}
		end := o.Time
		for _, cs := range p.Status.ContainerStatuses {
			if t := cs.State.Terminated; t != nil && t.FinishedAt.Time.Before(end) {
				end = t.FinishedAt.Time
			}
		}
		if end.Sub(kube.DeletionAskedAt(asked)) <= exitLimit {
			ended = append(ended, asked)
		}
		return len(ended) < maxRows
	})
	if len(ended) < 2 {
		return nil
	}
	c := s.cause("terminated-before-drained", clause("%s ended within a second of being deleted, before proxies can have stopped sending to them: a preStop hook that waits would help", phrase.Quantity(len(ended), "Pod")))
	for _, p := range ended {
		c.evidence = append(c.evidence, s.q.see(p, "/metadata/deletionTimestamp", phrase.Clock(p.DeletionTimestamp.Time, s.q.now)))
	}
	c.certainty, c.since = Likely, kube.DeletionAskedAt(ended[0])
	return []*cause{c}
}

// deletion returns the Pod as it was when its deletion was asked for, nil if
// nobody heard that. The kubelet confirms the end by a deletion without grace,
// so later versions do not tell how much there was.
func (s *service) deletion(p *corev1.Pod) (asked *corev1.Pod) {
	n := 0
	for o, old := range past[corev1.Pod](s.q, p.Namespace, p.Name) {
		if n++; o.UID != p.UID || !kube.Terminating(old) || n > maxHistory {
			break
		}
		asked = old
	}
	if asked == nil || asked.DeletionGracePeriodSeconds == nil {
		return nil
	}
	return asked
}

func hasPreStop(p *corev1.Pod) bool {
	for i := range p.Spec.Containers {
		if l := p.Spec.Containers[i].Lifecycle; l != nil && l.PreStop != nil {
			return true
		}
	}
	return false
}
