package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/files"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// everyRecording calls f with every recorded incident.
func everyRecording(t *testing.T, f func(t *testing.T, path string, r *store.Recording)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "incidents", "*.db"))
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d incidents, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".db"), func(t *testing.T) {
			t.Parallel()
			r, err := store.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f(t, path, r)
		})
	}
}

// told is what a recording says of a subject at an instant: the whole envelope
// but for what names the recording and, in what was cut down to some subjects,
// what else was heard last.
func told(t *testing.T, r *store.Recording, ref store.Ref, at time.Time, down bool) string {
	t.Helper()
	cursor := replay.NewCursor(r)
	s, err := cursor.SeekTime(at)
	if err != nil {
		t.Fatal(err)
	}
	e, err := report.New(s, analyzer.Diagnose(s, ref, analyzer.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	e.Recording = report.Recording{}
	if down {
		e.At.Seq, e.At.EvidenceAgeMS = 0, 0
	}
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// instants are the shared instants at which two recordings are compared: the
// ends, and some at random, on events and between them.
func instants(r *store.Recording, random *rand.Rand, from, to time.Time, n int) []time.Time {
	all := []time.Time{from, to}
	for range n {
		at := from.Add(time.Duration(random.Int64N(int64(to.Sub(from)) + 1))).Truncate(time.Microsecond)
		all = append(all, at)
		if seq, err := r.SeqAt(at); err == nil && seq > 0 {
			if on, err := r.TimeOf(seq); err == nil && !on.Before(from) {
				all = append(all, on)
			}
		}
	}
	return all
}

// cutFile cuts in the way the command does.
func cutFile(t *testing.T, r *store.Recording, out string, from, to time.Time, words ...string) *store.Recording {
	t.Helper()
	o := &files.CutOptions{Range: cli.Range{Query: &cli.Query{App: &cli.App{Now: time.Now, Out: io.Discard, Err: io.Discard, Quiet: true, ZoneName: "UTC"}}}}
	o.Since, o.Until = when.Format(from), when.Format(to)
	if len(words) > 0 { // ns/type/name
		ns, word, _ := strings.Cut(words[0], "/")
		o.Namespace, words = ns, []string{word}
	}
	if _, err := o.Write(context.Background(), r, out, words); err != nil {
		t.Fatal(err)
	}
	return intact(t, out)
}

// intact opens a recording that is as it was written.
func intact(t *testing.T, path string) *store.Recording {
	t.Helper()
	if v, err := store.Verify(path); err != nil || len(v.Damage) > 0 {
		t.Fatalf("verify: %v, %v", v.Damage, err)
	}
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestCutGivesTheSameReports cuts windows out of every incident, with
// everything and with one Service. At every shared instant the reports are the
// same, byte for byte.
func TestCutGivesTheSameReports(t *testing.T) {
	everyRecording(t, func(t *testing.T, path string, r *store.Recording) {
		if testing.Short() && number(path)%7 != 0 {
			t.Skip("one in seven, with -short")
		}
		random := rand.New(rand.NewPCG(8, uint64(len(path))))
		info := r.Info()
		dir := t.TempDir()
		compare := func(cut *store.Recording, refs []store.Ref, from, to time.Time, down bool) {
			t.Helper()
			for _, at := range instants(r, random, from, to, 1) {
				for _, ref := range refs {
					if d := cmp.Diff(told(t, r, ref, at, down), told(t, cut, ref, at, down)); d != "" {
						t.Fatalf("%v at %s in the cut %v from %s to %s (-whole +cut):\n%s", ref, when.Format(at), cut.Info().Source.Subjects, when.Format(from), when.Format(to), d)
					}
				}
			}
		}
		for n := range windows(t, path) {
			from, to := info.Start, info.End
			if n > 0 {
				from = from.Add(time.Duration(random.Int64N(int64(to.Sub(from))))).Truncate(time.Microsecond)
				to = from.Add(time.Duration(random.Int64N(int64(to.Sub(from)) + 1))).Truncate(time.Microsecond)
			}
			refs, err := story.SubjectsIn(r, from, to)
			if err != nil {
				t.Fatal(err)
			}
			cut := cutFile(t, r, filepath.Join(dir, fmt.Sprint("all", n)), from, to)
			compare(cut, refs, from, to, false)
			// What was cut can be cut again.
			mid := from.Add(to.Sub(from) / 2).Truncate(time.Microsecond)
			refs, err = story.SubjectsIn(r, mid, to)
			if err != nil {
				t.Fatal(err)
			}
			compare(cutFile(t, cut, filepath.Join(dir, fmt.Sprint("again", n)), mid, to), refs, mid, to, false)
			for _, ref := range refs {
				if ref.Resource != replay.Services || ref.Namespace == "default" || ref.Namespace == "kube-system" {
					continue
				}
				word := ref.Namespace + "/svc/" + ref.Name
				down := cutFile(t, r, filepath.Join(dir, fmt.Sprint(ref.Name, n)), from, to, word)
				compare(down, []store.Ref{ref}, from, to, true)
				sameTimeline(t, r, down, ref, from, to)
			}
		}
	})
}

// number tells incidents apart by a number that stays.
func number(path string) int {
	sum := 0
	for _, b := range []byte(filepath.Base(path)) {
		sum += int(b)
	}
	return sum
}

// windows is how many windows of an incident are looked at, the whole one first,
// whose later half is cut out again; of every third one another, at random.
// SVCSPY_WINDOWS says more.
func windows(t *testing.T, path string) int {
	n := 1
	if number(path)%3 == 0 {
		n = 2
	}
	if v := os.Getenv("SVCSPY_WINDOWS"); v != "" {
		if _, err := fmt.Sscan(v, &n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

var sinceSuffix = regexp.MustCompile(`, since [0-9T:.Z-]+\.$`)

// sameTimeline compares the verdicts in a window and what explains them.
func sameTimeline(t *testing.T, whole, cut *store.Recording, ref store.Ref, from, to time.Time) {
	t.Helper()
	text := func(r *store.Recording) string {
		segments, err := verdict.Of(t.Context(), r, ref, from, to)
		if err != nil {
			t.Fatal(err)
		}
		all, err := story.Transitions(t.Context(), r, ref, verdict.Settle(segments))
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			all[i].Seq = 0
			// What held when the window begins is dated by more in the whole
			// recording than a cut can know.
			if v := &all[i].Report.Verdict; !v.Since.After(from) {
				v.Since, v.SinceNote = time.Time{}, ""
				h := &all[i].Report.Headline
				h.Message = sinceSuffix.ReplaceAllString(h.Message, ".")
			}
		}
		var b bytes.Buffer
		e := report.NewTimeline(r.Info(), all, true)
		e.Recording = report.Recording{}
		if err := report.Document(&b, "json", e); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if d := cmp.Diff(text(whole), text(cut)); d != "" {
		t.Errorf("timeline of %v from %s to %s (-whole +cut):\n%s", ref, when.Format(from), when.Format(to), d)
	}
}

func TestCutIsPrivateAndNew(t *testing.T) {
	everyRecording(t, func(t *testing.T, path string, r *store.Recording) {
		if filepath.Base(path) != "config-change.db" {
			t.Skip("one is enough")
		}
		info := r.Info()
		cut := cutFile(t, r, filepath.Join(t.TempDir(), "cut"), info.Start, info.End, "shop/svc/web")
		got := cut.Info()
		if got.ID == info.ID || got.Source == nil || got.Source.ID != info.ID || got.Source.SHA256 != info.SHA256 || !slices.Equal(got.Source.Subjects, []string{"Service shop/web"}) {
			t.Errorf("%+v says of its source %+v", got.Header.ID, got.Source)
		}
	})
}

// TestCutWhileRecording: what was heard so far can be cut from a recording that
// is still being written, and is sealed.
func TestCutWhileRecording(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "live.db"), filepath.Join(dir, "cut.db")
	start := time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	w, err := store.Create(path, store.Header{ID: "live", Start: start})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := range 10 {
		e := store.Event{Time: start.Add(time.Duration(i) * time.Second), Type: "ADDED", Resource: replay.Services, Namespace: "shop", Name: fmt.Sprint("s", i), Object: []byte(`{}`)}
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(start.Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"svcspy", "cut", path, out, "--since", "start+5s"}, nil, &stdout, &stderr); code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}
	v, err := store.Verify(out)
	if err != nil || len(v.Damage) > 0 || !v.Info.Closed || v.Info.Last != 10 || v.Info.First != 6 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.Append(store.Event{Time: start.Add(11 * time.Second), Type: "ADDED", Resource: replay.Services, Namespace: "shop", Name: "later", Object: []byte(`{}`)}); err != nil {
		t.Errorf("the recording goes on: %v", err)
	}
}

// TestJoinTellsTheSame: windows that meet and are joined answer as the recording
// does that they were cut from, in whatever order they are named.
func TestJoinTellsTheSame(t *testing.T) {
	everyRecording(t, func(t *testing.T, path string, r *store.Recording) {
		if !slices.Contains([]string{"config-change.db", "unready-after-full-rollout.db"}, filepath.Base(path)) {
			t.Skip("two are enough")
		}
		dir := t.TempDir()
		info := r.Info()
		third := info.End.Sub(info.Start) / 3
		times := []time.Time{info.Start, info.Start.Add(third), info.Start.Add(2 * third), info.End}
		args := []string{"svcspy", "join", "-f", filepath.Join(dir, "joined.db")}
		for i := len(times) - 2; i >= 0; i-- {
			part := filepath.Join(dir, fmt.Sprint(i, ".db"))
			cutFile(t, r, part, times[i], times[i+1])
			args = append(args, part)
		}
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, &stdout, &stderr); code != cli.ExitOK {
			t.Fatalf("exit code %d\n%s", code, &stderr)
		}
		joined := intact(t, filepath.Join(dir, "joined.db"))
		if got := joined.Info(); got.First != info.First || got.Last != info.Last || got.Events != info.Events || !got.Closed {
			t.Errorf("joined: %+v, want %+v", got, info)
		}
		subjects, err := story.SubjectsIn(r, info.Start, info.End)
		if err != nil || len(subjects) == 0 {
			t.Fatalf("subjects: %v, %v", subjects, err)
		}
		for _, at := range []time.Time{times[1].Add(-third / 2), times[1], times[2], times[2].Add(third / 2), times[3]} {
			for _, ref := range subjects {
				if diff := cmp.Diff(told(t, r, ref, at, false), told(t, joined, ref, at, false)); diff != "" {
					t.Errorf("%s at %s (-whole +joined)\n%s", ref.Name, when.Format(at), diff)
				}
			}
		}
	})
}

// TestJoinRefuses names what cannot be one recording.
func TestJoinRefuses(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	write := func(name string, h store.Header, begin time.Duration) string {
		path := filepath.Join(dir, name)
		h.ID, h.Start = name, start.Add(begin)
		w, err := store.Create(path, h)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			e := store.Event{Time: h.Start.Add(time.Duration(i) * time.Second), Type: "ADDED", Resource: replay.Services, Namespace: "shop", Name: fmt.Sprint("s", i), Object: []byte(`{}`)}
			if _, err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Seal(h.Start.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	of := func(uid string) store.Header { return store.Header{Cluster: store.Cluster{UID: uid}} }
	one := write("one.db", of("a"), 0)
	for _, c := range []struct{ path, want string }{
		{write("other.db", of("b"), time.Hour), "another cluster"},
		{write("scope.db", store.Header{Cluster: store.Cluster{UID: "a"}, Scope: store.Scope{Namespaces: []string{"shop"}}}, time.Hour), "another scope"},
		{write("plain.db", store.Header{Cluster: store.Cluster{UID: "a"}, Redaction: store.Redaction{Policy: "none"}}, time.Hour), "redacted in another way"},
		{write("same.db", of("a"), 10*time.Second), "resourceVersions do not compare"}, // they would be merged by them
	} {
		var stdout, stderr bytes.Buffer
		out := filepath.Join(dir, "out.db")
		code := run([]string{"svcspy", "join", one, c.path, "-f", out}, nil, &stdout, &stderr)
		if _, err := os.Stat(out); code != cli.ExitError || !strings.Contains(stderr.String(), c.want) || err == nil {
			t.Errorf("%s: exit code %d, file %v\n%s", c.path, code, err, &stderr)
		}
	}
}

// TestJoinMerges joins what two recorders of one cluster recorded, of whom one ended
// and one began in the middle: nothing is missing, and nothing is there twice.
func TestJoinMerges(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	write := func(name string, from, to int) string {
		path := filepath.Join(dir, name)
		at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
		w, err := store.Create(path, store.Header{ID: name, Start: at(from), Cluster: store.Cluster{UID: "a"}})
		if err != nil {
			t.Fatal(err)
		}
		say := func(e store.Event) {
			e.Time, e.Resource, e.Namespace = at(from), replay.Services, "shop"
			if e.IsObject() {
				e.Name, e.UID, e.Object = "web", "u", fmt.Appendf(nil, `{"metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":%q}}`, e.ResourceVersion)
			} else {
				e.Namespace = ""
			}
			if _, err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		say(store.Event{Type: store.Relist})
		say(store.Event{Type: "ADDED", ResourceVersion: fmt.Sprint(from)})
		say(store.Event{Type: "BOOKMARK", ResourceVersion: fmt.Sprint(from), Object: fmt.Appendf(nil, `{"metadata":{"resourceVersion":"%d","annotations":{"k8s.io/initial-events-end":"true"}}}`, from)})
		if _, err := w.Cover(store.Coverage{Time: at(from), Resource: replay.Services, Status: store.Current}); err != nil {
			t.Fatal(err)
		}
		for from++; from <= to; from++ {
			say(store.Event{Type: "MODIFIED", ResourceVersion: fmt.Sprint(from)})
		}
		if _, err := w.Seal(at(to)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "out.db")
	var stdout, stderr bytes.Buffer
	if code := run([]string{"svcspy", "join", write("two.db", 4, 10), write("one.db", 1, 7), "-f", out}, nil, &stdout, &stderr); code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}
	r := intact(t, out)
	var versions []string
	for e, err := range r.Events(1, r.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if e.IsObject() {
			versions = append(versions, e.ResourceVersion)
		}
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, versions); diff != "" {
		t.Error(diff)
	}
	ledger, err := r.Ledger(1, r.Info().Last)
	if err != nil || len(ledger) != 1 || ledger[0].Status != store.Current {
		t.Errorf("ledger: %+v, %v", ledger, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".svcspy-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
