package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/store"
)

// TestMarkWhileRecording: into a recording that is being written its recorder
// writes the mark. One that takes none is an error that says what to do.
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
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != cli.ExitError {
		t.Errorf("exit code %d, want %d", code, cli.ExitError)
	}
	for _, want := range []string{"in use by another process", "its recorder does not answer", "svcspy: hint: the recorder must be a svcspy that can write beside the file"} {
		if !strings.Contains(errw.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &errw)
		}
	}
	silent := func(string, ...any) {}
	recording := &flight.Session{Path: path, Writer: w, Now: func() time.Time { return start.Add(90 * time.Second) }, Say: silent, Warn: silent}
	stop, err := recording.Answer()
	if err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != cli.ExitOK {
		t.Errorf("exit code %d where the recorder answers, want %d\n%s", code, cli.ExitOK, &errw)
	}
	if said := out.String(); !strings.Contains(said, "2026-05-04T14:01:30Z  rolled back") {
		t.Errorf("a mark without a time is not about the recorder's now:\n%s", said)
	}
	for q, want := range map[*flight.Request]string{
		{Verb: flight.Mark}: "does not know",
		{Verb: flight.Mark, Mark: &store.Mark{Text: strings.Repeat("x", 5000)}}: "longer than 4096 bytes",
		{Verb: "stop"}: "does not know",
	} {
		if _, err := flight.Ask(t.Context(), path, *q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("asked for %+v: %v, want %q", q, err, want)
		}
	}
	stop()
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if _, err := w.Seal(start.Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != cli.ExitOK {
		t.Errorf("exit code %d after it was sealed, want %d\n%s", code, cli.ExitOK, &errw)
	}
}
