package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	patience := requestPatience
	defer func() { requestPatience = patience }()
	requestPatience = 100 * time.Millisecond
	var out, errw bytes.Buffer
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != exitError {
		t.Errorf("exit code %d, want %d", code, exitError)
	}
	for _, want := range []string{"in use by another process", "its recorder does not answer", "svcspy: hint: the recorder must be a svcspy that can write beside the file"} {
		if !strings.Contains(errw.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &errw)
		}
	}
	requestPatience = patience
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	recording := &taping{recordOptions: &recordOptions{app: &app{now: func() time.Time { return start.Add(90 * time.Second) }}}, path: path, w: w, progress: newProgress(&app{err: io.Discard, now: time.Now}, start)}
	go func() { ended <- answerRequests(ctx, path, recording.reply) }()
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != exitOK {
		t.Errorf("exit code %d where the recorder answers, want %d\n%s", code, exitOK, &errw)
	}
	if said := out.String(); !strings.Contains(said, "2026-05-04T14:01:30Z  rolled back") {
		t.Errorf("a mark without a time is not about the recorder's now:\n%s", said)
	}
	for q, want := range map[*request]string{
		{Verb: verbMark}: "does not know",
		{Verb: verbMark, Mark: &store.Mark{Text: strings.Repeat("x", 5000)}}: "longer than 4096 bytes",
		{Verb: "stop"}: "does not know",
	} {
		if _, err := ask(t.Context(), path, *q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("asked for %+v: %v, want %q", q, err, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if _, err := w.Seal(start.Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"svcspy", "mark", path, "rolled back", "--tz", "UTC"}, nil, &out, &errw); code != exitOK {
		t.Errorf("exit code %d after it was sealed, want %d\n%s", code, exitOK, &errw)
	}
}
