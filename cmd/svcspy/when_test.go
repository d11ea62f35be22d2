package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/when"
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
		code = run([]string{cli.Program, "events", "live.db", "--since", at}, strings.NewReader(""), &out, &errs)
		return code, errs.String()
	}
	for _, at := range []string{"now", "20s ago", "-20s", "now-20s", "end-80s", "+40s", "#2"} {
		if code, echo := ask(at); code != 0 || !strings.HasPrefix(echo, "from ") {
			t.Errorf("--since %q while recording: exit code %d, %s", at, code, echo)
		}
	}
	for _, at := range []string{"2h ago", "now+1h", "-90m"} {
		if code, echo := ask(at); code != cli.ExitUsage || !strings.Contains(echo, "outside the recording") {
			t.Errorf("--since %q while recording: exit code %d, %s", at, code, echo)
		}
	}
	if _, err := w.Seal(now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if code, echo := ask("now"); code != cli.ExitUsage || !strings.Contains(echo, "it has ended") {
		t.Errorf("--since now after the end: exit code %d, %s", code, echo)
	}
}

// TestTimesTopic reads every form that svcspy help times shows.
func TestTimesTopic(t *testing.T) {
	r := when.Range{Start: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Now: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
	r.TimeOfSeq = func(store.Seq) (time.Time, error) { return r.Start, nil }
	r.SeqOfRV = func(string) (store.Seq, error) { return 1, nil }
	r.Mark = func(string) (time.Time, error) { return r.Start, nil }
	r.Verdict = func(int) (time.Time, error) { return r.Start, nil }
	r.Incident = func() (time.Time, error) { return r.End, nil }
	forms := []string{"incident-10s", "#8812+2s", "@deploy+1m"}
	for _, line := range strings.Split(cli.TimesHelp, "\n") {
		if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "   ") {
			continue
		}
		left := strings.TrimSpace(line[:min(len(line), 30)])
		for _, part := range strings.Split(strings.ReplaceAll(left, "  ", ","), ",") {
			forms = append(forms, strings.TrimSpace(part))
		}
	}
	if len(forms) < 20 {
		t.Errorf("only %d forms were found: %q", len(forms), forms)
	}
	for _, form := range forms {
		r.Live = form == "now"
		if _, err := when.Parse(form, r); err != nil && strings.Contains(err.Error(), "cannot be") {
			t.Errorf("%s: %v", form, err)
		}
	}
}
