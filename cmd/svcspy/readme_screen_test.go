package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures"
	"github.com/svcspy/svcspy/replay/tui"
)

// TestREADMEScreen draws the screen that the README shows: of the demo, as a
// terminal of 80 by 24 in UTC gets it. A comment before the block says of what
// and when.
func TestREADMEScreen(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(<!-- screen: (\\S+) --at (\\S+) -->\n```text\n)([^`]*)(```\n)")
	found := block.FindSubmatch(text)
	if found == nil {
		t.Fatal("README.md shows no screen")
	}
	shown := readmeScreen(t, string(found[2]), string(found[3]))
	if *update {
		text = bytes.Replace(text, found[0], []byte(string(found[1])+shown+string(found[5])), 1)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(found[4]), shown); diff != "" {
		t.Errorf("README.md does not show the screen (-README +svcspy):\n%s\nif this is right: go test ./cmd/svcspy -run README -update", diff)
	}
}

func readmeScreen(t *testing.T, subject, at string) string {
	t.Helper()
	return ansi.Strip(screenOf(t, demoFile(t), []string{subject, "-n", fixtures.Demos[0].Namespace}, at, true))
}

// demoFile writes the recording of the first demo.
func demoFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "demo.db")
	data, err := fixtures.Demos[0].Recording()
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// firstScreen is what svcspy FILE shows at first, on a terminal of 80 by 24 in UTC.
func firstScreen(t *testing.T, file string) string {
	return ansi.Strip(screenOf(t, file, nil, "", true))
}

// screenOf draws the screen of a subject, of all Services without one; at is typed in,
// "" is where it opens. Plain is without colours.
func screenOf(t *testing.T, file string, words []string, at string, plain bool) string {
	t.Helper()
	r, err := (&cli.App{}).OpenRecording(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := &cli.Query{App: &cli.App{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Now: time.Now, ZoneName: "UTC"}, Ctx: t.Context()}
	options, err := l.ScreenOptions(t.Context(), r, file)
	if err != nil {
		t.Fatal(err)
	}
	options.ASCII, options.Plain = false, plain
	if at != "" {
		options.At, err = tui.Opening(r)
	} else {
		options.At, err = l.OpeningState(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(words) > 0 {
		l.Namespace = words[2]
		if options.Subject, err = l.Subject(r, words[:1], r.Info().Last); err != nil {
			t.Fatal(err)
		}
	}
	m, err := tui.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	// carryOut does what a program does with commands, until nothing is under way.
	carryOut := func(cmd tea.Cmd) {
		under, messages := 0, make(chan tea.Msg)
		begin := func(cmd tea.Cmd) {
			if cmd != nil {
				under++
				go func() { messages <- cmd() }()
			}
		}
		for begin(cmd); under > 0; under-- {
			switch msg := (<-messages).(type) {
			case nil:
			case tea.BatchMsg:
				for _, c := range msg {
					begin(c)
				}
			default:
				_, next := m.Update(msg)
				begin(next)
			}
		}
	}
	carryOut(m.Init())
	if at != "" {
		for _, k := range "g" + at {
			m.Update(tea.KeyPressMsg{Code: k, Text: string(k)})
		}
		_, cmd := m.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
		carryOut(cmd)
	}
	_, cmd := m.Update(tea.KeyPressMsg{Code: 'l', Mod: tea.ModCtrl}) // takes the remark away
	carryOut(cmd)
	rows := strings.Split(m.View().Content, "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	return strings.Join(rows, "\n") + "\n"
}
