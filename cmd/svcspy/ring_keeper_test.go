package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// airborne is a flight recorder without a cluster: a second a step.
type airborne struct {
	*flight
	t   *testing.T
	dir string
	at  time.Time

	mu   sync.Mutex
	said []string
}

func takeOff(t *testing.T, window, after time.Duration) *airborne {
	t.Helper()
	r := &airborne{t: t, dir: t.TempDir(), at: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)}
	path := filepath.Join(r.dir, "ring.db")
	w, err := store.Create(path, store.Header{ID: "ring", Start: r.at}, store.Window(window))
	if err != nil {
		t.Fatal(err)
	}
	r.flight = &flight{
		Writer: w, after: after, now: func() time.Time { return r.at },
		named: func(now time.Time) string { return beside(path, "test", now) },
		say: func(format string, args ...any) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.said = append(r.said, fmt.Sprintf(format, args...))
		},
	}
	r.warn = func(format string, args ...any) { r.say("svcspy: warning: "+format, args...) }
	return r
}

// pass lets seconds pass, with a write and a commit in each.
func (r *airborne) pass(seconds int) {
	r.t.Helper()
	for range seconds {
		r.at = r.at.Add(time.Second)
		object := fmt.Appendf(nil, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"%d"}}`, r.at.Unix())
		_, err := r.Append(store.Event{Time: r.at, Type: watch.Modified, Resource: replay.Services, Namespace: "shop", Name: "web", UID: "u", Object: object})
		if err == nil {
			err = r.Commit(r.at)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		r.saving.Wait()
	}
}

// files are the recordings that were kept.
func (r *airborne) files() []string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "svcspy-*.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

// span opens a recording and returns from when to when everything is in it.
func (r *airborne) span(path string) (from, to time.Time) {
	r.t.Helper()
	f, err := store.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	info := f.Info()
	if !info.Closed || info.SHA256 == "" || info.ID == "ring" {
		r.t.Errorf("%s: %+v", path, info)
	}
	from, err = f.TimeOf(info.First)
	if err != nil {
		r.t.Fatal(err)
	}
	if v, err := store.Verify(path); err != nil || len(v.Damage) > 0 {
		r.t.Errorf("verify %s: %v, %v", path, v.Damage, err)
	}
	return from, info.End
}

func TestFlight(t *testing.T) {
	r := takeOff(t, 20*time.Second, 10*time.Second)
	r.pass(60)
	incident := r.at
	path, until := r.keep("it broke")
	if want := incident.Add(10 * time.Second); !until.Equal(want) {
		t.Errorf("until %s, want %s", until, want)
	}
	r.pass(5)
	again, until := r.keep("it broke again")
	if want := incident.Add(15 * time.Second); again != path || !until.Equal(want) {
		t.Errorf("kept in %s too, until %s, want in %s until %s", again, until, path, want)
	}
	if files := r.files(); len(files) > 0 {
		t.Errorf("saved before what follows was heard: %q", files)
	}
	r.pass(12)
	from, to := r.span(path)
	if from.After(incident.Add(-20*time.Second)) || to.Before(until) {
		t.Errorf("kept %s to %s of an incident at %s", from, to, incident)
	}

	// It goes on, small as before, and keeps the next one in a file of its own.
	r.pass(60)
	if first, err := store.Open(filepath.Join(r.dir, "ring.db")); err != nil {
		t.Error(err)
	} else {
		if oldest, err := first.TimeOf(first.Info().First); err != nil || r.at.Sub(oldest) > 40*time.Second {
			t.Errorf("the ring reaches back %s after it was released, %v", r.at.Sub(oldest), err)
		}
		first.Close()
	}
	second, _ := r.keep("another")
	if second == path {
		t.Fatal("the same file again")
	}
	// The recorder is stopped before all that follows was heard.
	r.pass(2)
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if _, to := r.span(second); !to.Equal(r.at) {
		t.Errorf("kept to %s, want %s", to, r.at)
	}
	if _, err := r.Seal(r.at); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.said, "\n"); strings.Count(got, "keeping what the ring holds") != 2 || strings.Count(got, "\nkept ") != 2 || strings.Count(got, "this is kept too") != 1 {
		t.Errorf("said\n%s", got)
	}
}

// TestFlightWithoutRoom cannot save at first: nothing is dropped until it can.
func TestFlightWithoutRoom(t *testing.T) {
	r := takeOff(t, 20*time.Second, 5*time.Second)
	named := r.named
	r.named = func(now time.Time) string { return filepath.Join(r.dir, "missing", "kept.db") }
	r.pass(30)
	incident := r.at
	r.keep("it broke")
	r.pass(60)
	if !strings.Contains(strings.Join(r.said, "\n"), "nothing is dropped, and it is tried again") {
		t.Errorf("said %q", r.said)
	}
	r.mu.Lock()
	r.named = named
	r.kept.path = named(r.at)
	path := r.kept.path
	r.mu.Unlock()
	r.pass(10)
	if from, _ := r.span(path); from.After(incident.Add(-20 * time.Second)) {
		t.Errorf("kept from %s of an incident at %s", from, incident)
	}
	n := 0
	r.named = func(now time.Time) string {
		n++
		return filepath.Join(r.dir, "missing", fmt.Sprintf("kept%d.db", n))
	}
	path, _ = r.keep("once more")
	if err := r.finish(); err == nil || !strings.Contains(err.Error(), "keep "+path) {
		t.Errorf("finish: %v, want what could not be kept", err)
	}
	if _, err := r.Seal(r.at); err != nil {
		t.Fatal(err)
	}
}

// What breaks again while it is being kept is kept with what follows it; what
// flaps for ever does not hold the ring for ever.
func TestFlightIsProlonged(t *testing.T) {
	r := takeOff(t, 20*time.Second, 10*time.Second)
	r.pass(30)
	incident := r.at
	r.keepIfRoom("it broke")
	for _, step := range []struct{ at, until int }{{4, 14}, {8, 18}, {12, 20}, {16, 20}} {
		r.pass(4)
		r.keepIfRoom("it broke again")
		if got := r.kept.until.Sub(incident); got != time.Duration(step.until)*time.Second {
			t.Errorf("%d s later it is kept until %s, want %d s", step.at, got, step.until)
		}
	}
	r.pass(6)
	files := r.files()
	if len(files) != 1 {
		t.Fatalf("kept %q, want one file", files)
	}
	if _, to := r.span(files[0]); to.Before(incident.Add(20*time.Second)) || to.After(incident.Add(22*time.Second)) {
		t.Errorf("kept until %s, want %s", to.Sub(incident), 20*time.Second)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seal(r.at); err != nil {
		t.Fatal(err)
	}
}

// TestFlightFlaps is of what becomes true again and again: so many are kept, the
// first, and none of them is touched. Whoever asks gets one all the same.
func TestFlightFlaps(t *testing.T) {
	r := takeOff(t, 20*time.Second, 2*time.Second)
	r.most = 2
	for range 4 {
		r.pass(5)
		r.keepIfRoom("it broke")
		r.keepIfRoom("so did another") // at the same time: in the same file
		r.pass(3)
	}
	first := r.files()
	if len(first) != 2 || r.unkept != 4 {
		t.Errorf("%d are kept and %d are not, want 2 and 4: %q", len(first), r.unkept, r.said)
	}
	if said := strings.Join(r.said, "\n"); strings.Count(said, "svcspy: warning: NOT KEPT: it broke; 2 recordings") != 2 {
		t.Errorf("said\n%s", said)
	}
	r.keep("somebody asks")
	r.pass(3)
	if n := len(r.files()); n != 3 {
		t.Errorf("%d are kept after somebody asked, want 3", n)
	}
	// Two are taken elsewhere.
	for _, path := range first {
		r.span(path)
		if err := os.Rename(path, filepath.Join(t.TempDir(), "elsewhere.db")); err != nil {
			t.Fatal(err)
		}
	}
	r.keepIfRoom("it broke again")
	r.pass(3)
	if n := len(r.files()); n != 2 {
		t.Errorf("%d are there after room was made, want 2", n)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seal(r.at); err != nil {
		t.Fatal(err)
	}
}

func TestBesideOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC)
	for _, want := range []string{"svcspy-a-b-20261123T140200Z.db", "svcspy-a-b-20261123T140200Z-2.db", "svcspy-a-b-20261123T140200Z-3.db"} {
		path := beside(filepath.Join(dir, "ring.db"), "a/b", at)
		if filepath.Base(path) != want || filepath.Dir(path) != dir {
			t.Errorf("%s, want %s", path, want)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
