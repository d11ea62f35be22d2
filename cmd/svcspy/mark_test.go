package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// TestMarkWhileRecording: a recording that is being written is left alone, and
// the error says what to do.
func TestMarkWhileRecording(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.db")
	start := time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	w, err := store.Create(path, store.Header{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Commit(start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	var out, errw bytes.Buffer
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	for _, want := range []string{"in use by another process", "svcspy: hint: it is being recorded"} {
		if !strings.Contains(errw.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &errw)
		}
	}
	if _, err := w.Seal(start.Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != exitOK {
		t.Errorf("exit code %d after it was sealed, want %d\n%s", code, exitOK, &errw)
	}
}
