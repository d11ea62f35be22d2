package store

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store/index"
	"github.com/svcspy/svcspy/store/kinds"
	"github.com/svcspy/svcspy/store/rawjson"
)

var (
	_ sink     = (*Writer)(nil)
	_ timeline = (*Recording)(nil)
)

// create makes a writer on a new file that is closed when the test ends.
func create(t testing.TB, h Header) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.svcspy")
	w, err := Create(path, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Abort() })
	return w, path
}

func open(t testing.TB, path string) *Recording {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestFileModel writes at random, commits, rolls, reopens and seals, and after
// each commit the file must answer like the model.
func TestFileModel(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "test.svcspy")
		defer os.Remove(path)
		w, err := Create(path, Header{Start: start}, noSync, smallRuns(rt))
		if err != nil {
			rt.Fatal(err)
		}
		defer w.Abort()
		m := &model{start: start}
		var follower *Recording
		now := start
		for range rapid.IntRange(0, 6).Draw(rt, "commits") {
			for range rapid.IntRange(0, 8).Draw(rt, "steps") {
				drawStep(rt, m, w)
			}
			now = now.Add(time.Second)
			if rapid.Bool().Draw(rt, "roll") {
				err = w.commit(now, true)
			} else {
				err = w.Commit(now)
			}
			if err != nil {
				rt.Fatal(err)
			}
			if w.Pending() != 0 {
				rt.Fatalf("%d bytes pending after commit", w.Pending())
			}
			if follower == nil {
				if follower, err = Open(path); err != nil {
					rt.Fatal(err)
				}
				defer follower.Close()
			} else if err := follower.refresh(); err != nil {
				rt.Fatal(err)
			}
			m.check(rt, follower, m.some(rt))
		}
		if rapid.Bool().Draw(rt, "seal") {
			info, err := w.Seal(now)
			if err != nil || !info.Closed || info.SHA256 == "" {
				rt.Fatalf("seal: %+v, %v", info, err)
			}
		} else if err := w.Abort(); err != nil {
			rt.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		m.check(rt, r, m.some(rt))
		if err := r.Wait(context.Background(), r.Info().Last); err != io.EOF {
			rt.Fatalf("wait behind the end: %v, want EOF", err)
		}
	})
}

// some draws positions to ask about.
func (m *model) some(t *rapid.T) []Seq {
	at := []Seq{0, Seq(len(m.events))}
	for range min(3, len(m.events)) {
		at = append(at, Seq(rapid.IntRange(0, len(m.events)).Draw(t, "at")))
	}
	return at
}

// noSync makes writing quick where no power fails.
func noSync(w *Writer) { w.db.NoSync = true }

// smallRuns has the index make and merge runs after a few commits.
func smallRuns(t *rapid.T) Option {
	l := index.Limits{MaxVersions: rapid.IntRange(1, 100).Draw(t, "versions"), MaxTrails: rapid.IntRange(1, 4).Draw(t, "trails"), FanIn: 2, Batch: 100}
	return func(w *Writer) { w.index.Limits = l }
}

// TestCorpus writes real events to a file and to memory: at any position both
// know the same.
func TestCorpus(t *testing.T) {
	most := 6000
	if testing.Short() {
		most = 2000
	}
	events := loadCorpus(t, corpus.Rollout(), most)
	path := filepath.Join(t.TempDir(), "corpus")
	w, err := Create(path, Header{Start: start}, noSync, func(w *Writer) {
		w.index.Limits = index.Limits{MaxVersions: 500, MaxTrails: 100, FanIn: 3, Batch: 10 << 10}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	mem := NewMemory(Header{Start: start})
	apps, owners, involved := map[string]bool{}, map[types.UID]bool{}, map[types.UID]bool{}
	for i, e := range events {
		for _, s := range []sink{w, mem} {
			if _, err := s.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		if i%70 == 0 {
			if err := w.Commit(e.Time); err != nil {
				t.Fatal(err)
			}
		}
		id, _ := rawjson.Identify(e.Resource, e.Object)
		for _, l := range id.Labels {
			if l.Key == "app" {
				apps[l.Value] = true
			}
		}
		for _, o := range id.Owners {
			owners[o] = true
		}
		involved[id.Involved] = true
	}
	if err := w.Commit(start); err != nil {
		t.Fatal(err)
	}
	compare := func(r *Recording) {
		t.Helper()
		for at := Seq(1); at <= Seq(len(events)); at += 997 {
			var queries []Query
			for app := range apps {
				queries = append(queries, Query{Resource: kindOf("Pod"), Namespace: "default", Labels: map[string]string{"app": app}})
			}
			for uid := range owners {
				queries = append(queries, Query{Owner: uid})
			}
			for uid := range involved {
				if len(queries) < 200 {
					queries = append(queries, Query{Resource: eventsResource, Involved: uid})
				}
			}
			for _, k := range kinds.All {
				queries = append(queries, Query{Resource: k.Resource})
			}
			for _, q := range queries {
				want, err := mem.Find(q, at)
				got, err2 := r.Find(q, at)
				if err != nil || err2 != nil || !slices.Equal(want, got) {
					t.Fatalf("find %+v at %d: %v, %v; want %v, %v", q, at, got, err2, want, err)
				}
			}
			e := events[at-1]
			want, err := mem.History(e.Ref(), at+500)
			got, err2 := r.History(e.Ref(), at+500)
			if err != nil || err2 != nil || !slices.Equal(want, got) {
				t.Fatalf("history of %+v: %v, %v; want %v, %v", e.Ref(), got, err2, want, err)
			}
		}
		n := 0
		for e, err := range r.Events(1, Seq(len(events))) {
			want, _ := mem.Event(Seq(n + 1))
			if err != nil || !same(want, e) {
				t.Fatalf("event %d: %v", n+1, err)
			}
			n++
		}
		if n != len(events) {
			t.Fatalf("%d events of %d", n, len(events))
		}
	}
	compare(open(t, path))
	if _, err := w.Seal(start); err != nil {
		t.Fatal(err)
	}
	compare(open(t, path))
}

// TestRedacted keeps how many values were replaced, while it is written, sealed
// and compacted.
func TestRedacted(t *testing.T) {
	w, path := create(t, Header{Start: start})
	memory := NewMemory(Header{Start: start})
	say := func(n uint64) map[string]uint64 {
		counts := map[string]uint64{"secretData": n, "patterns": 1}
		w.Redacted(counts)
		memory.Redacted(counts)
		if err := w.Commit(start); err != nil {
			t.Fatal(err)
		}
		defer func() { counts["secretData"]++ }() // it is the caller's
		return maps.Clone(counts)
	}
	check := func(what string, info Info, want map[string]uint64) {
		t.Helper()
		if !maps.Equal(info.Redacted, want) {
			t.Errorf("%s: %v were redacted, want %v", what, info.Redacted, want)
		}
	}
	say(1)
	want := say(7)
	check("in memory", memory.Info(), want)
	check("unfinished", open(t, path).Info(), want)
	info, err := w.Seal(start)
	if err != nil {
		t.Fatal(err)
	}
	check("sealed", info, want)
	check("reopened", open(t, path).Info(), want)
	small := path + ".small"
	if _, err := Compact(path, small); err != nil {
		t.Fatal(err)
	}
	check("compacted", open(t, small).Info(), want)
}
