package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures"
)

// TestBarOnATerminal runs what may take long with a terminal for stderr: there is
// a bar that grows, fits into a line and is wiped away; -q has none, and neither
// has a computation that is over before anybody wonders.
func TestBarOnATerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "demo.db")
	data, err := fixtures.Demos[0].Recording()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	bar := regexp.MustCompile(`\r\x1b\[K\[(#* *)\] (\d+) of (\d+) ([^\r]*)`)
	for _, test := range []struct {
		line string
		slow bool // the clock runs as on a large recording
		want string
	}{
		{"timeline FILE --all", true, "Services"},
		{"timeline FILE svc/web -n shop", true, "seconds of the recording"},
		{"explain FILE svc/web -n shop", true, "seconds of the recording"},
		{"bisect FILE svc/web -n shop --good start+10s --bad incident", true, "seconds of the recording"},
		{"cut FILE OUT --since start+20s", true, "subjects"},
		{"timeline FILE --all -q", true, ""},
		{"timeline FILE --all", false, ""},
		{"explain FILE svc/web -n shop", false, ""},
	} {
		t.Run(test.line, func(t *testing.T) {
			words := strings.Fields(strings.NewReplacer("FILE", file, "OUT", filepath.Join(t.TempDir(), "out.db")).Replace(test.line))
			now := time.Now()
			said := onTerminal(t, 60, func(errw *os.File) {
				a := &cli.App{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: errw, Name: cli.Program, Now: func() time.Time {
					if test.slow {
						now = now.Add(time.Second)
					}
					return now
				}}
				root := newRoot(a, words...)
				root.SetArgs(words)
				if err := root.ExecuteContext(t.Context()); err != nil {
					t.Errorf("%s: %v", test.line, err)
				}
			})
			shown := bar.FindAllStringSubmatch(said, -1)
			if test.want == "" {
				if len(shown) > 0 {
					t.Errorf("a bar although there should be none: %q", said)
				}
				return
			}
			if len(shown) == 0 {
				t.Fatalf("no bar: %q", said)
			}
			for _, s := range shown {
				if !strings.HasPrefix(test.want, strings.TrimSuffix(strings.TrimSpace(s[4]), "…")) && !strings.HasPrefix(s[4], test.want) {
					t.Errorf("the bar is of %q, want %q", s[4], test.want)
				}
				if width := len([]rune(strings.TrimPrefix(s[0], "\r\x1b[K"))); width >= 60 {
					t.Errorf("%d columns in a line of 60: %q", width, s[0])
				}
			}
			if first, last := strings.Count(shown[0][1], "#"), strings.Count(shown[len(shown)-1][1], "#"); last < first {
				t.Errorf("the bar shrinks: %q", said)
			}
			// What comes after it is on a clean line.
			if at := strings.LastIndex(said, "\r\x1b[K"); strings.HasPrefix(said[at+len("\r\x1b[K"):], "[") {
				t.Errorf("the bar stays: %q", said)
			}
		})
	}
}

// onTerminal calls use with a terminal of so many columns and returns what it got.
func onTerminal(t *testing.T, columns uint16, use func(*os.File)) string {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("needs a pty: %v", err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Cols: columns, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil { // newlines stay as they are
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		var all bytes.Buffer
		_, _ = io.Copy(&all, master) // ends with an error when the other side is closed
		got <- all.String()
	}()
	use(slave)
	slave.Close()
	said := <-got
	master.Close()
	return said
}
