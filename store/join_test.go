package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"
)

// drawRun records a random run, which begins with an empty list of each stream.
func drawRun(t *rapid.T, path string, begin time.Time) *model {
	w, err := Create(path, Header{ID: path, Start: begin}, noSync, smallRuns(t))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	m := &model{start: begin}
	for _, r := range resources {
		c := Coverage{Time: begin, Resource: r, Status: Listing}
		m.cover(c)
		if _, err := w.Cover(c); err != nil {
			t.Fatal(err)
		}
		for _, e := range []Event{{Type: Relist}, {Type: watch.Bookmark, Object: endOfList}} {
			e.Time, e.Resource = begin, r
			m.append(e)
			if _, err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range rapid.IntRange(1, 8).Draw(t, "commits") {
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			drawStep(t, m, w)
		}
		if err := w.Commit(w.time); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Seal(w.time); err != nil {
		t.Fatal(err)
	}
	return m
}

// cutRun cuts a run into excerpts at random positions; each begins where the one
// before ended.
func cutRun(t *rapid.T, path string) []*Recording {
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info := r.Info()
	var parts []*Recording
	for first := Seq(1); first < info.Last || len(parts) == 0; {
		last := Seq(rapid.IntRange(min(int(first)+1, int(info.Last)), int(info.Last)).Draw(t, "last"))
		begin, err := r.TimeOf(first)
		if err != nil {
			t.Fatal(err)
		}
		end, err := r.TimeOf(last)
		if err != nil {
			t.Fatal(err)
		}
		out := fmt.Sprintf("%s-%d", path, len(parts))
		x := Excerpt{Header: Header{ID: out, Start: begin, Source: &Source{ID: info.ID}}, First: first, End: end}
		if _, err := r.Excerpt(out, x, noSync); err != nil {
			t.Fatal(err)
		}
		p, err := Open(out)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
		first = p.Info().Last
	}
	return parts
}

// TestJoinIsTheRun: excerpts that meet become what was cut, from any of them on.
func TestJoinIsTheRun(t *testing.T) {
	dir := t.TempDir()
	whole, joined := filepath.Join(dir, "whole"), filepath.Join(dir, "joined")
	rapid.Check(t, func(rt *rapid.T) {
		defer removeAll(dir)
		m := drawRun(rt, whole, start)
		parts := cutRun(rt, whole)
		defer closeAll(parts)
		from := rapid.IntRange(0, len(parts)-1).Draw(rt, "from")
		info, err := Join(joined, Header{ID: "joined"}, parts[from:], noSync)
		if err != nil {
			rt.Fatal(err)
		}
		r, err := Open(joined)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		if got, want := r.Info().Last, parts[len(parts)-1].Info().Last; got != want || info.Last != want {
			rt.Fatalf("it ends at %d, want %d", got, want)
		}
		m.checkExcerpt(rt, r, &Excerpt{})
		if v, err := Verify(joined); err != nil || len(v.Damage) > 0 {
			rt.Fatalf("verify: %v, %v", v.Damage, err)
		}
	})
}

// TestJoinOverHole: where an excerpt is missing, or a recorder was started anew,
// there is a Gap, and afterwards everything is known as it was.
func TestJoinOverHole(t *testing.T) {
	dir := t.TempDir()
	one, two, joined := filepath.Join(dir, "one"), filepath.Join(dir, "two"), filepath.Join(dir, "joined")
	rapid.Check(t, func(rt *rapid.T) {
		defer removeAll(dir)
		last := drawRun(rt, one, start)
		parts := cutRun(rt, one)
		if len(parts) > 2 {
			hole := rapid.IntRange(1, len(parts)-2).Draw(rt, "hole")
			parts[hole].Close()
			parts = slices.Delete(parts, hole, hole+1)
		}
		namespace := "a"
		if rapid.Bool().Draw(rt, "restart") {
			// A stream of the first run that the second does not have stays a Gap,
			// which may tell more than the second run does; both have this one.
			namespace = ""
			end := last.events[len(last.events)-1].Time
			last = drawRun(rt, two, end.Add(time.Minute))
			parts = append(parts, cutRun(rt, two)...)
		}
		defer closeAll(parts)
		if _, err := Join(joined, Header{ID: "joined"}, parts, noSync); err != nil {
			rt.Fatal(err)
		}
		r, err := Open(joined)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		at := r.Info().Last
		seqs, err := r.Find(Query{}, at)
		if err != nil {
			rt.Fatal(err)
		}
		got, want := map[Ref]string{}, map[Ref]string{}
		for _, seq := range seqs {
			e, err := r.Event(seq)
			if err != nil {
				rt.Fatal(err)
			}
			got[e.Ref()] = string(e.Object)
		}
		for ref, e := range last.current(Seq(len(last.events))) {
			want[ref] = string(e.Object)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("at the end (-want +got)\n%s", diff)
		}
		for _, resource := range resources {
			c, err := r.Coverage(resource, namespace, at)
			if err != nil {
				rt.Fatal(err)
			}
			if want := last.coverage(resource, namespace, Seq(len(last.events))); c.Status != want.Status || c.Reason != want.Reason {
				rt.Fatalf("coverage of %s: %v, want %v", resource.Resource, c, want)
			}
		}
		if v, err := Verify(joined); err != nil || len(v.Damage) > 0 {
			rt.Fatalf("verify: %v, %v", v.Damage, err)
		}
	})
}

// TestJoinNamesHole: of a stream that was followed the ledger says from when to
// when nothing is known.
func TestJoinNamesHole(t *testing.T) {
	w, path := create(t, Header{ID: "run", Start: start})
	if _, err := w.Cover(Coverage{Time: start, Resource: pods, Status: Current}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 9; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Seal(numbered(9).Time); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	var parts []*Recording
	for i, window := range [][2]Seq{{1, 4}, {7, 10}} {
		out := fmt.Sprintf("%s-%d", path, i)
		x := Excerpt{Header: Header{Start: r.mustTime(t, window[0]), Source: &Source{ID: "run"}}, First: window[0], End: r.mustTime(t, window[1])}
		if _, err := r.Excerpt(out, x); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, open(t, out))
	}
	joined := path + "-joined"
	if _, err := Join(joined, Header{ID: "joined"}, parts); err != nil {
		t.Fatal(err)
	}
	got := open(t, joined)
	ledger, err := got.Ledger(1, got.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Status Status
		Time   time.Time
		Reason string
	}
	var entries []entry
	for _, c := range ledger {
		entries = append(entries, entry{c.Status, c.Time, c.Reason})
	}
	want := []entry{
		{Current, start, ""},
		{Gap, parts[0].Info().End, "the recordings of this time are missing"},
		{Current, parts[1].Info().Start, ""},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("ledger (-want +got)\n%s", diff)
	}
	if _, err := Join(joined, Header{}, parts); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto itself: %v, want fs.ErrExist", err)
	}
	slices.Reverse(parts)
	if _, err := Join(joined+"-reversed", Header{}, parts); err == nil {
		t.Error("recordings in the wrong order were joined")
	}
	if _, err := os.Stat(joined + "-reversed"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after an error there is a file: %v", err)
	}
}

func closeAll(parts []*Recording) {
	for _, p := range parts {
		p.Close()
	}
}

func removeAll(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		os.Remove(name)
	}
}
