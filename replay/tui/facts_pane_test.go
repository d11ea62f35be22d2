package tui

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/store"
)

// late is what a recorder would have heard that began after a position: first a
// list of all there is, then the same.
func late(t *testing.T, full *store.Memory, from store.Seq) *store.Memory {
	t.Helper()
	info := full.Info()
	began, err := full.TimeOf(from)
	if err != nil {
		t.Fatal(err)
	}
	h := info.Header
	h.Start = began
	m := store.NewMemory(h)
	must := func(_ store.Seq, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ledger, err := full.Ledger(0, from)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[moment.Stream]bool{}
	for _, c := range ledger {
		s := moment.Stream{Resource: c.Resource, Namespace: c.Namespace}
		if listed[s] {
			continue
		}
		listed[s] = true
		must(m.Cover(store.Coverage{Time: began, Resource: c.Resource, Namespace: c.Namespace, Status: store.Listing}))
		must(m.Append(store.Event{Time: began, Type: store.Relist, Resource: c.Resource, Namespace: c.Namespace}))
		seqs, err := full.Find(store.Query{Resource: c.Resource, Namespace: c.Namespace}, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range seqs {
			e, err := full.Event(seq)
			if err != nil {
				t.Fatal(err)
			}
			e.Time, e.Type = began, watch.Added
			must(m.Append(e))
		}
		must(m.Append(store.Event{Time: began, Type: watch.Bookmark, Resource: c.Resource, Namespace: c.Namespace, Object: fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, store.InitialEventsEnd)}))
		must(m.Cover(store.Coverage{Time: began, Resource: c.Resource, Namespace: c.Namespace, Status: store.Current}))
	}
	for e, err := range full.Events(from+1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		must(m.Append(e))
	}
	if _, err := m.Seal(info.End); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPast steps back from the first event of a recording that began inside the
// outage: into what is reconstructed, which never looks like what was heard.
func TestPast(t *testing.T) {
	s := newStage(t, late(t, filmed(t), 290), nil)
	s.sees("NotServing")
	s.press("home")
	for range 100 {
		if s.press(","); s.m.inPast() {
			break
		}
	}
	if !s.m.inPast() {
		t.Fatalf(", does not lead before the recording:\n%s", s.screen())
	}
	s.golden("past-80x24")
	for range 3 {
		s.sees("RECONSTRUCTED")
		if !strings.Contains(s.screen(), "nobody was listening") && !strings.Contains(s.screen(), "reconstructed: NotServing") {
			t.Errorf("before the recording there is a verdict:\n%s", s.screen())
		}
		for _, observed := range []string{"NotServing  since", "WHAT JUST CHANGED", "evidence"} {
			if strings.Contains(s.screen(), observed) {
				t.Errorf("before the recording the screen shows %q:\n%s", observed, s.screen())
			}
		}
		s.press(",")
	}
	var all []string
	for _, f := range s.m.pasts[web].facts {
		all = append(all, f.String())
	}
	if got := strings.Join(all, "\n"); !strings.Contains(got, "Service shop/web was written by kubectl-client-side-apply") {
		t.Errorf("what is known of before does not include who wrote the Service:\n%s", got)
	}
	s.press("m", "here", "enter")
	s.sees("only what was observed can be marked")
	for range 1000 {
		if s.press("."); !s.m.inPast() {
			break
		}
	}
	s.sees("the recording starts here")
	if !s.m.at().Equal(s.m.timeline.Info().Start) {
		t.Errorf("back at %s, the recording starts at %s", s.m.at(), s.m.timeline.Info().Start)
	}
	// Each of these leads back into the recording at once.
	for _, key := range []string{"e", "esc", "end", "g"} {
		s.press(":past", "enter")
		if !s.m.inPast() {
			t.Fatalf(":past does not lead there:\n%s", s.screen())
		}
		if s.press(key); key == "g" {
			s.press("50%", "enter")
		}
		if s.m.inPast() || strings.Contains(s.screen(), "RECONSTRUCTED") {
			t.Errorf("after %s the screen is still before the recording:\n%s", key, s.screen())
		}
		s.press("esc", "esc")
	}
	s.press("g", "2026-11-24 00:00:20", "enter")
	if !s.m.inPast() || s.m.fact().Time.Format("15:04:05") != "00:00:07" {
		t.Errorf("a time before the start leads to\n%s", s.screen())
	}
	s.press("esc", "g", "2026-11-22 00:00:00", "enter")
	s.sees("the reconstructed past reaches back to")
	s.press(":past", "enter", "enter")
	if s.m.inPast() || s.m.state.Seq() == 0 {
		t.Error("enter does not go to the event that told the fact")
	}
}
