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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// checkWindow compares a ring with the model: from Info.First on it must answer
// as if everything were there.
func (m *model) checkWindow(t fataler, got timeline, at []Seq) {
	t.Helper()
	first, last := got.Info().First, got.Info().Last
	if last != Seq(len(m.events)) {
		t.Fatalf("last is %d of %d", last, len(m.events))
	}
	next := first
	for e, err := range got.Events(first, last) {
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		for next < e.Seq && m.events[next-1].Type == "" {
			next++
		}
		if !same(m.events[next-1], e) {
			t.Fatalf("event %d is %+v, want %+v", next, e, m.events[next-1])
		}
		next++
	}
	if start := got.Info().Start; first > 1 && !start.Equal(m.events[first-1].Time) {
		t.Fatalf("the window starts at %s, its first position is of %s", start, m.events[first-1].Time)
	}
	// What comes before is what the cluster was at First.
	carried := []Seq{}
	for e, err := range got.Events(1, max(first, 1)-1) {
		if err != nil {
			t.Fatalf("carried events: %v", err)
		}
		if !same(m.events[e.Seq-1], e) {
			t.Fatalf("carried event %d is %+v", e.Seq, e)
		}
		carried = append(carried, e.Seq)
	}
	if first > 1 {
		want := m.find(Query{}, m.current(first-1))
		slices.Sort(want)
		if !slices.Equal(want, carried) {
			t.Fatalf("carried over to %d: %v, want %v", first, carried, want)
		}
	}
	diff := func(what string, want, got any) {
		t.Helper()
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%s: want %v, got %v", what, want, got)
		}
	}
	for _, seq := range at {
		if seq < first {
			continue
		}
		live := m.current(seq)
		for _, q := range allQueries {
			seqs, err := got.Find(q, seq)
			if err != nil {
				t.Fatalf("find at %d: %v", seq, err)
			}
			diff(fmt.Sprintf("find %+v at %d, first %d", q, seq, first), m.find(q, live), seqs)
			for _, s := range seqs {
				if e, err := got.Event(s); err != nil || !same(m.events[s-1], e) {
					t.Fatalf("event %d, found at %d: %+v, %v", s, seq, e, err)
				}
			}
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
		if seq == 0 || seq > last {
			continue
		}
		at := m.events[seq-1].Time
		wantSeq := seq
		for int(wantSeq) < len(m.events) && m.events[wantSeq].Time.Equal(at) {
			wantSeq++
		}
		if gotSeq, err := got.SeqAt(at); err != nil || gotSeq != wantSeq {
			t.Fatalf("seq at time of %d: %d, %v, want %d; first %d", seq, gotSeq, err, wantSeq, first)
		}
	}
}

func TestRingModel(t *testing.T) {
	dir := t.TempDir()
	trimmed := false
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "ring")
		defer os.Remove(path)
		w, err := Create(path, Header{Start: start}, Window(12*time.Millisecond), noSync, smallRuns(rt))
		if err != nil {
			rt.Fatal(err)
		}
		defer w.Abort()
		m := &model{start: start}
		check := func() {
			r, err := Open(path)
			if err != nil {
				rt.Fatal(err)
			}
			defer r.Close()
			m.checkWindow(rt, r, m.some(rt))
			trimmed = trimmed || r.Info().First > 1
		}
		for range rapid.IntRange(0, 15).Draw(rt, "commits") {
			for range rapid.IntRange(0, 6).Draw(rt, "steps") {
				drawStep(rt, m, w)
			}
			if err := w.Commit(w.time); err != nil {
				rt.Fatal(err)
			}
		}
		check()
		if rapid.Bool().Draw(rt, "seal") {
			if _, err := w.Seal(w.time); err != nil {
				rt.Fatal(err)
			}
		} else if err := w.Abort(); err != nil {
			rt.Fatal(err)
		}
		check()
		if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
			rt.Fatalf("verify: %v, %v", v.Damage, err)
		}
	})
	if !trimmed {
		t.Error("nothing was ever dropped")
	}
}

// TestSave saves a ring while it is written and while somebody reads it: what is
// saved is the window, sealed; the ring goes on; and the reader, which stays
// open, is never led astray by what is dropped and put together.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	saved := false
	rapid.Check(t, func(rt *rapid.T) {
		path, copied := filepath.Join(dir, "ring"), filepath.Join(dir, "saved")
		defer os.Remove(path)
		defer os.Remove(copied) // of a case that failed, so that it fails again
		w, err := Create(path, Header{ID: "ring", Start: start}, Window(12*time.Millisecond), noSync, smallRuns(rt))
		if err != nil {
			rt.Fatal(err)
		}
		defer w.Abort()
		reader, err := Open(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer reader.Close()
		m := &model{start: start}
		for range rapid.IntRange(0, 15).Draw(rt, "commits") {
			for range rapid.IntRange(0, 6).Draw(rt, "steps") {
				drawStep(rt, m, w)
			}
			if err := w.Commit(w.time); err != nil {
				rt.Fatal(err)
			}
			if last := Seq(len(m.events)); last > reader.Info().Last {
				if err := reader.Wait(t.Context(), last-1); err != nil {
					rt.Fatal(err)
				}
				m.checkWindow(rt, reader, []Seq{last})
			}
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				w.Hold()
			case 1:
				w.Release()
			case 2:
				info, err := w.Save(copied, "saved")
				if err != nil {
					rt.Fatal(err)
				}
				r, err := Open(copied)
				if err != nil {
					rt.Fatal(err)
				}
				if !info.Closed || info.ID != "saved" || info.Last != Seq(len(m.events)) || r.Info().SHA256 != info.SHA256 {
					rt.Fatalf("saved as %+v, read as %+v", info, r.Info())
				}
				if info.Last > 0 {
					m.checkWindow(rt, r, m.some(rt))
				}
				saved = saved || r.Info().First > 1
				if v, err := Verify(copied); err != nil || len(v.Damage) > 0 {
					rt.Fatalf("verify: %v, %v", v.Damage, err)
				}
				if _, err := w.Save(copied, "again"); !errors.Is(err, fs.ErrExist) {
					rt.Fatalf("saved over a file: %v", err)
				}
				r.Close()
				os.Remove(copied)
			}
		}
		if _, err := w.Seal(w.time); err != nil {
			rt.Fatal(err)
		}
		if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
			rt.Fatalf("verify: %v, %v", v.Damage, err)
		}
	})
	if !saved && !testing.Short() {
		t.Error("no window was ever saved")
	}
}

// TestCompactOfAWindow compacts what a killed flight recorder left.
func TestCompactOfAWindow(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		dir := t.TempDir()
		path, dst := filepath.Join(dir, "ring"), filepath.Join(dir, "compact")
		w, err := Create(path, Header{Start: start}, Window(time.Second), noSync)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 5000; n++ {
			e := numbered(n)
			if _, err := w.Append(e); err != nil {
				t.Fatal(err)
			}
			if n%100 == 0 {
				if err := w.Commit(e.Time); err != nil {
					t.Fatal(err)
				}
			}
		}
		if sealed {
			_, err = w.Seal(w.time)
		} else {
			err = w.Abort()
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := Compact(path, dst)
		if err != nil {
			t.Fatal(err)
		}
		before, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Open(dst)
		if err != nil {
			t.Fatal(err)
		}
		if got := after.Info(); got.First != before.Info().First || got.First <= 1 || got.Last != 5000 || got.Closed != sealed || got.SHA256 == "" || got.SHA256 != info.SHA256 {
			t.Errorf("sealed %v: compacted to %+v", sealed, got)
		}
		for e, err := range before.Events(1, 5000) {
			if err != nil {
				t.Fatal(err)
			}
			if same, err := after.Event(e.Seq); err != nil || string(same.Object) != string(e.Object) {
				t.Fatalf("event %d is %s, %v", e.Seq, same.Object, err)
			}
		}
		if v, err := Verify(dst); err != nil || len(v.Damage) > 0 {
			t.Errorf("verify: %v, %v", v.Damage, err)
		}
		before.Close()
		after.Close()
	}
}

func timeOf(t *testing.T, r *Recording, seq Seq) time.Time {
	t.Helper()
	at, err := r.TimeOf(seq)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestRingIsBounded writes many windows' worth: the file stops growing.
func TestRingIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	w, err := Create(path, Header{Start: start}, Window(time.Second), noSync)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var early int64
	for n := 1; n <= 30_000; n++ { // 30 s
		e := numbered(n)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if n%100 == 0 {
			if err := w.Clock(Clock{Time: e.Time}); err != nil {
				t.Fatal(err)
			}
			if err := w.Describe([]metav1.APIResource{{Name: fmt.Sprint("at", n)}}); err != nil {
				t.Fatal(err)
			}
			w.Redacted(map[string]uint64{"secretData": uint64(n)})
			if err := w.Commit(e.Time); err != nil {
				t.Fatal(err)
			}
		}
		if n == 5000 {
			early = sizeOf(t, path)
		}
	}
	if late := sizeOf(t, path); late > 2*early {
		t.Errorf("%d bytes after 5 windows, %d after 30", early, late)
	}
	if saved, err := w.Save(path+"-saved", "saved"); err != nil || saved.Redacted["secretData"] != 30_000 {
		t.Errorf("saved with %v redacted, want 30,000; %v", saved.Redacted, err)
	}
	w.Hold()
	info, err := w.Seal(numbered(30_000).Time)
	if err != nil {
		t.Fatal(err)
	}
	if kept := info.Last - info.First; kept < 1000 || kept > 1600 {
		t.Errorf("%d positions kept of a window of 1000", kept)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	clocks, err := r.Clocks()
	if late := clocks[0].Time.Sub(timeOf(t, r, info.First)); err != nil || len(clocks) < 10 || len(clocks) > 20 || late > 100*time.Millisecond {
		t.Errorf("%d clocks kept of a window of 10, the first %v after it begins; %v", len(clocks), late, err)
	}
	documents, err := r.discovery()
	if err != nil || len(documents) > 20 || documents[0].after >= info.First {
		t.Errorf("%d discovery documents kept of a window of 10, the first after %d, first is %d; %v", len(documents), documents[0].after, info.First, err)
	}
	if v, err := Verify(path); err != nil || len(v.Damage) > 0 {
		t.Errorf("verify: %v, %v", v.Damage, err)
	}
}
