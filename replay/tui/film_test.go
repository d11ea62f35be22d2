package tui

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

var (
	update  = flag.Bool("update", false, "rewrite the golden screens")
	fixture = flag.String("fixture", "", "a recording to make testdata/selector-edited.jsonl.zst from")
)

// TestMain shows the film instead of running tests where a test asks for it: so
// the screen has a process, and a terminal, of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SVCSPY_TUI_SHOW") != "" {
		if err := show(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if *fixture != "" {
		if err := makeFilm(*fixture); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

const filmFile = "testdata/selector-edited.jsonl.zst"

// film is one line of the file: a header, an event or a change of coverage.
type film struct {
	Header   *store.Header   `json:"header,omitempty"`
	Event    *store.Event    `json:"event,omitempty"`
	Coverage *store.Coverage `json:"coverage,omitempty"`
	End      time.Time       `json:"end,omitzero"`
}

// makeFilm writes a recording as lines, which no change of the format of
// recordings can outdate.
func makeFilm(path string) error {
	r, err := store.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	info := r.Info()
	out, err := os.Create(filmFile)
	if err != nil {
		return err
	}
	defer out.Close()
	z, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(z)
	lines := []film{}
	for e, err := range r.Events(info.First, info.Last) {
		if err != nil {
			return err
		}
		lines = append(lines, film{Event: &e})
	}
	ledger, err := r.Ledger(0, info.Last)
	if err != nil {
		return err
	}
	for _, c := range ledger {
		lines = append(lines, film{Coverage: &c})
	}
	slices.SortFunc(lines, func(a, b film) int { return int(a.seq()) - int(b.seq()) })
	for _, l := range append([]film{{Header: &info.Header, End: info.End}}, lines...) {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return z.Close()
}

func (l *film) seq() store.Seq {
	if l.Event != nil {
		return l.Event.Seq
	}
	return l.Coverage.Seq
}

// readFilm reads the film: a Service whose selector is edited and edited back.
func readFilm() (*store.Memory, error) {
	f, err := os.Open(filmFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var m *store.Memory
	var end time.Time
	in := bufio.NewScanner(z)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		var l film
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return nil, err
		}
		switch {
		case l.Header != nil:
			m, end = store.NewMemory(*l.Header), l.End
		case l.Event != nil:
			_, err = m.Append(*l.Event)
		default:
			_, err = m.Cover(*l.Coverage)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	_, err = m.Seal(end)
	return m, err
}

var web = store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}

// opened are the options of every test: the film, with two functions that only
// pretend.
func opened(t replay.Timeline) (Options, error) {
	at, err := Opening(t)
	return Options{
		At: at, Subject: web, Zone: time.UTC,
		Now:     func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) },
		AddMark: func(store.Mark) error { return nil },
		Command: func(s store.Ref, at time.Time) string {
			return "svcspy replay film.db " + s.Name + " --at " + when.Format(at)
		},
		Save: func(name string, _ []byte) (string, error) { return name, nil },
	}, err
}

// show runs the screen on the terminal of the process: of the film, or of the
// file that is named; with functions that panic, if that is asked for.
func show() error {
	var t replay.Timeline
	var err error
	if file := os.Getenv("SVCSPY_TUI_FILE"); file != "" {
		r, err := store.Open(file)
		if err != nil {
			return err
		}
		defer r.Close()
		t = r
	} else if t, err = readFilm(); err != nil {
		return err
	}
	o, err := opened(t)
	if err != nil {
		return err
	}
	if file := os.Getenv("SVCSPY_TUI_FILE"); file != "" {
		o.AddMark = func(k store.Mark) error { return store.AddMark(file, k) }
	}
	if os.Getenv("SVCSPY_TUI_SHOW") == "panic" {
		o.Command = func(store.Ref, time.Time) string { panic("this command is broken") }
		o.Save = func(string, []byte) (string, error) { panic("this disk is broken") }
	}
	return Run(context.Background(), o)
}

// stage drives a Model as bubbletea would, without a terminal and without time.
type stage struct {
	*testing.T
	m    *Model
	left bool // the program was told to quit
	set  []string
}

func newStage(t *testing.T, timeline replay.Timeline, change func(*Options)) *stage {
	t.Helper()
	o, err := opened(timeline)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	m, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	// Ticks are sent by tests that want them.
	m.tick = func(time.Duration, func(time.Time) tea.Msg) tea.Cmd { return nil }
	s := &stage{T: t, m: m}
	s.run(m.Init())
	return s
}

func filmed(t *testing.T) *store.Memory {
	t.Helper()
	m, err := readFilm()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run carries out commands, and what follows from them, until there are none.
func (s *stage) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			s.run(c)
		}
	case tea.QuitMsg:
		s.left = true
	default:
		if text := fmt.Sprint(msg); strings.Contains(fmt.Sprintf("%T", msg), "setClipboard") {
			s.set = append(s.set, text)
			return
		}
		_, next := s.m.Update(msg)
		s.run(next)
	}
}

// named are the keys that are not one character.
var named = map[string]tea.Key{
	"space": {Code: tea.KeySpace, Text: " "}, "enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab},
	"left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
	"home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "pgdown": {Code: tea.KeyPgDown}, "pgup": {Code: tea.KeyPgUp},
	"shift+left": {Code: tea.KeyLeft, Mod: tea.ModShift}, "shift+right": {Code: tea.KeyRight, Mod: tea.ModShift},
	"alt+left": {Code: tea.KeyLeft, Mod: tea.ModAlt}, "alt+right": {Code: tea.KeyRight, Mod: tea.ModAlt},
	"shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "ctrl+l": {Code: 'l', Mod: tea.ModCtrl}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
	"ctrl+f": {Code: 'f', Mod: tea.ModCtrl}, "ctrl+b": {Code: 'b', Mod: tea.ModCtrl},
}

// press sends keys by their names; what is none is typed.
func (s *stage) press(keys ...string) {
	s.Helper()
	for _, k := range keys {
		if key, ok := named[k]; ok {
			_, cmd := s.m.Update(tea.KeyPressMsg(key))
			s.run(cmd)
			continue
		}
		for _, r := range k {
			_, cmd := s.m.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
			s.run(cmd)
		}
	}
}

func (s *stage) resize(width, height int) {
	_, cmd := s.m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	s.run(cmd)
}

// screen is what is seen, without colours.
func (s *stage) screen() string {
	rows := strings.Split(ansi.Strip(s.m.View().Content), "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n") + "\n"
}

func (s *stage) sees(text string) {
	s.Helper()
	if !strings.Contains(s.screen(), text) {
		s.Errorf("the screen does not show %q:\n%s", text, s.screen())
	}
}

func (s *stage) golden(name string) {
	s.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(s.screen()), 0o644); err != nil {
			s.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	if diff := cmp.Diff(string(want), s.screen()); diff != "" {
		s.Errorf("%s (-want +got):\n%s\nif this is right: go test ./replay/tui -update", path, diff)
	}
}
