// Package svcspytest records a cluster while a Go test changes it, and holds the
// recording against what should have happened.
//
// There are two types. A Recorder is a recording in progress; a Recording is one to
// be asked. The file lies in the test's artifact directory: go test -artifacts
// keeps it, so that a failure can be replayed.
package svcspytest

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/expect"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Recorder is a recording in progress. Its methods are for the test's goroutine.
type Recorder struct {
	t      testing.TB
	path   string
	writer *store.Writer
	cancel context.CancelFunc
	ended  chan error
	done   *Recording
}

// patience is how long a cluster may take to answer first.
const patience = time.Minute

// Record records namespaces of a cluster, all if none is named, until Stop or the
// end of the test. It returns when everything has been listed. What cannot be
// recorded ends the test.
func Record(t testing.TB, config *rest.Config, namespaces ...string) *Recorder {
	t.Helper()
	ready := make(chan struct{})
	o := recorder.Options{
		Config: config, Profile: recorder.Standard, Namespaces: namespaces, Redactor: redact.Standard(false),
		Now: time.Now, Ready: func() { close(ready) },
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	header, err := recorder.Prepare(ctx, o)
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	header.Scope = o.Scope()
	r := &Recorder{t: t, path: filepath.Join(t.ArtifactDir(), "recording.db"), ended: make(chan error, 1)}
	if r.writer, err = store.Create(r.path, header); err != nil {
		t.Fatalf("record: %v", err)
	}
	o.Sink = r.writer
	var run context.Context
	run, r.cancel = context.WithCancel(context.Background())
	go func() { r.ended <- recorder.Run(run, o) }()
	t.Cleanup(func() { r.Stop() })
	select {
	case <-ready:
	case err := <-r.ended:
		r.ended <- nil
		t.Fatalf("record: %v", err)
	case <-ctx.Done():
		t.Fatalf("record: the cluster did not answer within %s", patience)
	}
	return r
}

// Stop seals the recording and opens it. Called again it returns the same one.
func (r *Recorder) Stop() *Recording {
	r.t.Helper()
	if r.done != nil {
		return r.done
	}
	r.cancel()
	err := <-r.ended
	if _, serr := r.writer.Seal(time.Now()); err == nil {
		err = serr
	}
	if err != nil {
		r.done = &Recording{}
		r.t.Fatalf("record: %v", err)
	}
	r.done = Open(r.t, r.path)
	return r.done
}

// Recording is a recording to be asked. Its methods are for the test's goroutine.
type Recording struct {
	t testing.TB
	*store.Recording
	Path string
}

// Open opens a recording until the test ends.
func Open(t testing.TB, path string) *Recording {
	t.Helper()
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Recording{t, r, path}
}

// Subject finds what TYPE/NAMESPACE/NAME, or TYPE/NAME outside of namespaces,
// names. If there is none the test ends.
func (r *Recording) Subject(words string) store.Ref {
	r.t.Helper()
	ref, err := r.find(words)
	if err != nil {
		r.t.Fatalf("%s: %v", words, err)
	}
	return ref
}

func (r *Recording) find(words string) (store.Ref, error) {
	last := r.Info().Last
	resources, err := r.Resources(last)
	if err != nil {
		return store.Ref{}, err
	}
	ref, err := replay.ParseSubject([]string{words}, "", resources)
	if err != nil {
		return ref, err
	}
	ref, known, err := replay.Locate(r, ref, ref.Namespace != "", last)
	if err == nil && !known {
		err = &replay.SubjectError{Problem: "the recording never saw it", Hint: "name it as TYPE/NAMESPACE/NAME"}
	}
	return ref, err
}

// Verdicts returns the verdicts on a subject, in order, over the whole recording.
func (r *Recording) Verdicts(words string) []verdict.Segment {
	r.t.Helper()
	info := r.Info()
	segments, err := verdict.Of(r.t.Context(), r, r.Subject(words), info.Start, info.End)
	if err != nil {
		r.t.Fatalf("%s: %v", words, err)
	}
	return segments
}

// Expect holds the recording against sentences such as
// "svc/shop/web never NotServing for more than 5s after Ready": see expect.Parse.
// Each that did not come true, or cannot be decided, fails the test, with what
// decided it. Instants are RFC 3339, offsets from start and end, or marks.
func (r *Recording) Expect(sentences ...string) {
	r.t.Helper()
	var all []expect.Expectation
	for _, s := range sentences {
		e, err := expect.Parse(s)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, e)
	}
	results, err := expect.Of(r.t.Context(), r, all, r.find, func(store.Ref) expect.Times {
		return func(text string) (when.Instant, error) {
			return when.Parse(text, when.RangeOf(r, r.Marks, nil))
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range results {
		if results[i].Outcome == expect.Passed {
			continue
		}
		var text strings.Builder
		if err := expect.WriteText(&text, results[i:i+1], time.UTC, func(s string) string { return s }); err != nil {
			r.t.Fatal(err)
		}
		r.t.Errorf("%srecording: %s", text.String(), r.Path)
	}
}
