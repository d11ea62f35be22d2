package analyzer

import (
	"cmp"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

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
		if string(sl.AddressType) != string(families(s.svc)[0]) {
			continue
		}
		for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if o.UID != sl.UID || budget < 0 || selectable(s.svc) && managedBy(old) == sliceController && !own(s.svc, old) {
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
		case epReady(e):
			t.ready++
		case epUsable(e):
			t.terminating++
		}
	}
	return t
}

// hadMore: there were more ready endpoints than so many, since more were last
// asked for. It tells a loss from a Service that comes up. It reads no further
// back than it must, as it is asked of every Service that lacks something.
func (s *service) hadMore(than int) bool {
	for i := 0; ; i++ {
		t, ok := s.history.read(i, 0)
		if !ok {
			return false
		}
		if i > 0 {
			newer := s.history.known[i-1].at
			if slices.ContainsFunc(s.workloads, func(w *workload) bool { return s.q.raisedSince(w, newer) }) {
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
