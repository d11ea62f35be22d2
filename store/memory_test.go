package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
)

// TestLiveness spells the rules: which version is current when.
func TestLiveness(t *testing.T) {
	object := func(typ watch.EventType, ns, name string) Event {
		return Event{
			Type: typ, Resource: pods, Namespace: ns, Name: name,
			Object: fmt.Appendf(nil, `{"metadata":{"name":%q,"namespace":%q}}`, name, ns),
		}
	}
	added := func(ns, name string) Event { return object(watch.Added, ns, name) }
	deleted := func(ns, name string) Event { return object(watch.Deleted, ns, name) }
	relist := func(ns string) Event { return Event{Type: Relist, Resource: pods, Namespace: ns} }
	end := func(ns string) Event {
		return Event{
			Type: watch.Bookmark, Resource: pods, Namespace: ns,
			Object: []byte(`{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}`),
		}
	}
	for name, test := range map[string]struct {
		events []Event
		want   [][]Seq // what exists after each event
	}{
		"added, deleted, back": {
			[]Event{added("a", "x"), deleted("a", "x"), added("a", "x")},
			[][]Seq{{1}, {}, {3}},
		},
		"gone at the end of the list, not before": {
			[]Event{added("a", "x"), added("a", "y"), relist(""), added("a", "y"), end("")},
			[][]Seq{{1}, {1, 2}, {1, 2}, {1, 4}, {4}},
		},
		"an unfinished list proves nothing": {
			[]Event{added("a", "x"), relist(""), added("a", "y")},
			[][]Seq{{1}, {1}, {1, 3}},
		},
		"a second list supersedes the first": {
			[]Event{relist(""), added("a", "x"), relist(""), added("a", "y"), end("")},
			[][]Seq{{}, {2}, {2}, {2, 4}, {4}},
		},
		"a list of one namespace": {
			[]Event{added("a", "x"), added("b", "x"), relist("a"), end("a")},
			[][]Seq{{1}, {1, 2}, {1, 2}, {2}},
		},
		"a bookmark without a list": {
			[]Event{added("a", "x"), end("")},
			[][]Seq{{1}, {1}},
		},
		"the end of another scope": {
			[]Event{added("a", "x"), relist(""), end("a"), end("")},
			[][]Seq{{1}, {1}, {1}, {}},
		},
		"added after the list": {
			[]Event{relist(""), end(""), added("a", "x"), relist(""), end(""), added("a", "x")},
			[][]Seq{{}, {}, {3}, {3}, {}, {6}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(Header{Start: start})
			for _, e := range test.events {
				if _, err := m.Append(e); err != nil {
					t.Fatal(err)
				}
			}
			for i, want := range test.want {
				got, err := m.Find(Query{Resource: pods}, Seq(i+1))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("after event %d (-want +got):\n%s", i+1, d)
				}
			}
		})
	}
}

func TestMemoryWait(t *testing.T) {
	m := NewMemory(Header{Start: start})
	done := make(chan error)
	go func() { done <- m.Wait(context.Background(), 0) }()
	if _, err := m.Cover(Coverage{Time: start, Resource: pods, Status: Listing}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("wait: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- m.Wait(ctx, 1) }()
	cancel()
	if err := <-done; err != context.Canceled {
		t.Fatalf("wait: %v, want context.Canceled", err)
	}
}

func TestTimeNeverRunsBackwards(t *testing.T) {
	m := NewMemory(Header{Start: start})
	for _, at := range []time.Duration{time.Second, -time.Hour, 1500 * time.Nanosecond} {
		if _, err := m.Append(Event{Type: Relist, Resource: pods, Time: start.Add(at)}); err != nil {
			t.Fatal(err)
		}
	}
	for seq := Seq(1); seq <= 3; seq++ {
		if got, err := m.TimeOf(seq); err != nil || !got.Equal(start.Add(time.Second)) {
			t.Errorf("time of %d: %v, %v", seq, got, err)
		}
	}
}
