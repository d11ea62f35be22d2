package tui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// TestFindings holds what users found wrong with the screen.
func TestFindings(t *testing.T) {
	film := filmed(t)
	s := newStage(t, film, nil)
	s.resize(80, 24)

	// B9: in the list of Services, incident is a time.
	s.press(":services", "enter", "g", "incident", "enter")
	s.sees("NotServing")
	if strings.Contains(s.screen(), "not computed yet") {
		t.Errorf("B9: g incident does not go there:\n%s", s.screen())
	}
	// The first screen says what, when, who and what now.
	for _, want := range []string{"Service shop/web is not serving", "WHEN   00:00:07 to 00:00:37", "WHO    00:00:07 kubectl-client-side-apply", "NEXT   kubectl patch service", "NOW    svcspy trace svc/web"} {
		s.sees(want)
	}
	s.press("enter")
	for _, want := range []string{"Service shop/web is not serving", "WHEN   00:00:07 to 00:00:37", "WHO    00:00:07 kubectl-client-side-apply", "NEXT   kubectl patch service", "C1✘"} {
		s.sees(want)
	}

	// B10: after a key that failed, others say what they did.
	s.press("g", "garbage", "enter")
	s.sees("! ")
	s.press("R")
	if text := s.screen(); strings.Contains(text, "\n! ") || !strings.Contains(text, "reference set") {
		t.Errorf("B10: a failure stays:\n%s", text)
	}

	// B21: what is not there yet is no failure.
	s.press(":services", "enter")
	for _, spans := range s.m.all.of {
		if first := spans[0]; first.state == "Absent" && (!first.unborn || first.weight() != 0) {
			t.Errorf("B21: before its creation a Service is %+v", first)
		}
	}

	// B23: nothing ticks while nothing moves.
	for range s.m.beats { // those that the computations began
		_, cmd := s.m.Update(beatMsg(s.m.at()))
		s.run(cmd)
	}
	if s.m.beats != 0 {
		t.Errorf("B23: %d ticks are under way on a screen at rest", s.m.beats)
	}
}

// TestLists looks at the lists that users of other tools look for.
func TestLists(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	s.press("n", "n", "n", ":pods", "enter")
	s.sees("Pod/web-5b9b9f9cbb-8zcbk")
	s.press(":workloads", "enter")
	s.sees("Deployment/web")
	s.press(":nodes", "enter")
	s.sees("Node/n1")
	s.press("enter")
	s.sees("Node n1  Serving")
	s.press("esc", ":changes", "enter")
	s.sees("00:00:07 kubectl-client-side-apply: Service shop/web selector/tier")
	s.press("/", "#319", "enter", "enter")
	if seq := s.m.state.Seq(); seq != 319 {
		t.Errorf("enter on a change goes to #%d, want #319", seq)
	}
}

// TestSearch looks for a text through time.
func TestSearch(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	s.press("/", "backend", "enter", "n")
	if seq := s.m.state.Seq(); seq != 279 {
		t.Errorf("the first event with the text is #%d, want #279:\n%s", seq, s.screen())
	}
	s.sees("services/web #279")
	s.press("end", "N")
	if seq := s.m.state.Seq(); seq < 279 || seq >= 319 {
		t.Errorf("the last event that brings the text is #%d", seq)
	}
	s.press("esc", "/", "never said", "enter", "n")
	s.sees("no event after this")
}

// TestMouse clicks and turns the wheel.
func TestMouse(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	s.resize(80, 24)
	mouse := func(msg tea.Msg) {
		_, cmd := s.m.Update(msg)
		s.run(cmd)
		s.screen()
	}
	click := func(x, y int) { mouse(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	s.press(":services", "enter")
	s.screen() // the mouse points at what was drawn
	click(40, 1)
	if at := s.m.clock(s.m.at()); at < "00:00:10" || at > "00:00:14" {
		t.Errorf("a click into the middle of the axis goes to %s", at)
	}
	before := s.m.at()
	mouse(tea.MouseWheelMsg{X: 40, Y: 1, Button: tea.MouseWheelDown})
	if !s.m.at().After(before) {
		t.Error("the wheel over the axis does not move in time")
	}
	row := -1
	for y, text := range strings.Split(s.screen(), "\n") {
		if strings.Contains(text, "kubernetes") && row < 0 {
			row = y
		}
	}
	click(5, row)
	if r := s.m.list.chosen("", s.m.chosen); r == nil || r.Subject.Name != "kubernetes" {
		t.Errorf("a click chooses %v in\n%s", r, s.screen())
	}
	click(5, row)
	s.sees("Service default/kubernetes")
	mouse(tea.MouseWheelMsg{X: 75, Y: 10, Button: tea.MouseWheelDown})
	if s.m.pane != paneObjects || s.m.chosen == 0 {
		t.Error("the wheel does not move through the objects")
	}
	s.press("M")
	if s.m.View().MouseMode != tea.MouseModeNone {
		t.Error("M does not give the mouse back")
	}
}

// TestLongRecording looks at an outage in a recording of more positions than anybody
// reads: when it was and who set it off is found out all the same.
func TestLongRecording(t *testing.T) {
	film := filmed(t)
	info := film.Info()
	long := store.NewMemory(info.Header)
	for seq := store.Seq(1); seq <= info.Last; seq++ {
		ledger, err := film.Ledger(seq, seq)
		if err == nil && len(ledger) > 0 {
			if ledger[0].Reason != store.Stopped {
				_, err = long.Cover(ledger[0])
			}
		} else if err == nil {
			var e store.Event
			if e, err = film.Event(seq); err == nil {
				_, err = long.Append(e)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 25_000 {
		beat := store.Event{
			Time: info.End.Add(time.Duration(i) * time.Millisecond), Type: watch.Modified, UID: "beat", Namespace: "kube-node-lease", Name: "n1",
			Resource: schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}, Object: []byte(`{"metadata":{"name":"n1"}}`),
		}
		if _, err := long.Append(beat); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := long.Seal(long.Info().End); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, long, nil)
	s.resize(80, 24)
	s.press("g", "00:00:12", "enter")
	s.sees("WHEN   00:00:07 to 00:00:37")
	s.sees("WHO    00:00:07 kubectl-client-side-apply")
}
