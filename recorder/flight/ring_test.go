package flight

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// steppedRing is a Ring without a cluster: a second a step.
type steppedRing struct {
	*Ring
	t   *testing.T
	dir string
	at  time.Time

	mu   sync.Mutex
	said []string
}

func newSteppedRing(t *testing.T, window, after time.Duration) *steppedRing {
	t.Helper()
	r := &steppedRing{t: t, dir: t.TempDir(), at: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)}
	path := filepath.Join(r.dir, "ring.db")
	w, err := store.Create(path, store.Header{ID: "ring", Start: r.at}, store.Window(window))
	if err != nil {
		t.Fatal(err)
	}
	r.Ring = NewRing(w, path, "test")
	r.After, r.Now = after, func() time.Time { return r.at }
	r.Say = func(format string, args ...any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.said = append(r.said, fmt.Sprintf(format, args...))
	}
	r.Warn = func(format string, args ...any) { r.Say("svcspy: warning: "+format, args...) }
	return r
}

// pass lets seconds pass, with a write and a commit in each.
func (r *steppedRing) pass(seconds int) {
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

// files are the recordings that were kept, without names that are reserved.
func (r *steppedRing) files() []string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "svcspy-*.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(path string) bool {
		st, err := os.Stat(path)
		return err == nil && st.Size() == 0
	})
}

// span opens a recording and returns from when to when everything is in it.
func (r *steppedRing) span(path string) (from, to time.Time) {
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
	r := newSteppedRing(t, 20*time.Second, 10*time.Second)
	r.pass(60)
	incident := r.at
	path, until := r.Keep("it broke")
	if want := incident.Add(10 * time.Second); !until.Equal(want) {
		t.Errorf("until %s, want %s", until, want)
	}
	r.pass(5)
	again, until := r.Keep("it broke again")
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
	second, _ := r.Keep("another")
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
	r := newSteppedRing(t, 20*time.Second, 5*time.Second)
	named := r.Reserve
	missing := func(name string) (string, error) {
		path := filepath.Join(r.dir, "missing", name)
		_, err := os.Create(path)
		return path, err
	}
	r.Reserve = func(now time.Time) (string, error) { return missing("kept.db") }
	r.pass(30)
	incident := r.at
	r.Keep("it broke")
	r.pass(60)
	if !strings.Contains(strings.Join(r.said, "\n"), "nothing is dropped, and it is tried again") {
		t.Errorf("said %q", r.said)
	}
	r.Ring.mu.Lock()
	r.Reserve = named
	r.name(r.pending, r.at)
	path := r.pending.path
	r.Ring.mu.Unlock()
	r.pass(10)
	if from, _ := r.span(path); from.After(incident.Add(-20 * time.Second)) {
		t.Errorf("kept from %s of an incident at %s", from, incident)
	}
	n := 0
	r.Reserve = func(now time.Time) (string, error) {
		n++
		return missing(fmt.Sprintf("kept%d.db", n))
	}
	path, _ = r.Keep("once more")
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
	r := newSteppedRing(t, 20*time.Second, 10*time.Second)
	r.pass(30)
	incident := r.at
	r.keepIfRoom("it broke")
	for _, step := range []struct{ at, until int }{{4, 14}, {8, 18}, {12, 20}, {16, 20}} {
		r.pass(4)
		r.keepIfRoom("it broke again")
		if got := r.pending.until.Sub(incident); got != time.Duration(step.until)*time.Second {
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
	r := newSteppedRing(t, 20*time.Second, 2*time.Second)
	r.Most = 2
	for range 4 {
		r.pass(5)
		r.keepIfRoom("it broke")
		r.keepIfRoom("so did another") // at the same time: in the same file
		r.pass(3)
	}
	first := r.files()
	if len(first) != 2 || r.refused != 4 {
		t.Errorf("%d are kept and %d are not, want 2 and 4: %q", len(first), r.refused, r.said)
	}
	if said := strings.Join(r.said, "\n"); strings.Count(said, "svcspy: warning: NOT KEPT: it broke; 2 recordings") != 2 {
		t.Errorf("said\n%s", said)
	}
	r.Keep("somebody asks")
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

// A name that exists is never given again, and one that is reserved never to
// another ring: both would promise the same recording to two people.
func TestReserve(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC)
	for _, want := range []string{"svcspy-a-b-20261123T140200Z.db", "svcspy-a-b-20261123T140200Z-2.db", "svcspy-a-b-20261123T140200Z-3.db"} {
		if free := Name(filepath.Join(dir, "ring.db"), "a/b", at); filepath.Base(free) != want {
			t.Errorf("%s is free, want %s", free, want)
		}
		path, err := reserve(filepath.Join(dir, "ring.db"), "a/b", at)
		if err != nil || filepath.Base(path) != want || filepath.Dir(path) != dir {
			t.Errorf("%s, %v, want %s", path, err, want)
		}
	}
}

// TestTwoRings see the same outage in the same second, in one folder: the name
// that each promises is the one that it writes.
func TestTwoRings(t *testing.T) {
	one := newSteppedRing(t, 20*time.Second, 10*time.Second)
	two := newSteppedRing(t, 20*time.Second, 5*time.Second)
	two.Reserve = one.Reserve // the same folder and context
	var promised []string
	for _, r := range []*steppedRing{one, two} {
		r.pass(30)
		path, _ := r.Keep("it broke")
		promised = append(promised, path)
	}
	two.pass(8)
	one.pass(13)
	if promised[0] == promised[1] {
		t.Fatalf("both promise %s", promised[0])
	}
	for i, r := range []*steppedRing{one, two} {
		r.span(promised[i])
		said := strings.Join(r.said, "\n")
		if !strings.Contains(said, "\nkept "+promised[i]+": ") {
			t.Errorf("%s was promised, said\n%s", promised[i], said)
		}
		if err := errors.Join(r.finish(), r.Abort()); err != nil {
			t.Error(err)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(one.dir, "*.part")); len(parts) > 0 {
		t.Errorf("left behind: %q", parts)
	}
}

// TestKeptLine: the line that says what was kept tells when the window begins,
// not when the recorder began to run.
func TestKeptLine(t *testing.T) {
	r := newSteppedRing(t, 20*time.Second, 5*time.Second)
	r.pass(120)
	path, _ := r.Keep("it broke")
	r.pass(8)
	from, _ := r.span(path)
	said := r.said[len(r.said)-1]
	if want := "kept " + path + ": " + when.Format(from) + " to "; !strings.HasPrefix(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if err := errors.Join(r.finish(), r.Abort()); err != nil {
		t.Error(err)
	}
}

// TestRefusalInLedger: that a window was not saved is in the file.
func TestRefusalInLedger(t *testing.T) {
	r := newSteppedRing(t, 20*time.Second, 2*time.Second)
	r.Most = 1
	for range 2 {
		r.pass(5)
		r.keepIfRoom("services/shop/web is NotServing: it broke")
		r.pass(3)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seal(r.at); err != nil {
		t.Fatal(err)
	}
	f, err := store.Open(filepath.Join(r.dir, "ring.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ledger, err := f.Ledger(0, f.Info().Last)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"NOT KEPT: services/shop/web is NotServing: it broke; 1 saved recordings, as many as --keep-max allows"}
	var got []string
	for _, c := range ledger {
		if c.Resource == Conditions {
			got = append(got, c.Reason)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}
