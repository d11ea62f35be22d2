package when

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// TestRangeOf looks anchors up on a timeline that is being written.
func TestRangeOf(t *testing.T) {
	start := time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)
	m := store.NewMemory(store.Header{Start: start})
	hear := func(after time.Duration, kind watch.EventType, resource, name, version string) {
		t.Helper()
		_, err := m.Append(store.Event{
			Time: start.Add(after), Type: kind, Resource: schema.GroupVersionResource{Version: "v1", Resource: resource},
			Namespace: "shop", Name: name, ResourceVersion: version, Object: []byte("{}"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hear(1*time.Second, watch.Added, "services", "web", "7")
	hear(2*time.Second, watch.Added, "pods", "web-1", "8")
	hear(3*time.Second, watch.Added, "events", "web-1.1", "8")
	hear(4*time.Second, watch.Bookmark, "pods", "", "9")
	hear(5*time.Second, watch.Added, "services", "web", "7") // listed anew
	if err := m.Commit(start.Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}

	marks := []store.Mark{
		{Time: start.Add(2 * time.Second), Text: "deploy"},
		{Time: start.Add(3 * time.Second), Text: "twice"},
		{Time: start.Add(4 * time.Second), Text: "twice"},
	}
	course := func(states ...analyzer.State) func() ([]verdict.Segment, error) {
		var all []verdict.Segment
		for i, s := range states {
			all = append(all, verdict.Segment{From: start.Add(time.Duration(i) * time.Second), Report: analyzer.Report{Verdict: analyzer.Verdict{State: s}}})
		}
		return func() ([]verdict.Segment, error) { return all, nil }
	}
	outage := course(analyzer.Unknown, analyzer.NotServing, analyzer.Serving, analyzer.Converging, analyzer.Degraded, analyzer.Serving)

	for _, test := range []struct {
		text   string
		course func() ([]verdict.Segment, error)
		want   string
	}{
		{"#2", nil, "2 13:00:02"},
		{"#6", nil, "cannot be found: the recording has events #1 to #5"},
		{"rv:7", nil, "1 13:00:01"},
		{"rv:8", nil, "cannot be found: several objects have that version; write one of #2 (pods), #3 (events)"},
		{"rv:9", nil, "cannot be found: no object was heard in that version"},
		{"@deploy", nil, "0 13:00:02"},
		{"@deploy+1s", nil, "0 13:00:03"},
		{"@twice", nil, "cannot be found: several marks have that name; write one of 2026-11-23T13:00:03Z, 2026-11-23T13:00:04Z"},
		{"@gone", nil, "cannot be found: there is no such mark; there are @deploy, @twice, @twice"},
		{"verdict:5", outage, "0 13:00:04"},
		{"verdict:7", outage, "cannot be found: the last is verdict:6"},
		{"verdict:1", nil, "cannot be found: nothing of this kind is known here"},
		{"incident", outage, "0 13:00:04"},
		{"incident", course(analyzer.Unknown, analyzer.NotServing, analyzer.Serving), "cannot be found: it was never well before it was NotServing; verdict:2 is where that began to be seen"},
		{"incident", course(analyzer.Serving), "cannot be found: it was never seen unhealthy"},
		{"incident", func() ([]verdict.Segment, error) { return nil, errors.New("block 7 is damaged") }, "cannot be found: block 7 is damaged"},
		{"now", nil, "0 13:00:10"},
		{"1s ago", nil, "0 13:00:10"},
		{"1 second ago", nil, "0 13:00:10"},
	} {
		r := RangeOf(m, func() ([]store.Mark, error) { return marks, nil }, test.course)
		r.Now = start.Add(11 * time.Second)
		w, err := Parse(test.text, r)
		got := fmt.Sprintf("%d %s", w.Seq, w.Time.Format(time.TimeOnly))
		if e := (*Error)(nil); errors.As(err, &e) {
			got = e.Problem
			if e.Err != nil {
				got += ": " + e.Err.Error()
			}
			if e.Hint != "" {
				got += "; " + e.Hint
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", test.text, diff)
		}
	}

	if _, err := m.Seal(start.Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if RangeOf(m, nil, nil).Live {
		t.Error("a sealed recording is taken for one that grows")
	}
}
