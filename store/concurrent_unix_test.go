//go:build unix

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/boltfile"
)

// TestOpenWhileCreated goes through what a file is while it is created, with
// its creator holding it: Open waits until it is a recording.
func TestOpenWhileCreated(t *testing.T) {
	w, whole := create(t, Header{ID: "new", Start: start})
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	raw := readFile(t, whole)
	bare := filepath.Join(t.TempDir(), "bare")
	db, err := bbolt.Open(bare, 0o600, &bbolt.Options{PageSize: boltfile.PageSize})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	begun := readFile(t, bare)
	stages := map[string][]byte{
		"empty":             {},
		"part of a page":    begun[:1000],
		"no bucket":         begun,
		"uncommitted pages": slices.Concat(begun[:2*boltfile.PageSize], raw[2*boltfile.PageSize:]),
	}
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "new")
			f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(stage, 0); err != nil {
				t.Fatal(err)
			}
			finished := time.AfterFunc(100*time.Millisecond, func() { _, _ = f.WriteAt(raw, 0) })
			defer finished.Stop()
			r, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Damage(); err != nil || r.Info().ID != "new" {
				t.Errorf("ID %q, damage: %v", r.Info().ID, err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if err := r.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Wait: %v, though somebody holds the file", err)
			}
		})
	}
	t.Run("nobody goes on", func(t *testing.T) {
		for name, stage := range stages {
			path := filepath.Join(t.TempDir(), "left")
			if err := os.WriteFile(path, stage, 0o600); err != nil {
				t.Fatal(err)
			}
			if r, err := Open(path); err == nil {
				if r.Damage() == nil {
					t.Errorf("%s: opens as if it were in order", name)
				}
				r.Close()
			}
		}
	})
}
