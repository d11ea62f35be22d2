package store

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
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
		w, err := Create(path, Header{Start: start}, noSync)
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
