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

	"pgregory.net/rapid"
)

// checkExcerpt compares what was cut out with the model: from Info.First on it
// must answer as the whole does, about the objects that are kept.
func (m *model) checkExcerpt(t fataler, got *Recording, x *Excerpt) {
	t.Helper()
	oldest := x.Oldest
	kept := func(ref Ref) bool {
		_, ok := oldest[ref]
		return ok || !x.Only
	}
	diff := func(what string, want, got any) {
		t.Helper()
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%s: want %v, got %v", what, want, got)
		}
	}
	first, last := got.Info().First, got.Info().Last
	atBegin := m.current(first - 1)
	var heard, want []Event
	for e, err := range got.Events(first, last) {
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		heard = append(heard, e)
	}
	for _, e := range m.events[first-1 : last] {
		if e.Type != "" && (!e.IsObject() || kept(e.Ref())) {
			want = append(want, e)
		}
	}
	diff("events", want, heard)
	var there []Seq // positions in the file
	for e := range got.Events(first, last) {
		there = append(there, e.Seq)
	}
	ledger, err := got.Ledger(first, last)
	if err != nil {
		t.Fatalf("ledger: %v", err)
	}
	for _, c := range ledger {
		there = append(there, c.Seq)
	}
	slices.Sort(there)
	for seq := first; seq <= last; seq++ {
		live := m.current(seq)
		for _, q := range allQueries {
			seqs, err := got.Find(q, seq)
			if err != nil {
				t.Fatalf("find at %d: %v", seq, err)
			}
			want := slices.DeleteFunc(m.find(q, live), func(s Seq) bool { return !kept(m.events[s-1].Ref()) })
			diff(fmt.Sprintf("find %+v at %d, first %d", q, seq, first), want, seqs)
		}
		for _, ref := range allRefs {
			if !kept(ref) {
				continue
			}
			seqs, err := got.History(ref, seq)
			if err != nil {
				t.Fatalf("history at %d: %v", seq, err)
			}
			from, past := oldest[ref]
			want := slices.DeleteFunc(m.history(ref, seq), func(s Seq) bool {
				e, current := atBegin[ref]
				return s < first && !(past && s >= from) && !(current && e.Seq == s)
			})
			diff(fmt.Sprintf("history of %v at %d, first %d, oldest %d", ref, seq, first, from), want, seqs)
		}
		for _, resource := range resources {
			for _, ns := range []string{"", "a", "other"} {
				c, err := got.Coverage(resource, ns, seq)
				if err != nil {
					t.Fatalf("coverage: %v", err)
				}
				diff(fmt.Sprintf("coverage of %s in %q at %d", resource.Resource, ns, seq), m.coverage(resource, ns, seq), c)
			}
		}
		at := m.events[seq-1].Time
		wantSeq := Seq(0)
		for _, s := range there {
			if !m.events[s-1].Time.After(at) {
				wantSeq = s
			}
		}
		if gotSeq, err := got.SeqAt(at); err != nil || gotSeq != wantSeq {
			t.Fatalf("seq at time of %d: %d, %v, want %d; first %d", seq, gotSeq, err, wantSeq, first)
		}
		i, found := slices.BinarySearch(there, seq)
		if !found {
			i--
		}
		diff(fmt.Sprintf("time of %d", seq), m.events[there[i]-1].Time, got.mustTime(t, seq))
	}
}

func (r *Recording) mustTime(t fataler, seq Seq) time.Time {
	t.Helper()
	at, err := r.TimeOf(seq)
	if err != nil {
		t.Fatalf("time of %d: %v", seq, err)
	}
	return at
}

func TestExcerptModel(t *testing.T) {
	dir := t.TempDir()
	whole, part, again := filepath.Join(dir, "whole"), filepath.Join(dir, "part"), filepath.Join(dir, "again")
	rapid.Check(t, func(rt *rapid.T) {
		defer func() {
			for _, path := range []string{whole, part, again} {
				os.Remove(path)
			}
		}()
		w, err := Create(whole, Header{Start: start}, noSync, smallRuns(rt))
		if err != nil {
			rt.Fatal(err)
		}
		defer w.Abort()
		m := &model{start: start}
		drawStep(rt, m, w)
		for range rapid.IntRange(0, 10).Draw(rt, "commits") {
			for range rapid.IntRange(0, 6).Draw(rt, "steps") {
				drawStep(rt, m, w)
			}
			if err := w.Commit(w.time); err != nil {
				rt.Fatal(err)
			}
		}
		if _, err := w.Seal(w.time); err != nil {
			rt.Fatal(err)
		}
		r, err := Open(whole)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		first := rapid.IntRange(1, len(m.events)).Draw(rt, "first")
		last := rapid.IntRange(first, len(m.events)).Draw(rt, "last")
		x := Excerpt{
			Header: Header{Start: m.events[first-1].Time, Source: &Source{ID: "whole"}},
			End:    m.events[last-1].Time, Only: rapid.Bool().Draw(rt, "only"), Oldest: map[Ref]Seq{},
		}
		for _, ref := range allRefs {
			if rapid.Bool().Draw(rt, "kept") {
				x.Oldest[ref] = Seq(rapid.IntRange(1, len(m.events)).Draw(rt, "oldest"))
			}
		}
		if _, err := r.Excerpt(part, x, noSync); errors.Is(err, errNothing) && x.Only {
			return
		} else if err != nil {
			rt.Fatal(err)
		}
		p, err := Open(part)
		if err != nil {
			rt.Fatal(err)
		}
		defer p.Close()
		m.checkExcerpt(rt, p, &x)
		if v, err := Verify(part); err != nil || len(v.Damage) > 0 {
			rt.Fatalf("verify: %v, %v", v.Damage, err)
		}
		if _, err := Compact(part, again, noSync); err != nil {
			rt.Fatal(err)
		}
		same, err := Open(again)
		if err != nil {
			rt.Fatal(err)
		}
		defer same.Close()
		m.checkExcerpt(rt, same, &x)
		p.rebuild() // as if the index were damaged
		m.checkExcerpt(rt, p, &x)
	})
}

func TestExcerptOverwritesNothing(t *testing.T) {
	w, path := create(t, Header{Start: start})
	if _, err := w.Append(numbered(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(numbered(1).Time); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	x := Excerpt{Header: Header{Start: start}, End: r.Info().End}
	if _, err := r.Excerpt(path, x); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto itself: %v, want fs.ErrExist", err)
	}
	if _, err := r.Event(1); err != nil {
		t.Errorf("the recording after that: %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if _, err := r.Excerpt(out, x); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(out); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// TestCompactRing: a ring that was interrupted keeps its window and what was
// carried over into it.
func TestCompactRing(t *testing.T) {
	dir := t.TempDir()
	path, small := filepath.Join(dir, "ring"), filepath.Join(dir, "small")
	w, err := Create(path, Header{Start: start}, Window(time.Second), noSync)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 5000; n++ {
		if _, err := w.Append(numbered(n)); err != nil {
			t.Fatal(err)
		}
		if n%100 == 0 {
			if err := w.Commit(numbered(n).Time); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	info, err := Compact(path, small)
	if err != nil {
		t.Fatal(err)
	}
	before := open(t, path)
	if was := before.Info(); info.First != was.First || info.First == 1 || info.Last != was.Last || info.Events != was.Events || info.Closed {
		t.Errorf("it was %+v and became %+v", was, info)
	}
	after := open(t, small)
	for _, seq := range []Seq{info.First, info.Last} {
		want, _ := before.Find(Query{}, seq)
		got, err := after.Find(Query{}, seq)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("at %d there is %v, %v; want %v", seq, got, err, want)
		}
	}
	if v, err := Verify(small); err != nil || len(v.Damage) > 0 {
		t.Errorf("verify: %v, %v", v.Damage, err)
	}
	// A window of a ring, asked for from before it begins, begins where it does.
	part := filepath.Join(dir, "part")
	end := before.Info().End
	cut, err := before.Excerpt(part, Excerpt{Header: Header{Start: start, Source: &Source{}}, End: end})
	if err != nil || cut.First != info.First || cut.Last != info.Last || cut.Closed {
		t.Errorf("all of it: %+v, %v; want %d to %d, not closed", cut, err, info.First, info.Last)
	}
	if v, err := Verify(part); err != nil || len(v.Damage) > 0 {
		t.Errorf("verify: %v, %v", v.Damage, err)
	}
	got, err := open(t, part).Find(Query{}, info.First)
	want, _ := before.Find(Query{}, info.First)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("at %d the part has %v, %v; want %v", info.First, got, err, want)
	}
	// A window that ends before the end is all there.
	cut, err = before.Excerpt(filepath.Join(dir, "middle"), Excerpt{Header: Header{Start: end.Add(-500 * time.Millisecond), Source: &Source{}}, End: end.Add(-time.Millisecond)})
	if err != nil || !cut.Closed || cut.First <= info.First || cut.Last >= info.Last {
		t.Errorf("the middle: %+v, %v", cut, err)
	}
}
