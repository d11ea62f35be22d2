package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/store/index"
)

// sink is what Memory and Writer have in common.
type sink interface {
	Append(Event) (Seq, error)
	Cover(Coverage) (Seq, error)
	Describe([]metav1.APIResource) error
	Commit(time.Time) error
	Seal(time.Time) (Info, error)
	Pending() int
}

// timeline is what Memory and Recording have in common.
type timeline interface {
	Info() Info
	SeqAt(time.Time) (Seq, error)
	TimeOf(Seq) (time.Time, error)
	Event(Seq) (Event, error)
	Events(from, to Seq) iter.Seq2[Event, error]
	Ledger(from, to Seq) ([]Coverage, error)
	Find(Query, Seq) ([]Seq, error)
	History(Ref, Seq) ([]Seq, error)
	Coverage(schema.GroupVersionResource, string, Seq) (Coverage, error)
	Wait(context.Context, Seq) error
}

var (
	_ sink     = (*Memory)(nil)
	_ timeline = (*Memory)(nil)

	start          = time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	pods           = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodes          = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	eventsResource = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	resources      = []schema.GroupVersionResource{pods, nodes, eventsResource}
)

// model is the plain truth: everything in one list, every answer by a scan of
// all of it, every object decoded by encoding/json.
type model struct {
	events []Event    // a coverage change has an Event with its Seq and Time only
	ledger []Coverage // in order
	start  time.Time
}

func (m *model) next(t time.Time) (Seq, time.Time) {
	t = t.UTC().Truncate(time.Microsecond)
	last := m.start
	if len(m.events) > 0 {
		last = m.events[len(m.events)-1].Time
	}
	if t.Before(last) {
		t = last
	}
	return Seq(len(m.events) + 1), t
}

func (m *model) append(e Event) {
	e.Seq, e.Time = m.next(e.Time)
	m.events = append(m.events, e)
}

func (m *model) cover(c Coverage) {
	c.Seq, c.Time = m.next(c.Time)
	m.ledger = append(m.ledger, c)
	m.events = append(m.events, Event{Seq: c.Seq, Time: c.Time})
}

type modelObject struct {
	Metadata       metav1.ObjectMeta `json:"metadata"`
	InvolvedObject struct {
		UID types.UID `json:"uid"`
	} `json:"involvedObject"`
}

// current folds the events up to at into what exists, as the liveness rules say.
func (m *model) current(at Seq) map[Ref]Event {
	live := map[Ref]Event{}
	listing := map[index.Scope]Seq{}
	for _, e := range m.events[:at] {
		s := index.Scope{Resource: e.Resource, Namespace: e.Namespace}
		switch e.Type {
		case watch.Added, watch.Modified:
			live[e.Ref()] = e
		case watch.Deleted:
			delete(live, e.Ref())
		case Relist:
			listing[s] = e.Seq
		case watch.Bookmark:
			var o modelObject
			_ = json.Unmarshal(e.Object, &o)
			begun := listing[s]
			if o.Metadata.Annotations[InitialEventsEnd] != "true" || begun == 0 {
				continue
			}
			delete(listing, s)
			for ref, old := range live {
				if ref.Resource == e.Resource && (e.Namespace == "" || e.Namespace == ref.Namespace) && old.Seq < begun {
					delete(live, ref)
				}
			}
		}
	}
	return live
}

func (m *model) find(q Query, live map[Ref]Event) []Seq {
	var found []Event
	for ref, e := range live {
		var o modelObject
		_ = json.Unmarshal(e.Object, &o)
		ok := (q.Resource.Empty() || q.Resource == ref.Resource) &&
			(q.Namespace == "" || q.Namespace == ref.Namespace) &&
			(q.Name == "" || q.Name == ref.Name) &&
			(q.Involved == "" || q.Involved == o.InvolvedObject.UID && ref.Resource == eventsResource)
		for k, v := range q.Labels {
			got, has := o.Metadata.Labels[k]
			ok = ok && has && got == v
		}
		if q.Owner != "" {
			ok = ok && slices.ContainsFunc(o.Metadata.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == q.Owner })
		}
		if ok {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b Event) int { return a.Ref().Compare(b.Ref()) })
	seqs := make([]Seq, 0, len(found))
	for _, e := range found {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

func (m *model) history(ref Ref, at Seq) []Seq {
	var seqs []Seq
	for _, e := range m.events[:at] {
		if e.IsObject() && e.Ref() == ref {
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs
}

func (m *model) coverage(resource schema.GroupVersionResource, namespace string, at Seq) Coverage {
	best := Coverage{Resource: resource, Namespace: namespace, Status: NotRecorded}
	for _, ns := range slices.Compact([]string{namespace, ""}) {
		last := Coverage{Status: NotRecorded}
		for _, c := range m.ledger {
			if c.Seq <= at && c.Resource == resource && c.Namespace == ns {
				last = c
			}
		}
		if last.Seq != 0 && (last.Status.Weight() > best.Status.Weight() || last.Status.Weight() == best.Status.Weight() && last.Seq > best.Seq) {
			best = last
		}
	}
	return best
}

// check compares every answer of the timeline with the model's. at are the
// positions asked about.
func (m *model) check(t fataler, got timeline, at []Seq) {
	t.Helper()
	diff := func(what string, want, got any) {
		t.Helper()
		if reflect.DeepEqual(want, got) {
			return // quicker than cmp.Diff, which prints
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s (-want +got):\n%s", what, d)
		}
	}
	last := Seq(len(m.events))
	diff("last", last, got.Info().Last)
	var events []Event
	for e, err := range got.Events(1, last) {
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		events = append(events, e)
	}
	var want []Event
	for _, e := range m.events {
		if e.Type != "" {
			want = append(want, e)
		}
	}
	diff("events", want, events)
	ledger, err := got.Ledger(1, last)
	if err != nil {
		t.Fatalf("ledger: %v", err)
	}
	diff("ledger", m.ledger, ledger)
	for _, seq := range at {
		m.checkAt(t, got, seq, diff)
	}
	if _, err := got.Event(last + 1); !errors.Is(err, ErrNotEvent) {
		t.Fatalf("event behind the end: %v", err)
	}
	if last > 0 {
		if err := got.Wait(context.Background(), last-1); err != nil {
			t.Fatalf("wait for what is there: %v", err)
		}
	}
}

func (m *model) checkAt(t fataler, got timeline, seq Seq, diff func(string, any, any)) {
	t.Helper()
	try := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s at %d: %v", what, seq, err)
		}
	}
	if seq > 0 {
		e := m.events[seq-1]
		at, err := got.TimeOf(seq)
		try("time", err)
		diff(fmt.Sprintf("time of %d", seq), e.Time, at)
		one, err := got.Event(seq)
		if e.Type == "" {
			if !errors.Is(err, ErrNotEvent) {
				t.Fatalf("event at ledger entry %d: %v", seq, err)
			}
		} else {
			try("event", err)
			diff(fmt.Sprintf("event %d", seq), e, one)
		}
		var wantSeq Seq
		for _, e2 := range m.events {
			if !e2.Time.After(e.Time) {
				wantSeq = e2.Seq
			}
		}
		gotSeq, err := got.SeqAt(e.Time)
		try("seq at", err)
		diff(fmt.Sprintf("seq at %s", e.Time), wantSeq, gotSeq)
	}
	live := m.current(seq)
	for _, q := range allQueries {
		seqs, err := got.Find(q, seq)
		try("find", err)
		diff(fmt.Sprintf("find %+v at %d", q, seq), m.find(q, live), seqs)
	}
	for _, ref := range allRefs {
		seqs, err := got.History(ref, seq)
		try("history", err)
		diff(fmt.Sprintf("history of %+v at %d", ref, seq), m.history(ref, seq), seqs)
	}
	for _, resource := range resources {
		for _, ns := range []string{"", "a", "b", "other"} {
			c, err := got.Coverage(resource, ns, seq)
			try("coverage", err)
			diff(fmt.Sprintf("coverage of %s in %q at %d", resource.Resource, ns, seq), m.coverage(resource, ns, seq), c)
		}
	}
}

var (
	namespaces = map[schema.GroupVersionResource][]string{pods: {"a", "b"}, nodes: {""}, eventsResource: {"a"}}
	allRefs    = func() (refs []Ref) {
		for _, r := range resources {
			for _, ns := range namespaces[r] {
				for _, name := range []string{"x", "y", "z"} {
					refs = append(refs, Ref{Resource: r, Namespace: ns, Name: name})
				}
			}
		}
		return append(refs, Ref{Resource: pods, Namespace: "none", Name: "x"}, Ref{Resource: schema.GroupVersionResource{Resource: "none"}, Namespace: "a", Name: "x"})
	}()
	allQueries = func() []Query {
		queries := []Query{
			{},
			{Namespace: "a"},
			{Name: "x"},
			{Owner: "o1"},
			{Involved: "i1"},
			{Labels: map[string]string{"app": "web"}},
			{Resource: schema.GroupVersionResource{Resource: "none"}},
		}
		for _, r := range resources {
			queries = append(queries, Query{Resource: r}, Query{Resource: r, Name: "y"},
				Query{Resource: r, Owner: "o2"}, Query{Resource: r, Involved: "i1"},
				Query{Resource: r, Labels: map[string]string{"app": "db"}},
				Query{Resource: r, Labels: map[string]string{"app": "web", "tier": "<\\&>"}, Owner: "o1"})
			for _, ns := range []string{"a", "b"} {
				queries = append(queries, Query{Resource: r, Namespace: ns}, Query{Resource: r, Namespace: ns, Name: "x"},
					Query{Resource: r, Namespace: ns, Labels: map[string]string{"app": "web"}},
					Query{Resource: r, Namespace: ns, Name: "z", Owner: "o1"})
			}
		}
		return queries
	}()
)

// drawObject makes JSON with what the indexes look at, and noise around it.
func drawObject(t *rapid.T, ref Ref) []byte {
	maybe := func(values ...string) string { return rapid.SampledFrom(append(values, "")).Draw(t, "value") }
	meta := map[string]any{
		"name": ref.Name, "uid": rapid.SampledFrom([]string{"u1", "u2", "u3"}).Draw(t, "uid"),
		"resourceVersion": fmt.Sprint(rapid.IntRange(1, 99).Draw(t, "rv")),
	}
	if ref.Namespace != "" {
		meta["namespace"] = ref.Namespace
	}
	labels := map[string]any{}
	if v := maybe("web", "db"); v != "" {
		labels["app"] = v
	}
	if v := maybe("<\\&>", "front \"1\""); v != "" {
		labels["tier"] = v
	}
	if len(labels) > 0 {
		meta["labels"] = labels
	}
	if v := maybe("o1", "o2"); v != "" {
		meta["ownerReferences"] = []any{map[string]any{"uid": v, "kind": "ReplicaSet"}, map[string]any{"uid": "o3"}}
	}
	o := map[string]any{"kind": "Pod", "metadata": meta, "spec": map[string]any{
		"text": rapid.StringN(0, 40, -1).Draw(t, "text"), "list": []any{1, nil, true, map[string]any{}, []any{}},
	}}
	if v := maybe("i1"); v != "" {
		o["involvedObject"] = map[string]any{"uid": v}
	}
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// drawStep makes one random write to every sink and to the model.
func drawStep(t *rapid.T, m *model, sinks ...sink) {
	now := m.start
	if n := len(m.events); n > 0 {
		now = m.events[n-1].Time
	}
	now = now.Add(time.Duration(rapid.IntRange(-2, 5).Draw(t, "ms")) * time.Millisecond).Add(time.Duration(rapid.IntRange(0, 999).Draw(t, "ns")))
	resource := rapid.SampledFrom(resources).Draw(t, "resource")
	ns := rapid.SampledFrom(namespaces[resource]).Draw(t, "namespace")
	stream := rapid.SampledFrom([]string{"", ns}).Draw(t, "scope")
	e := Event{Time: now, Resource: resource, Namespace: stream}
	switch rapid.SampledFrom([]string{"object", "object", "object", "object", "relist", "end", "bookmark", "error", "cover"}).Draw(t, "what") {
	case "object":
		e.Type = rapid.SampledFrom([]watch.EventType{watch.Added, watch.Modified, watch.Deleted}).Draw(t, "type")
		e.Namespace, e.Name = ns, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")
		e.Object = drawObject(t, e.Ref())
		var o modelObject
		if err := json.Unmarshal(e.Object, &o); err != nil {
			t.Fatal(err)
		}
		e.UID, e.ResourceVersion = o.Metadata.UID, o.Metadata.ResourceVersion
	case "relist":
		e.Type = Relist
	case "end":
		e.Type, e.ResourceVersion = watch.Bookmark, "7"
		e.Object = []byte(`{"kind":"Pod","metadata":{"resourceVersion":"7","annotations":{"a":"b","k8s.io/initial-events-end":"true"}}}`)
	case "bookmark":
		e.Type, e.ResourceVersion = watch.Bookmark, "8"
		e.Object = []byte(`{"kind":"Pod","metadata":{"resourceVersion":"8","annotations":null}}`)
	case "error":
		e.Type = watch.Error
		e.Object = []byte(`{"kind":"Status","metadata":{},"code":410}`)
	case "cover":
		c := Coverage{
			Time: now, Resource: resource, Namespace: stream, ResourceVersion: "9", Reason: "because",
			Status:  rapid.SampledFrom([]Status{Forbidden, Listing, Current, Gap, NotRecorded}).Draw(t, "status"),
			Resumed: rapid.Bool().Draw(t, "resumed"),
		}
		m.cover(c)
		for _, s := range sinks {
			if _, err := s.Cover(c); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	m.append(e)
	for _, s := range sinks {
		given := e
		given.Object = slices.Clone(e.Object)
		seq, err := s.Append(given)
		if err != nil || seq != Seq(len(m.events)) {
			t.Fatalf("append: %d, %v; want %d", seq, err, len(m.events))
		}
		clear(given.Object) // the sink must have kept a copy
	}
}

func TestMemoryModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{start: start}
		mem := NewMemory(Header{Start: start})
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			drawStep(rt, m, mem)
		}
		var at []Seq
		for seq := range Seq(len(m.events) + 1) {
			at = append(at, seq)
		}
		m.check(t, mem, at)
		info, err := mem.Seal(start.Add(time.Hour))
		if err != nil || !info.Closed || !info.End.Equal(start.Add(time.Hour)) {
			t.Fatalf("seal: %+v, %v", info, err)
		}
		if err := mem.Wait(t.Context(), info.Last); err != io.EOF {
			t.Fatalf("wait behind the end: %v, want EOF", err)
		}
		if _, err := mem.Append(Event{}); !errors.Is(err, ErrClosed) {
			t.Fatalf("append after seal: %v, want ErrClosed", err)
		}
	})
}

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}
