package replay

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// silence is a Gap that began before the recorder noticed it.
type silence struct {
	gap  store.Coverage
	from time.Time // the last instant at which coverage was proven
}

// silences finds the Gap that ends a ledger entry. It reads each entry of the
// ledger once and may be used concurrently.
type silences struct {
	mu     sync.Mutex
	last   store.Seq // read up to here
	latest map[scope]store.Coverage
	found  map[store.Seq]silence // by the entry that the Gap ends
}

// scope is what one stream of a recording is about.
type scope struct {
	resource  schema.GroupVersionResource
	namespace string
}

// endOf returns the silence that ends a ledger entry, if one does.
func (s *silences) endOf(t Timeline, c *store.Coverage) (silence, bool, error) {
	if c.Status != store.Current && c.Status != store.Partial {
		return silence{}, false, nil
	}
	info := t.Info()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last < info.Last {
		ledger, err := t.Ledger(s.last+1, info.Last)
		if err != nil {
			return silence{}, false, err
		}
		for i := range ledger {
			s.add(&ledger[i])
		}
		s.last = info.Last
	}
	found, ok := s.found[c.Seq]
	return found, ok, nil
}

func (s *silences) add(c *store.Coverage) {
	if s.latest == nil {
		s.latest, s.found = map[scope]store.Coverage{}, map[store.Seq]silence{}
	}
	key := scope{c.Resource, c.Namespace}
	if found, ok := silenceAfter(s.latest[key], c); ok {
		s.found[s.latest[key].Seq] = found
	}
	s.latest[key] = *c
}

// silenceAfter returns the silence between two ledger entries of one scope.
func silenceAfter(before store.Coverage, next *store.Coverage) (silence, bool) {
	if before.Status != store.Current && before.Status != store.Partial || next.Status != store.Gap {
		return silence{}, false
	}
	from := next.Since()
	if !from.Before(next.Time) {
		return silence{}, false
	}
	if from.Before(before.Time) {
		from = before.Time
	}
	return silence{*next, from}, true
}

// apply returns what is in force of a ledger entry at an instant.
func (s *silence) apply(c store.Coverage, at time.Time) store.Coverage {
	if !at.After(s.from) {
		return c
	}
	c.Status, c.Time, c.Reason, c.Resumed = store.Gap, s.from, s.gap.Reason, false
	return c
}

// InForce returns a ledger entry as it holds at the state's instant: coverage
// ends with the last proof of it, not when the recorder noticed.
func (s *State) InForce(c store.Coverage) store.Coverage {
	found, ok, err := s.objects.silences.endOf(s.timeline, &c)
	s.Note(err)
	if ok {
		c = found.apply(c, s.instant)
	}
	return c
}

// UntilSilence is InForce, and calls until with the instant after which the
// entry holds no longer although nothing is recorded then.
func (s *State) UntilSilence(c store.Coverage, until func(time.Time)) store.Coverage {
	found, ok, err := s.objects.silences.endOf(s.timeline, &c)
	s.Note(err)
	if ok && !s.instant.After(found.from) {
		until(found.from)
	}
	if ok {
		c = found.apply(c, s.instant)
	}
	return c
}

// CoverageAt returns what is in force for the resource in the namespace at an
// instant, and at the position that the instant has.
func CoverageAt(t Timeline, resource schema.GroupVersionResource, namespace string, seq store.Seq, at time.Time) (store.Coverage, error) {
	c, err := t.Coverage(resource, namespace, seq)
	if err != nil || c.Status != store.Current && c.Status != store.Partial {
		return c, err
	}
	ledger, err := t.Ledger(seq+1, t.Info().Last)
	if err != nil {
		return c, err
	}
	for i := range ledger {
		if next := &ledger[i]; next.Resource == c.Resource && next.Namespace == c.Namespace {
			if found, ok := silenceAfter(c, next); ok {
				c = found.apply(c, at)
			}
			break
		}
	}
	return c, nil
}
