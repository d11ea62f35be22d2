package tui

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

func TestScreens(t *testing.T) {
	film := filmed(t)
	for _, size := range []struct{ width, height int }{{80, 24}, {120, 40}} {
		for _, tt := range []struct {
			name string
			keys []string
		}{
			{"opened", nil},
			{"broken", []string{"n", "n", "n"}},
			{"why", []string{"n", "n", "n", "e"}},
			{"diff", []string{"n", "n", "n", "D"}},
			{"help", []string{"?"}},
			{"describe", []string{"n", "n", "tab", "d"}},
			{"coverage", []string{"c"}},
			{"services", []string{"n", "n", "n", ":services", "enter"}},
		} {
			t.Run(fmt.Sprintf("%s-%dx%d", tt.name, size.width, size.height), func(t *testing.T) {
				s := newStage(t, film, nil)
				s.resize(size.width, size.height)
				s.press(tt.keys...)
				s.golden(fmt.Sprintf("%s-%dx%d", tt.name, size.width, size.height))
			})
		}
	}
}

// TestFits draws every page in every size: no line is wider than the terminal
// and none is missing.
func TestFits(t *testing.T) {
	film := filmed(t)
	s := newStage(t, film, nil)
	s.press("n", "n", "n")
	for _, page := range []string{"", "e", "e", "d", "y", "D", "c", "?", "?", ":services"} {
		s.press(page)
		if page == ":services" {
			s.press("enter")
		}
		for _, size := range [][2]int{{80, 24}, {81, 25}, {1, 1}, {10, 5}, {40, 12}, {59, 30}, {200, 60}, {500, 10}} {
			s.resize(size[0], size[1])
			rows := strings.Split(s.m.View().Content, "\n")
			if len(rows) > size[1] || size[1] >= leastHeight && len(rows) != size[1] {
				t.Errorf("after %q at %v: %d rows", page, size, len(rows))
			}
			for i, r := range rows {
				if w := ansi.StringWidth(r); w > size[0] {
					t.Errorf("after %q at %v: row %d is %d wide: %q", page, size, i, w, r)
				}
			}
		}
	}
}

func TestMoves(t *testing.T) {
	film := filmed(t)
	info := film.Info()
	at := func(d time.Duration) time.Time { return info.Start.Add(d) }
	s := newStage(t, film, nil)
	s.press(":goto start+50s", "enter")
	fifty := s.m.at()
	if !fifty.Equal(at(50 * time.Second)) {
		t.Fatalf("start+50s is %s", fifty)
	}
	for _, tt := range []struct {
		keys []string
		want time.Time
	}{
		{[]string{"right"}, fifty.Add(5 * time.Second)},
		{[]string{"left", "left"}, fifty.Add(-10 * time.Second)},
		{[]string{"shift+right"}, info.End},
		{[]string{"shift+left"}, info.Start},
		{[]string{"alt+left"}, info.Start},
		{[]string{"home"}, info.Start},
		{[]string{"end"}, info.End},
		{[]string{"5"}, info.Start.Add(info.End.Sub(info.Start) / 2)},
		{[]string{"0"}, info.Start},
		{[]string{"g", "start+10s", "enter"}, at(10 * time.Second)},
		{[]string{"b", "+3s", "enter"}, at(53 * time.Second)},
		{[]string{":back", "enter"}, at(45 * time.Second)},
		{[]string{"m", "one", "enter", "home", "]"}, fifty},
		{[]string{"end", "[", "g", "@one", "enter"}, fifty},
	} {
		s.m.seekTime(fifty)
		s.press(tt.keys...)
		if !s.m.at().Equal(tt.want) {
			t.Errorf("%v: at %s, want %s", tt.keys, s.m.at(), tt.want)
		}
	}
	s.press("g", "garbage", "enter")
	s.sees(`time "garbage" cannot be read`)
	if !s.m.at().Equal(fifty) {
		t.Errorf("what cannot be read moved to %s", s.m.at())
	}
}

// TestThereAndBack steps over everything that matters and back: the same places
// in both directions, and the screens of both are the same.
func TestThereAndBack(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	// What matters is learned on the way; then it stays.
	for s.press("home"); len(s.m.next) > 0; {
		s.press(".")
	}
	s.press("home", ".")
	var forth []store.Seq
	screens := map[store.Seq]string{}
	for {
		seq := s.m.state.Seq()
		if len(forth) > 0 && forth[len(forth)-1] == seq {
			break
		}
		forth = append(forth, seq)
		screens[seq] = s.screen()
		s.press(".")
	}
	if len(forth) < 10 {
		t.Fatalf("only %d events matter", len(forth))
	}
	for i := len(forth) - 2; i >= 0; i-- {
		s.press(",")
		if got := s.m.state.Seq(); got != forth[i] {
			t.Fatalf("back at #%d, there was #%d on the way", got, forth[i])
		}
		if diff := cmp.Diff(screens[forth[i]], s.screen()); diff != "" {
			t.Fatalf("#%d is shown differently on the way back (-forth +back):\n%s", forth[i], diff)
		}
	}
}

func TestVerdicts(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	var states []string
	for {
		before := s.m.at()
		s.press("n")
		if s.m.at().Equal(before) {
			break
		}
		states = append(states, string(s.m.envelope.Verdict.State))
	}
	if got := strings.Join(states, " "); !strings.HasSuffix(got, "Serving NotServing Serving") {
		t.Errorf("n went through %s", got)
	}
	s.press("N", "e")
	s.sees("selector-edited")
	s.sees("#279") // the event that did it
	s.press("esc", "D")
	s.sees("/spec/selector")
}

func TestPlay(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	beat := func(d time.Duration) {
		now = now.Add(d)
		_, cmd := s.m.Update(beatMsg(now))
		s.run(cmd)
	}
	s.press("g", "start+45s", "enter", "+", "space")
	from := s.m.at()
	beat(0)
	beat(time.Second)
	if got := s.m.at().Sub(from); got < time.Second || got > 20*time.Second {
		t.Errorf("played %s", got)
	}
	// Between the two edits nothing happens for half a minute.
	for range 40 {
		beat(100 * time.Millisecond)
	}
	if s.m.player.on && !s.m.atEnd() {
		for range 40 {
			beat(100 * time.Millisecond)
		}
	}
	s.sees("played to the end")
	if s.m.player.on || !s.m.atEnd() {
		t.Errorf("still playing at %s", s.m.at())
	}
	s.press("space", "space")
	if s.m.at().After(from) {
		t.Errorf("playing at the end did not begin anew but at %s", s.m.at())
	}
}

// TestCommands finds every action by its name, and every key of the contract.
func TestCommands(t *testing.T) {
	seen := map[string]string{}
	all := newStage(t, filmed(t), nil).m
	for i := range all.actions {
		a := &all.actions[i]
		if all.find(a.name) != a {
			t.Errorf(":%s is not %s", a.name, a.name)
		}
		for _, k := range a.keys {
			if other, twice := seen[k]; twice {
				t.Errorf("key %s is %s and %s", k, other, a.name)
			}
			seen[k] = a.name
			if _, ok := named[k]; !ok && len([]rune(k)) > 1 {
				t.Errorf("no test can press %q", k)
			}
		}
	}
	for _, k := range []string{
		"space", ".", ",", "t", "T", "right", "left", "shift+right", "shift+left", "alt+right", "alt+left", "n", "N", "]", "[", "m", "g", "b", "0", "9",
		"home", "end", "+", "-", "D", "R", "enter", "esc", "tab", "j", "k", "up", "down", "d", "y", "e", "c", "z", "/", ":", "C", "S", "?", "q",
	} {
		if seen[k] == "" {
			t.Errorf("key %q does nothing", k)
		}
	}
	// Every one of them, in a row, on both kinds of screen: none may panic.
	for _, subject := range []store.Ref{web, {}} {
		s := newStage(t, filmed(t), func(o *Options) { o.Subject = subject })
		for _, a := range s.m.actions {
			if a.name == "quit" {
				continue
			}
			s.press(":"+a.name, "enter")
			s.screen()
			s.press("esc")
		}
		s.press("esc", "esc", "esc", "q")
		if !s.left {
			t.Error("q does not quit")
		}
	}
}

func TestDrill(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	s.press("n", "n", "tab", "enter")
	if s.m.subject.Resource.Resource != "pods" {
		t.Fatalf("entered %v", s.m.subject)
	}
	s.sees("Pod shop/web-")
	s.press("esc")
	if s.m.subject != web {
		t.Fatalf("back at %v", s.m.subject)
	}
	s.press(":deploy/web", "enter")
	s.sees("Deployment shop/web")
	s.press("esc", ":subject svc/nope", "enter")
	s.sees("never saw")
	s.press(":services", "enter", "/", "kubern", "enter")
	s.sees("default    kubernetes")
	if strings.Contains(s.screen(), "shop       web") {
		t.Errorf("the filter does not hide rows:\n%s", s.screen())
	}
	s.press("enter")
	s.sees("Service default/kubernetes")
}

func TestOutside(t *testing.T) {
	s := newStage(t, filmed(t), nil)
	s.press("g", "start+45s", "enter", "C")
	if want := "svcspy replay film.db web --at " + when.Format(s.m.at()); cmp.Diff([]string{want}, s.set) != "" {
		t.Errorf("copied %q, want %q", s.set, want)
	}
	s.press("S")
	s.sees("saved svcspy-web-")
	s.m.AddMark = func(store.Mark) error { return errors.New("read-only") }
	s.press("m", "here", "enter")
	s.sees("not in the recording: read-only")
	if len(s.m.Marks) != 1 {
		t.Errorf("marks: %v", s.m.Marks)
	}
}

// evil tries to clear the screen, name the window, ring and turn the line round.
const evil = "\x1b[2J\x1b]0;owned\x07\r\u202e"

// hostile is a recording that ends with a Service whose every text is evil.
func hostile(t *testing.T) *store.Memory {
	t.Helper()
	film := filmed(t)
	m := store.NewMemory(film.Info().Header)
	last := film.Info().Last
	if ledger, err := film.Ledger(0, last); err != nil {
		t.Fatal(err)
	} else {
		for last > 0 && len(ledger) > 0 && ledger[len(ledger)-1].Seq == last && ledger[len(ledger)-1].Reason == store.Stopped {
			last, ledger = last-1, ledger[:len(ledger)-1] // the recorder goes on
		}
	}
	copyInto(t, m, film, 1, last)
	object := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"web","uid":"u9","creationTimestamp":"2026-11-24T00:00:50Z","labels":{"a":%q},"managedFields":[{"manager":%q,"operation":"Update","time":"2026-11-24T00:00:50Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:selector":{"f:app":{}}}}}]},"spec":{"selector":{"app":%q},"ports":[{"port":80}],"clusterIP":"10.0.0.1"}}`, "X", "X", "X")
	object = []byte(strings.ReplaceAll(string(object), `"X"`, `"\u001b[2J\u001b]0;owned\u0007\r\u202e"`))
	if _, err := m.Append(store.Event{Time: film.Info().End, Type: watch.Added, Resource: replay.Services, Namespace: "shop", Name: "web", UID: "u9", ResourceVersion: "9999", Object: object}); err != nil {
		t.Fatal(err)
	}
	if err := m.Commit(film.Info().End); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Seal(film.Info().End); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestHostile shows an object whose every text tries to move the cursor.
func TestHostile(t *testing.T) {
	m := hostile(t)
	s := newStage(t, m, nil)
	s.press("end")
	for _, k := range []string{"", "e", "d", "y", "D", "tab", "m", evil, "enter"} {
		s.press(k)
		for _, bad := range []string{"\x1b[2J", "\x1b]", "\x07", "\r", "\u202e"} {
			if strings.Contains(s.m.View().Content, bad) {
				t.Errorf("after %q the screen contains %q", k, bad)
			}
		}
	}
}

// sink takes what a recorder hears.
type sink interface {
	Append(store.Event) (store.Seq, error)
	Cover(store.Coverage) (store.Seq, error)
}

// copyInto says again what was heard in a stretch.
func copyInto(t *testing.T, m sink, film *store.Memory, from, to store.Seq) {
	t.Helper()
	for seq := from; seq <= to; seq++ {
		e, err := film.Event(seq)
		if err == nil {
			_, err = m.Append(e)
		} else if errors.Is(err, store.ErrNotEvent) {
			var ledger []store.Coverage
			if ledger, err = film.Ledger(seq, seq); err == nil {
				_, err = m.Cover(ledger[0])
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollow shows a recording that grows.
func TestFollow(t *testing.T) {
	film := filmed(t)
	info := film.Info()
	m := store.NewMemory(info.Header)
	copyInto(t, m, film, 1, 278)
	at, err := Opening(m)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t}
	o, _ := opened(m)
	o.At = at
	if s.m, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer s.m.Close()
	s.m.tick = func(time.Duration, func(time.Time) tea.Msg) tea.Cmd { return nil }
	s.sees("Serving")
	copyInto(t, m, film, 279, 300)
	_, _ = s.m.Update(grownMsg{m.Wait(t.Context(), 278)})
	s.sees("LIVE, following")
	s.sees("NotServing")
	s.press("left")
	if s.m.follow {
		t.Error("who looks back is not taken to the end")
	}
	s.press("end")
	if !s.m.follow {
		t.Error("end does not follow")
	}
	copyInto(t, m, film, 301, info.Last)
	if _, err := m.Seal(info.End); err != nil {
		t.Fatal(err)
	}
	_, cmd := s.m.Update(grownMsg{m.Wait(t.Context(), 300)})
	s.run(cmd)
	s.sees("the recording has ended and is sealed")
	if strings.Contains(s.screen(), "LIVE") {
		t.Errorf("a sealed recording is not live:\n%s", s.screen())
	}
}

func TestASCII(t *testing.T) {
	s := newStage(t, filmed(t), func(o *Options) { o.ASCII = true })
	for _, k := range []string{"n", "n", "n", "tab", "tab", "e", "?"} {
		s.press(k)
		for _, r := range s.screen() {
			if r > 126 {
				t.Fatalf("after %s the screen has %q:\n%s", k, r, s.screen())
			}
		}
	}
}

// TestMarks sets marks, which stay with the recording where it takes them, and
// later where it is still being written.
func TestMarks(t *testing.T) {
	var kept []store.Mark
	s := newStage(t, filmed(t), func(o *Options) {
		o.Author = "alice"
		o.AddMark = func(k store.Mark) error { kept = append(kept, k); return nil }
	})
	s.press("n", "n", "n", "m", "rolled back", "enter")
	want := []store.Mark{{Time: s.m.at(), Written: s.m.Now().UTC(), Author: "alice", Text: "rolled back"}}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	s.sees("◆ rolled back (alice)") // among what happened
	s.sees("g @rolled back comes back here")
	s.press("home", "g", "@rolled back", "enter")
	if !s.m.at().Equal(want[0].Time) {
		t.Errorf("@rolled back is %s, not %s", s.m.at(), want[0].Time)
	}
	s.press("home", "]")
	s.sees("mark: rolled back (alice)")

	inUse := true
	s.m.AddMark = func(k store.Mark) error {
		if inUse {
			return fmt.Errorf("add mark: %w", store.ErrInUse)
		}
		kept = append(kept, k)
		return nil
	}
	s.press("m", "while it is written", "enter")
	s.sees("the recording is being written")
	inUse = false
	_, cmd := s.m.Update(grownMsg{io.EOF})
	s.run(cmd)
	s.sees("marks written into it: 1")
	if len(kept) != 2 || kept[1].Text != "while it is written" {
		t.Errorf("kept %v", kept)
	}
}

// TestCourses walks over the verdicts of all Services in their list.
func TestCourses(t *testing.T) {
	s := newStage(t, filmed(t), func(o *Options) { o.Subject = store.Ref{} })
	s.sees("not there now") // web comes later
	var seen []string
	for range 20 {
		before := s.m.at()
		if s.press("n"); s.m.at().Equal(before) {
			break
		}
		r := s.m.list.chosen("", s.m.chosen)
		seen = append(seen, r.Subject.Name+" "+string(r.Verdict.State))
	}
	s.sees("no verdict changes after this")
	want := []string{"web Converging", "web Serving", "web NotServing", "web Serving"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("n in the list (-want +got):\n%s", diff)
	}
	s.press("N", "e")
	s.sees("WHY")
	if s.m.subject != web {
		t.Errorf("e in the list is about %v", s.m.subject)
	}
	s.press("esc", "esc")
	if s.m.subject.Name != "" {
		t.Error("esc does not lead back to the list")
	}
}

// TestGuide offers what was not tried yet.
func TestGuide(t *testing.T) {
	s := newStage(t, filmed(t), func(o *Options) { o.Guided = true })
	s.press("g", "incident", "enter")
	s.golden("guided-80x24")
	bar := func() string {
		rows := strings.Split(s.screen(), "\n")
		return rows[len(rows)-3]
	}
	for _, step := range []struct{ key, without, with string }{
		{"e", "e why", "esc closes this"},
		{"esc", "esc closes", ", one event back"},
		{",", ", one event back", "D what is different"},
		{"D", "D what", "esc closes this"},
		{"esc", "esc", "n next verdict"},
	} {
		s.press(step.key)
		if strings.Contains(bar(), step.without+" ·") || !strings.Contains(bar(), step.with) || !strings.Contains(bar(), "q leave") {
			t.Errorf("after %s the bar is %q", step.key, bar())
		}
	}
	for _, a := range s.m.actions {
		s.m.tried[a.name] = true
	}
	s.press("esc")
	s.sees("you have seen it all")
}

// TestSave writes the postmortem in each format, and the report as it stands.
func TestSave(t *testing.T) {
	written := map[string]string{}
	s := newStage(t, filmed(t), func(o *Options) {
		o.Save = func(name string, text []byte) (string, error) { written[name] = string(text); return name, nil }
	})
	s.press("g", "incident", "enter", "S", ":save md", "enter", ":save json", "enter", ":save txt", "enter", ":save doc", "enter")
	s.sees("not one of html, md, json, txt")
	for ending, begins := range map[string]string{".html": "<!doctype html>", ".md": "#", ".json": "{", ".txt": "Service shop/web  NotServing"} {
		found := false
		for name, text := range written {
			found = found || strings.HasSuffix(name, ending) && strings.HasPrefix(strings.ToLower(text), strings.ToLower(begins))
		}
		if !found {
			t.Errorf("no file %s that begins with %s", ending, begins)
		}
	}
}
