package verdict

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	recorded "github.com/svcspy/svcspy/fixtures/late"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// TestFirstLook looks at every incident as a trace does that is started in the
// middle: it knows what is listed then, and no past. It says the same state as
// the recording that heard everything, or that something changes whose past is not
// known; and of an outage it never says that it began before packets failed, nor
// that it is younger than the slices prove. SVCSPY_EVERY=1 looks at every second.
func TestFirstLook(t *testing.T) {
	every := 11
	if n, err := strconv.Atoi(os.Getenv("SVCSPY_EVERY")); err == nil && n > 0 {
		every = n
	}
	looks, certain, n := 0, 0, 0
	replaytest.Recordings(t, func(t *testing.T, name string, r *store.Recording) {
		if n++; testing.Short() && n%20 != 0 {
			return
		}
		subject, info := replaytest.Subject(t, name), r.Info()
		raw, err := Of(t.Context(), r, subject, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		course := Settle(raw)
		for at := info.Start.Add(5 * time.Second); at.Before(info.End); at = at.Add(time.Duration(every) * time.Second) {
			full, proven := heardAll(t, r, subject, course, at)
			late := firstLook(t, r, subject, at)
			looks++
			if late.Verdict.Certainty == analyzer.Certain {
				certain++
			}
			wrong := func(why string) {
				t.Errorf("%s after %s: %s:\n\theard all:  %s %s since %s %q: %s\n\tfirst look: %s %s since %s %q: %s", name, at.Sub(info.Start), why,
					full.Verdict.State, full.Verdict.Certainty, full.Verdict.Since.Sub(info.Start), full.Verdict.SinceNote, full.Headline.Message,
					late.Verdict.State, late.Verdict.Certainty, late.Verdict.Since.Sub(info.Start), late.Verdict.SinceNote, late.Headline.Message)
			}
			state := late.Verdict.State
			waits := state == analyzer.Converging && late.Verdict.Certainty != analyzer.Certain
			if state != full.Verdict.State && !waits && state != analyzer.Unknown {
				wrong("another state")
			}
			if state != analyzer.NotServing || full.Verdict.State != state || full.Verdict.SinceNote != "" {
				continue
			}
			since, before := late.Verdict.Since, settled
			if strings.HasPrefix(name, "real-") {
				// A real kubelet tells a second or two later that a container has ended, and
				// writes when in whole seconds: what was heard all the time is later than that.
				before += time.Second
			}
			if since.Before(full.Verdict.Since.Add(-before)) {
				wrong("it began before packets failed")
			}
			if since.Sub(full.Verdict.Since) > settled && !strings.HasPrefix(late.Verdict.SinceNote, "or earlier") {
				wrong("it began earlier, and that is not said")
			}
			if !proven.IsZero() && since.Sub(proven) > settled {
				wrong("the slices prove that it began earlier")
			}
		}
	})
	t.Logf("%d first looks, %d of them certain", looks, certain)
}

// heardAll is the report of the whole recording, and the last time at which a slice
// of the subject was written, by its managed fields, if none had an endpoint then.
func heardAll(t *testing.T, r *store.Recording, subject store.Ref, course []Segment, at time.Time) (report analyzer.Report, proven time.Time) {
	t.Helper()
	s, err := replay.NewCursor(r).SeekTime(at)
	if err != nil {
		t.Fatal(err)
	}
	report = analyzer.Diagnose(s, subject, analyzer.Options{})
	for i := len(course) - 1; i >= 0; i-- {
		if !course[i].From.After(at) {
			DateIn(&report, course, i, s.Start(), at)
			break
		}
	}
	var service, slice struct {
		Metadata struct {
			CreationTimestamp time.Time
			ManagedFields     []struct{ Time time.Time }
		}
	}
	if o := s.Get(subject); o != nil {
		if err := json.Unmarshal(o.Event.Object, &service); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range s.List(store.Query{Resource: replay.EndpointSlices, Namespace: subject.Namespace, Labels: map[string]string{"kubernetes.io/service-name": subject.Name}}) {
		if report.Endpoints.Ready+report.Endpoints.Terminating+len(report.Endpoints.Items) > 0 {
			return report, time.Time{}
		}
		if err := json.Unmarshal(o.Event.Object, &slice); err != nil {
			t.Fatal(err)
		}
		if slice.Metadata.CreationTimestamp.Sub(service.Metadata.CreationTimestamp) > 10*time.Second {
			return report, time.Time{} // it took the place of another, and nothing tells when that went
		}
		for _, f := range slice.Metadata.ManagedFields {
			if f.Time.After(proven) {
				proven = f.Time
			}
		}
	}
	return report, proven
}

// firstLook is the report of who only knows what is listed at an instant.
func firstLook(t *testing.T, r *store.Recording, subject store.Ref, at time.Time) analyzer.Report {
	t.Helper()
	seq, err := r.SeqAt(at)
	if err != nil {
		t.Fatal(err)
	}
	header := r.Info().Header
	header.Start = at
	m := store.NewMemory(header)
	if err := recorded.List(m, r, seq, at); err != nil {
		t.Fatal(err)
	}
	if err := m.Commit(at); err != nil {
		t.Fatal(err)
	}
	s, err := replay.NewCursor(m).SeekTime(at)
	if err != nil {
		t.Fatal(err)
	}
	report, err := ReportAt(t.Context(), s, subject, analyzer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}
