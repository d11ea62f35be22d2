package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// TestTimesWhileRecording asks a recording that is being written: now is its
// end, and "ago" counts from the clock.
func TestTimesWhileRecording(t *testing.T) {
	t.Setenv("TZ", "UTC")
	t.Chdir(t.TempDir())
	now := time.Now()
	w, err := store.Create("live.db", store.Header{Start: now.Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for _, ago := range []time.Duration{50 * time.Second, 30 * time.Second, 10 * time.Second} {
		_, err := w.Append(store.Event{
			Time: now.Add(-ago), Type: watch.Added, Resource: schema.GroupVersionResource{Version: "v1", Resource: "services"},
			Namespace: "shop", Name: "web", Object: []byte(`{"metadata":{"name":"web","namespace":"shop"}}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// As far in the future as this test may take: the end is when the recorder
	// was last known to listen.
	if err := w.Commit(now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	ask := func(at string) (code int, echo string) {
		var out, errs bytes.Buffer
		code = run([]string{program, "events", "live.db", "--since", at}, strings.NewReader(""), &out, &errs)
		return code, errs.String()
	}
	for _, at := range []string{"now", "20s ago", "-20s", "now-20s", "end-80s", "+40s", "#2"} {
		if code, echo := ask(at); code != 0 || !strings.HasPrefix(echo, "from ") {
			t.Errorf("--since %q while recording: exit code %d, %s", at, code, echo)
		}
	}
	for _, at := range []string{"2h ago", "now+1h", "-90m"} {
		if code, echo := ask(at); code != exitUsage || !strings.Contains(echo, "outside the recording") {
			t.Errorf("--since %q while recording: exit code %d, %s", at, code, echo)
		}
	}
	if _, err := w.Seal(now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if code, echo := ask("now"); code != exitUsage || !strings.Contains(echo, "it has ended") {
		t.Errorf("--since now after the end: exit code %d, %s", code, echo)
	}
}
