package redact

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/fixtures/canary"
	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store"
)

// TestCanaryCorpus plants the secrets of fixtures/canary and looks for them in
// what each gate lets through.
func TestCanaryCorpus(t *testing.T) {
	objects, err := canary.Objects(7)
	if err != nil {
		t.Fatal(err)
	}
	gates := map[string]func(canary.Object) []byte{}
	record := Standard(false)
	gates["record"] = func(o canary.Object) []byte {
		out, err := record.Object(nil, o.Resource, o.Text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, policy := range SharePolicies {
		gate, err := NewShare(policy)
		if err != nil {
			t.Fatal(err)
		}
		event := func(o canary.Object) store.Event {
			return store.Event{Type: "ADDED", Resource: o.Resource, Namespace: "default", Name: o.Name, Object: bytes.Clone(o.Text)}
		}
		for _, o := range objects {
			e := event(o)
			gate.Learn(&e)
		}
		gates["share "+policy] = func(o canary.Object) []byte {
			e := event(o)
			if err := gate.Event(&e); err != nil {
				t.Fatal(err)
			}
			return e.Object
		}
	}
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		planted, leaked := map[string]int{}, map[string]int{}
		all, lost := 0, 0
		for _, o := range objects {
			out := gates[name](o)
			found := map[string]canary.Found{}
			for _, f := range canary.NewFinder(o.Secrets).Find(out) {
				found[f.Secret.Value] = f
			}
			for _, s := range o.Secrets {
				if s.Strict && name != "share strict" {
					continue
				}
				planted[s.Class]++
				all++
				if f, ok := found[s.Value]; ok {
					leaked[s.Class]++
					lost++
					t.Errorf("%s: %s %s %s, class %s, %s: %s", name, o.Kind, o.Name, s.Value, s.Class, f.Form, out[max(0, f.At-60):min(len(out), f.At+60)])
				}
			}
		}
		var classes []string
		for _, class := range slices.Sorted(maps.Keys(planted)) {
			classes = append(classes, fmt.Sprintf("%s %d/%d", class, leaked[class], planted[class]))
		}
		t.Logf("%s: %d of %d secrets leak; by class: %s", name, lost, all, strings.Join(classes, ", "))
	}
}

// BenchmarkObject is the way of the benchmark corpus through gate A.
func BenchmarkObject(b *testing.B) {
	for _, gate := range []*Policy{Standard(false), Patterns(false)} {
		b.Run(gate.Redaction().Policy, func(b *testing.B) {
			events := corpusEvents(b, corpus.Chosen(), 8000)
			bytes := 0
			for _, e := range events {
				bytes += len(e.object)
			}
			b.SetBytes(int64(bytes))
			var out []byte
			for b.Loop() {
				for _, e := range events {
					var err error
					if out, err = gate.Object(out[:0], e.resource, e.object); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
		})
	}
}

type corpusEvent struct {
	resource schema.GroupVersionResource
	object   []byte
}

// corpusEvents reads so many events of a corpus.
func corpusEvents(t testing.TB, from iter.Seq2[corpus.Event, error], most int) []corpusEvent {
	t.Helper()
	var all []corpusEvent
	for e, err := range from {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == watch.Bookmark {
			continue
		}
		if all = append(all, corpusEvent{e.Resource, e.Object}); len(all) == most {
			break
		}
	}
	return all
}
