package flight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// flakyRecording is a recording on a disk that fails while broken is set.
type flakyRecording struct {
	*store.Memory
	broken func() bool
}

func (f flakyRecording) Close() error { return nil }

func (f flakyRecording) Find(q store.Query, at store.Seq) ([]store.Seq, error) {
	if f.broken() {
		return nil, syscall.EIO
	}
	return f.Memory.Find(q, at)
}

// TestVerdictWatchSurvivesErrors: a disk that fails for a minute does not end
// --keep-on. What is true when it can be read again is kept, and the lapse is
// said once on stderr, once in the file, and in the end.
func TestVerdictWatchSurvivesErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		resources := []metav1.APIResource{{Version: "v1", Name: "services", SingularName: "service", ShortNames: []string{"svc"}, Kind: "Service", Namespaced: true}}
		memory := store.NewMemory(store.Header{Start: start, Resources: resources})
		for _, c := range []string{"services", "pods", "endpointslices"} {
			gvr := replay.Services
			gvr.Resource = c
			if c == "endpointslices" {
				gvr.Group = "discovery.k8s.io"
			}
			if _, err := memory.Cover(store.Coverage{Time: start, Resource: gvr, Status: store.Current}); err != nil {
				t.Fatal(err)
			}
		}
		condition, err := ParseCondition("svc/shop/web != Absent")
		if err != nil {
			t.Fatal(err)
		}
		if err := condition.Resolve("", resources); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		broken := false
		var kept, warned []string
		w := NewVerdictWatch(nil, nil, []Condition{condition}, false)
		w.open = func() (liveRecording, error) {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return nil, fmt.Errorf("open: %w", syscall.EIO)
			}
			return flakyRecording{memory, func() bool { mu.Lock(); defer mu.Unlock(); return broken }}, nil
		}
		s := &Session{Watch: w, Now: time.Now, sink: &noticeWriter{}, Say: func(string, ...any) {}, Warn: func(format string, args ...any) {
			warned = append(warned, fmt.Sprintf(format, args...))
		}}
		s.connect(w, func() {})
		w.keep = func(why string) { kept = append(kept, why) }
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.run(ctx) })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(kept) > 0 || len(warned) > 0 {
			t.Fatalf("kept %q, warned %q before anything happened", kept, warned)
		}
		set := func(is bool) { mu.Lock(); broken = is; mu.Unlock() }
		set(true)
		object := []byte(`{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"5"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}`)
		if _, err := memory.Append(store.Event{Time: time.Now(), Type: watch.Added, Resource: replay.Services, Namespace: "shop", Name: "web", UID: "u", Object: object}); err != nil {
			t.Fatal(err)
		}
		if err := memory.Commit(time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(warned) != 1 || !strings.Contains(warned[0], "input/output error") || len(kept) > 0 {
			t.Errorf("kept %q, warned %q while the disk fails, want one warning", kept, warned)
		}
		if err := s.Err(); !errors.Is(err, syscall.EIO) {
			t.Errorf("while the disk fails: %v, want EIO", err)
		}
		set(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		cancel()
		running.Wait()
		if len(kept) != 1 || len(warned) != 2 {
			t.Errorf("kept %q, warned %q after the disk was mended, want one of each more", kept, warned)
		}
		if err := s.Err(); err != nil {
			t.Errorf("after the disk was mended: %v", err)
		}
		if lapse := s.Lapse(); !strings.Contains(lapse, "1 times") || !strings.Contains(lapse, "input/output error") {
			t.Errorf("lapse %q", lapse)
		}
		if len(s.sink.notices) != 2 || !strings.HasPrefix(s.sink.notices[0], "conditions are not followed: ") || !strings.HasPrefix(s.sink.notices[1], "conditions are followed again") {
			t.Errorf("notices %q", s.sink.notices)
		}
	})
}

// TestControl: requests are answered as long as the recorder runs, also where the
// path is longer than a socket's may be.
func TestControl(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	for _, path := range []string{filepath.Join(t.TempDir(), "a.db"), filepath.Join(dir, "a.db")} {
		if _, err := Ask(t.Context(), path, Request{Verb: Keep}); !errors.Is(err, ErrNoRecorder) {
			t.Errorf("without a recorder: %v", err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		silent := func(string, ...any) {}
		s := &Session{Path: path, Now: time.Now, Say: silent, Warn: silent}
		stop, err := s.Answer()
		if err != nil {
			t.Fatal(err)
		}
		is, err := Ask(t.Context(), path, Request{Verb: Keep})
		if err != nil || is.Path != path || !strings.Contains(is.Remark, "everything is kept") {
			t.Errorf("keep: %+v, %v", is, err)
		}
		stop()
		if _, err := Ask(t.Context(), path, Request{Verb: Keep}); !errors.Is(err, ErrNoRecorder) {
			t.Errorf("after the recorder: %v", err)
		}
		if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}
