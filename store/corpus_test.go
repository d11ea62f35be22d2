package store

import (
	"iter"
	"testing"
	"time"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store/rawjson"
)

// timed gives the events of a corpus times: bursts and pauses as of a rollout, in odd
// steps, so that times do not compress better than real ones.
func timed(events iter.Seq2[corpus.Event, error]) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		now := start
		for c, err := range events {
			if err != nil {
				yield(Event{}, err)
				return
			}
			id, err := rawjson.Identify(c.Resource, c.Object)
			now = now.Add(time.Duration(len(c.Object)*7919%40000) * time.Microsecond)
			e := Event{
				Time: now, Type: c.Type, Resource: c.Resource, Namespace: id.Namespace,
				Name: id.Name, UID: id.UID, ResourceVersion: id.ResourceVersion, Object: c.Object,
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// loadCorpus returns the first events.
func loadCorpus(t testing.TB, from iter.Seq2[corpus.Event, error], limit int) []Event {
	t.Helper()
	var events []Event
	for e, err := range timed(from) {
		if err != nil {
			t.Fatal(err)
		}
		e.Seq = Seq(len(events) + 1)
		if events = append(events, e); len(events) == limit {
			break
		}
	}
	return events
}
