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

// tally is how many endpoints a Service had from a moment on.
type tally struct {
	at            time.Time
	seq           store.Seq
	usable, ready int
}

// tallies returns how the number of endpoints changed within the window,
// newest first; the last one may be older. It is counted in the slices' own
// history, so it is what proxies were told.
func (s *service) tallies() []tally {
	if s.history == nil {
		s.history = s.countHistory()
	}
	return s.history
}

func (s *service) countHistory() []tally {
	type change struct {
		slice int
		tally
	}
	var changes []change
	for i, sl := range s.slices {
		n := 0
		for o, old := range past[discoveryv1.EndpointSlice](s.q, sl.Namespace, sl.Name) {
			if o.UID != sl.UID || n == maxHistory || selectable(s.svc) && managedBy(old) == sliceController && !own(s.svc, old) {
				break
			}
			n++
			c := change{slice: i, tally: tally{at: o.Time, seq: o.Seq}}
			if s.counts(old) && string(old.AddressType) == string(families(s.svc)[0]) {
				c.usable, c.ready = usableIn(old)
			}
			changes = append(changes, c)
			if s.q.age(o.Time) > window {
				break
			}
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.seq, b.seq) })
	current := make([]tally, len(s.slices))
	history := []tally{}
	for _, c := range changes {
		current[c.slice] = c.tally
		sum := tally{at: c.at, seq: c.seq}
		for _, t := range current {
			sum.usable += t.usable
			sum.ready += t.ready
		}
		if n := len(history); n > 0 && history[n-1].usable == sum.usable && history[n-1].ready == sum.ready {
			continue
		}
		history = append(history, sum)
	}
	slices.Reverse(history)
	return history
}

func usableIn(sl *discoveryv1.EndpointSlice) (usable, ready int) {
	for i := range sl.Endpoints {
		e := &sl.Endpoints[i]
		if epReady(e) {
			ready++
		}
		if epUsable(e) {
			usable++
		}
	}
	return usable, ready
}

// peak is the most ready endpoints there were since more were last asked for.
// It tells a loss from a Service that comes up.
func (s *service) peak() int {
	asked := s.raisedAt()
	most := 0
	for _, t := range s.tallies() {
		most = max(most, t.ready)
		if !t.at.After(asked) {
			break
		}
	}
	return most
}

// raisedAt is when a workload last got more replicas, or was made.
func (s *service) raisedAt() time.Time {
	var at time.Time
	for _, w := range s.workloads {
		if t := s.q.raised(w); t.After(at) {
			at = t
		}
	}
	return at
}

// lostTogether returns the moment all endpoints were lost and the last one at
// which there were some, if at least two went within the window of one loss.
func (s *service) lostTogether() []tally {
	h := s.tallies()
	if len(h) < 2 || h[0].usable > 0 {
		return nil
	}
	for i := 1; i < len(h); i++ {
		if h[0].at.Sub(h[i-1].at) > lossWindow {
			break
		}
		if h[i].usable >= 2 {
			return []tally{h[0], h[i]}
		}
	}
	return nil
}

// steadySince is since when the Service has had so many ready endpoints.
func (s *service) steadySince(ready int) (time.Time, string) {
	h := s.tallies()
	if len(h) == 0 {
		return s.svc.CreationTimestamp.Time, "per status"
	}
	since, note := h[0].at, ""
	for i, t := range h {
		if t.ready != h[0].ready {
			return since, note
		}
		since = t.at
		if i == len(h)-1 && t.ready > 0 && (s.q.age(t.at) > window || !t.at.After(s.q.view.Start().Add(startGrace))) {
			note = "or earlier"
		}
	}
	return since, note
}
