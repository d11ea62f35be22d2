package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

var (
	_ Timeline = (*store.Memory)(nil)
	_ Timeline = (*store.Recording)(nil)
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// story writes events a second apart.
type story struct {
	*testing.T
	m  *store.Memory
	at time.Time
}

func newStory(t *testing.T) *story {
	return &story{t, store.NewMemory(store.Header{Start: replaytest.Start}), replaytest.Start}
}

func (s *story) say(typ watch.EventType, namespace, name string, version int) store.Seq {
	s.Helper()
	s.at = s.at.Add(time.Second)
	e := store.Event{Time: s.at, Type: typ, Resource: pods, Namespace: namespace, Name: name}
	if name != "" {
		e.UID = types.UID(name)
		e.ResourceVersion = fmt.Sprint(version)
		e.Object = fmt.Appendf(nil, `{"metadata":{"namespace":%q,"name":%q,"uid":%q,"resourceVersion":"%d","labels":{"app":"web"}}}`, namespace, name, name, version)
	}
	if typ == watch.Bookmark {
		e.Object = fmt.Appendf(nil, `{"metadata":{"resourceVersion":"%d","annotations":{%q:"true"}}}`, version, store.InitialEventsEnd)
	}
	seq, err := s.m.Append(e)
	if err != nil {
		s.Fatal(err)
	}
	return seq
}

func names(objects []*analyzer.Object) []string {
	out := []string{}
	for _, o := range objects {
		out = append(out, o.Name+"@"+o.ResourceVersion)
	}
	return out
}

func TestStateSeesOnlyItsInstant(t *testing.T) {
	s := newStory(t)
	s.say(store.Relist, "", "", 0)
	s.say(watch.Added, "shop", "a", 1)
	s.say(watch.Bookmark, "", "", 1)
	s.say(watch.Added, "shop", "b", 2)
	s.say(watch.Modified, "shop", "a", 3)
	s.say(watch.Deleted, "shop", "b", 4)

	c := NewCursor(s.m)
	want := map[store.Seq][]string{1: {}, 2: {"a@1"}, 3: {"a@1"}, 4: {"a@1", "b@2"}, 5: {"a@3", "b@2"}, 6: {"a@3"}}
	got := map[store.Seq][]string{}
	for seq := range want {
		state, err := c.Seek(seq)
		if err != nil {
			t.Fatal(err)
		}
		got[seq] = names(state.List(store.Query{Resource: pods, Labels: map[string]string{"app": "web"}}))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	state, err := c.Seek(6)
	if err != nil {
		t.Fatal(err)
	}
	if o := state.Get(store.Ref{Resource: pods, Namespace: "shop", Name: "b"}); o != nil {
		t.Errorf("a deleted Pod is still there: %v", o.Event)
	}
	if diff := cmp.Diff([]string{"b@2", "b@4"}, names(state.History(store.Ref{Resource: pods, Namespace: "shop", Name: "b"}))); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if err := state.Err(); err != nil {
		t.Error(err)
	}
}

// A list that lacks an object proves that it is gone, once the list is complete.
func TestRelistForgets(t *testing.T) {
	s := newStory(t)
	s.say(store.Relist, "", "", 0)
	s.say(watch.Added, "shop", "a", 1)
	s.say(watch.Added, "shop", "b", 1)
	s.say(watch.Bookmark, "", "", 1)
	s.say(store.Relist, "", "", 0)
	during := s.say(watch.Added, "shop", "a", 1)
	after := s.say(watch.Bookmark, "", "", 9)

	c := NewCursor(s.m)
	for seq, want := range map[store.Seq][]string{during: {"a@1", "b@1"}, after: {"a@1"}} {
		state, err := c.Seek(seq)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, names(state.List(store.Query{Resource: pods}))); diff != "" {
			t.Errorf("at #%d (-want +got):\n%s", seq, diff)
		}
	}
}

func TestSeekTime(t *testing.T) {
	s := newStory(t)
	s.say(watch.Added, "shop", "a", 1) // at 1 s
	s.say(watch.Added, "shop", "b", 2) // at 2 s
	c := NewCursor(s.m)
	for _, tt := range []struct {
		at   time.Duration
		want store.Seq
	}{{0, 0}, {999 * time.Millisecond, 0}, {time.Second, 1}, {1500 * time.Millisecond, 1}, {2 * time.Second, 2}, {time.Hour, 2}} {
		state, err := c.SeekTime(replaytest.Start.Add(tt.at))
		if err != nil {
			t.Fatal(err)
		}
		if state.Seq() != tt.want || !state.Instant().Equal(replaytest.Start.Add(tt.at)) {
			t.Errorf("SeekTime(+%v) = #%d at %v, want #%d", tt.at, state.Seq(), state.Instant(), tt.want)
		}
	}
	if _, err := c.Seek(3); err == nil {
		t.Error("seek behind the end: no error")
	}
}

// Seek(n) is n times Next, and Prev after Next is where it was.
func TestCursorProperties(t *testing.T) {
	s := newStory(t)
	for i := range 20 {
		s.say(watch.Added, "shop", fmt.Sprintf("p%d", i), i)
	}
	list := func(t *rapid.T, state *State, err error) []string {
		if err != nil {
			t.Fatal(err)
		}
		return names(state.List(store.Query{Resource: pods}))
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "n")
		stepping, seeking := NewCursor(s.m), NewCursor(s.m)
		state, err := stepping.Seek(0)
		for range n {
			state, err = stepping.Next()
		}
		sought, serr := seeking.Seek(store.Seq(n))
		if diff := cmp.Diff(list(t, sought, serr), list(t, state, err)); diff != "" {
			t.Errorf("Seek(%d) and %d x Next differ:\n%s", n, n, diff)
		}
		if n == 20 {
			return
		}
		if _, err := stepping.Next(); err != nil {
			t.Fatal(err)
		}
		back, err := stepping.Prev()
		if diff := cmp.Diff(list(t, sought, nil), list(t, back, err)); diff != "" {
			t.Errorf("Prev after Next at %d:\n%s", n, diff)
		}
	})
}

// broken is a timeline that cannot read one position.
type broken struct {
	*store.Memory
	at store.Seq
}

var errUnreadable = errors.New("block 7: bad checksum")

func (b broken) Event(seq store.Seq) (store.Event, error) {
	if seq == b.at {
		return store.Event{}, errUnreadable
	}
	return b.Memory.Event(seq)
}

func TestDamageIsReportedNotHidden(t *testing.T) {
	s := newStory(t)
	s.say(watch.Added, "shop", "a", 1)
	bad := s.say(watch.Added, "shop", "b", 2)
	state, err := NewCursor(broken{s.m, bad}).Seek(bad)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a@1"}, names(state.List(store.Query{Resource: pods}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !errors.Is(state.Err(), errUnreadable) {
		t.Errorf("Err() = %v, want %v", state.Err(), errUnreadable)
	}
}

// Many objects are read side by side; the list is in the same order, and what
// cannot be read is missing and told once.
func TestManyObjects(t *testing.T) {
	s := newStory(t)
	var want []string
	for i := range 3 * manyObjects {
		name := fmt.Sprintf("pod-%03d", (i*7)%(3*manyObjects))
		s.say(watch.Added, "shop", name, i+1)
		want = append(want, name)
	}
	slices.Sort(want)
	damaged := store.Seq(manyObjects)
	state, err := NewCursor(broken{s.m, damaged}).Seek(s.m.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.m.Event(damaged)
	if err != nil {
		t.Fatal(err)
	}
	want = slices.DeleteFunc(want, func(name string) bool { return name == e.Name })
	var got []string
	for _, o := range state.List(store.Query{Resource: pods, Namespace: "shop"}) {
		got = append(got, o.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if err := state.Err(); !errors.Is(err, errUnreadable) {
		t.Errorf("error %v, want the damage", err)
	}
}

// TestObjectsAreBoundedByBytes reads more bytes of large objects than the cache
// may hold.
func TestObjectsAreBoundedByBytes(t *testing.T) {
	m := store.NewMemory(store.Header{Start: replaytest.Start})
	text := fmt.Sprintf(`{"metadata":{"name":"a"},"data":%q}`, strings.Repeat("x", 1<<20))
	for i := range 3 * generationBytes >> 20 {
		if _, err := m.Append(store.Event{Time: replaytest.Start.Add(time.Duration(i) * time.Second), Type: watch.Modified, Resource: pods, Namespace: "shop", Name: "a", UID: "a", ResourceVersion: fmt.Sprint(i + 1), Object: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	c := &Cache{}
	for seq := store.Seq(1); seq <= m.Info().Last; seq++ {
		if _, err := c.Get(m, seq); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, generation := range []map[store.Seq]*analyzer.Object{c.young, c.old} {
			for _, o := range generation {
				size += len(o.Event.Object)
			}
		}
		if size > 2*generationBytes {
			t.Fatalf("after #%d the cache holds %d bytes of JSON, want at most %d", seq, size, 2*generationBytes)
		}
	}
}

// TestErrorsAreBounded notes many different errors: each takes the same time, and
// the text stays short.
func TestErrorsAreBounded(t *testing.T) {
	s := &State{}
	for i := range 200_000 {
		s.Note(fmt.Errorf("position %d cannot be read", i))
	}
	if n := len(s.Err().Error()); n > 4096 {
		t.Errorf("the errors of a State take %d bytes", n)
	}
}

// TestAge: what a cursor tells does not depend on what was forgotten.
func TestAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := replaytest.RandomRecording(t)
		aging := NewCursor(m)
		for range rapid.IntRange(5, 40).Draw(t, "looks") {
			seq := store.Seq(rapid.Uint64Range(1, uint64(m.Info().Last)).Draw(t, "seq"))
			for _, resource := range []string{"pods", "services"} {
				q := store.Query{Resource: schema.GroupVersionResource{Version: "v1", Resource: resource}}
				var told [2][]store.Seq
				for i, c := range []*Cursor{aging, NewCursor(m)} {
					state, err := c.Seek(seq)
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range state.List(q) {
						told[i] = append(told[i], o.Seq)
					}
				}
				if diff := cmp.Diff(told[1], told[0]); diff != "" {
					t.Fatalf("%s at #%d (-new cursor +aging)\n%s", resource, seq, diff)
				}
			}
			if rapid.Bool().Draw(t, "age") {
				aging.objects.Age()
			}
		}
	})
}
