package tui

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/term"
)

// walk is what somebody does who looks for the cause of an outage.
var walk = [][]string{{"n"}, {"n"}, {"n"}, {"e"}, {","}, {"D"}, {"g", "00:00:20", "enter"}, {"m", "broken", "enter"}}

// tmux is a real terminal with the screen of the film in it, beside a model that
// gets the same keys.
type tmux struct {
	*stage
	program, server string
}

func newTmux(t *testing.T, width, height int) *tmux {
	t.Helper()
	program, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("needs tmux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &tmux{stage: newStage(t, filmed(t), nil), program: program, server: fmt.Sprintf("svcspy-test-%d-%s", os.Getpid(), t.Name())}
	s.resize(width, height)
	s.run("new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "sh", "-c", `"$0"; echo ended with $?; read line`, self)
	t.Cleanup(func() { _ = exec.Command(program, "-L", s.server, "kill-server").Run() })
	s.compare("opening")
	return s
}

func (s *tmux) run(args ...string) string {
	s.Helper()
	cmd := exec.Command(s.program, append([]string{"-u", "-L", s.server, "-f", os.DevNull}, args...)...)
	cmd.Env = append(os.Environ(), "SVCSPY_TUI_SHOW=film", "LANG=C.UTF-8", "TMUX=", "NO_COLOR=", "TERM=xterm-256color")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("tmux %s: %v: %s", args, err, out)
	}
	return string(out)
}

// patience is how often a terminal is looked at until it shows what it should:
// a minute, and only where it does not.
const patience = 2400

// compare waits until the terminal shows what the model does.
func (s *tmux) compare(after string) {
	s.Helper()
	var diff string
	for range patience {
		got := strings.TrimRight(s.run("capture-pane", "-p"), "\n") + "\n"
		if diff = cmp.Diff(s.screen(), got); diff == "" {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.Fatalf("after %s (-model +terminal):\n%s", after, diff)
}

// tmuxNames are those of keys that are not one character.
var tmuxNames = map[string]string{
	"enter": "Enter", "esc": "Escape", "space": "Space", "tab": "Tab", "shift+tab": "BTab", "up": "Up", "down": "Down", "left": "Left", "right": "Right",
	"shift+left": "S-Left", "shift+right": "S-Right", "alt+left": "M-Left", "alt+right": "M-Right", "home": "Home", "end": "End",
	"pgup": "PageUp", "pgdown": "PageDown", "ctrl+f": "C-f", "ctrl+b": "C-b", "ctrl+l": "C-l", "ctrl+c": "C-c",
}

// both presses keys in the terminal and in the model.
func (s *tmux) both(keys ...string) {
	s.Helper()
	for _, k := range keys {
		if name := tmuxNames[k]; name != "" {
			s.run("send-keys", name)
		} else {
			s.run("send-keys", "-l", k)
		}
	}
	s.press(keys...)
}

// leave quits, and checks that the program ends well.
func (s *tmux) leave() {
	s.Helper()
	s.run("send-keys", "-l", "q")
	var left string
	for range patience {
		if left = s.run("capture-pane", "-p"); strings.Contains(left, "ended with 0") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.Errorf("q does not end the program with code 0:\n%s", left)
}

// TestWalk takes the walk in a real terminal. What is seen is the same after
// every step.
func TestWalk(t *testing.T) {
	s := newTmux(t, 80, 24)
	for _, keys := range walk {
		s.both(keys...)
		s.compare(fmt.Sprint(keys))
	}
	s.golden("walked-80x24")
	s.run("resize-window", "-x", "120", "-y", "40")
	s.resize(120, 40)
	s.compare("a resize")
	s.leave()
}

// TestEveryKey presses every key and types every command in a real terminal, on
// the report and in the list of Services.
func TestEveryKey(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	s := newTmux(t, 100, 30)
	for _, begin := range [][]string{{"g", "incident", "enter"}, {":services", "enter"}} {
		s.both(begin...)
		s.compare(fmt.Sprint(begin))
		for _, a := range s.m.actions {
			if a.name == "quit" {
				continue
			}
			back := []string{"esc"}
			switch a.name {
			case "leave": // is itself the way back
				back = []string{"tab"}
			case "play": // while it plays no two screens are the same
				back = []string{a.keys[0], "g", "incident", "enter"}
			}
			for _, k := range a.keys {
				s.both(k)
				if a.name != "play" {
					s.compare(a.name + " by " + k)
				}
				s.both(back...)
				s.compare("back") // a key right after esc would be that key with alt
			}
			if a.name == "play" {
				continue
			}
			s.both(":", a.name, "enter")
			s.compare(":" + a.name)
			if a.name != "leave" {
				s.both("esc")
				s.compare("back")
			}
		}
	}
	s.leave()
}

// terminal is a pseudo terminal, what was sent to it, and what it was set to
// before.
type terminal struct {
	*testing.T
	keyboard, screen *os.File
	before           string
	mu               sync.Mutex
	seen             bytes.Buffer
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	keyboard, screen, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	if err := pty.Setsize(screen, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	p := &terminal{T: t, keyboard: keyboard, screen: screen}
	p.before = p.settings()
	var reader sync.WaitGroup
	reader.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := keyboard.Read(buf)
			p.mu.Lock()
			p.seen.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		screen.Close() // ends the reader: nobody has the terminal any more
		reader.Wait()
		keyboard.Close()
	})
	return p
}

func (p *terminal) settings() string {
	p.Helper()
	s, err := term.GetState(int(p.screen.Fd()))
	if err != nil {
		p.Fatal(err)
	}
	return fmt.Sprintf("%+v", *s)
}

func (p *terminal) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *terminal) await(text string) {
	p.Helper()
	for range patience {
		if strings.Contains(p.output(), text) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	p.Fatalf("the terminal never got %q, only %q", text, p.output())
}

func (p *terminal) send(keys string) {
	p.Helper()
	if _, err := p.keyboard.WriteString(keys); err != nil {
		p.Fatal(err)
	}
}

// restored checks that the terminal was left as it was found.
func (p *terminal) restored() {
	p.Helper()
	p.await("\x1b[?1049l") // the other screen
	out := p.output()
	if strings.LastIndex(out, "\x1b[?25h") < strings.LastIndex(out, "\x1b[?25l") {
		p.Error("the cursor stays hidden")
	}
	if after := p.settings(); after != p.before {
		p.Errorf("the terminal is set to %s, it was %s", after, p.before)
	}
}

// shown runs the screen in this process, on the terminal.
func (p *terminal) shown(o Options) (done chan error) {
	done = make(chan error, 1)
	o.In, o.Out = p.screen, p.screen
	if o.Environ == nil {
		o.Environ = []string{"TERM=xterm-256color", "LANG=C.UTF-8"}
	}
	ctx, cancel := context.WithTimeout(p.Context(), 40*time.Second)
	p.Cleanup(cancel)
	go func() { done <- Run(ctx, o) }()
	return done
}

// TestPty takes the walk on a pseudo terminal: the screen comes up, what the
// keys say arrives, and the terminal is left as it was found.
func TestPty(t *testing.T) {
	p := newTerminal(t)
	o, err := opened(filmed(t))
	if err != nil {
		t.Fatal(err)
	}
	done := p.shown(o)
	p.await("does not exist")
	for _, step := range []struct{ keys, text string }{
		{"nnn", "NotServing"}, {"e", "BECAUSE"}, {",", "#280"}, {"D", "DIFF"}, {"g00:00:20\r", "at 2026-11-24T00:00:20Z"}, {"mhere\r", "g @here"}, {"q", "\x1b[?1049l"},
	} {
		p.send(step.keys)
		p.await(step.text)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.restored()
}

// TestColors shows the screen with the colours that the terminal has.
func TestColors(t *testing.T) {
	for _, tt := range []struct {
		name     string
		environ  []string
		change   func(*Options)
		has, not string // regular expressions
	}{
		{"16 colours", []string{"TERM=xterm", "LANG=C.UTF-8"}, nil, `\x1b\[[0-9;]*3[1-4]`, `\x1b\[([0-9;]*;)?[34]8[;:]`},
		{"no colour", []string{"TERM=xterm-256color", "NO_COLOR=1"}, nil, `NotServing`, `\x1b\[([0-9;]*;)?(3[0-7]|38|9[0-7])[;m]`},
		{"plain", []string{"TERM=xterm-256color"}, func(o *Options) { o.Plain = true }, `NotServing`, `\x1b\[([0-9;]*;)?(3[0-7]|38|9[0-7])[;m]`},
		{"ASCII", []string{"TERM=vt220", "LANG=C"}, func(o *Options) { o.ASCII = true }, `NotServing`, `[^\x00-\x7f]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTerminal(t)
			o, err := opened(filmed(t))
			if err != nil {
				t.Fatal(err)
			}
			o.Environ = tt.environ
			if tt.change != nil {
				tt.change(&o)
			}
			done := p.shown(o)
			p.await("does not exist")
			p.send("nnn")
			p.await("NotServing")
			p.send("q")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			p.restored()
			if out := p.output(); !regexp.MustCompile(tt.has).MatchString(out) {
				t.Errorf("the terminal got nothing like %s: %q", tt.has, out)
			} else if found := regexp.MustCompile(tt.not).FindString(out); found != "" {
				t.Errorf("the terminal got %q: %q", found, out)
			}
		})
	}
}

// TestEnds ends the program in every way there is. It leaves the terminal as it
// was found, and says what happened where something did.
func TestEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	recording, err := os.ReadFile("../../fixtures/incidents/selector-edited.db")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, show string
		end        func(p *terminal, process *os.Process, file string)
		code       int
		says       string
	}{
		{"q", "file", func(p *terminal, _ *os.Process, _ string) { p.send("q") }, 0, ""},
		{"ctrl-C", "file", func(p *terminal, _ *os.Process, _ string) { p.send("\x03") }, 0, ""},
		{"SIGINT", "file", func(_ *terminal, process *os.Process, _ string) { _ = process.Signal(syscall.SIGINT) }, 0, ""},
		{"SIGTERM", "file", func(_ *terminal, process *os.Process, _ string) { _ = process.Signal(syscall.SIGTERM) }, 0, ""},
		{"panic", "panic", func(p *terminal, _ *os.Process, _ string) { p.send("C") }, 1, "this command is broken"},
		{"panic in the background", "panic", func(p *terminal, _ *os.Process, _ string) { p.send("S") }, 1, "this disk is broken"},
		{"the file is gone", "file", func(p *terminal, _ *os.Process, file string) {
			_ = os.Remove(file)
			p.send("nnn")
			p.await("NotServing") // what is open can be read
			p.send("m\r")
			p.await("not in the recording")
			p.send("q")
		}, 0, ""},
		{"the file is cut", "file", func(p *terminal, _ *os.Process, file string) {
			_ = os.Truncate(file, 8192)
			p.send("nnn")
			p.await("NotServing") // from what was read already
			p.send("eDycm\r")
			p.await("not in the recording")
			p.send("q")
		}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(file, recording, 0o600); err != nil {
				t.Fatal(err)
			}
			p := newTerminal(t)
			cmd := exec.Command(self)
			// The terminal library closes its reader while a goroutine waits on it, in a
			// process that ends; on a slow machine the race detector sees it. Every other
			// race fails the test.
			races := filepath.Join(t.TempDir(), "race")
			race := "GORACE=exitcode=0 log_path=" + races
			cmd.Env = append(os.Environ(), "SVCSPY_TUI_SHOW="+tt.show, "SVCSPY_TUI_FILE="+file, "TERM=xterm-256color", "LANG=C.UTF-8", "NO_COLOR=", "GOTRACEBACK=single", race)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = p.screen, p.screen, p.screen
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() }) // else it would keep the terminal
			p.await("does not exist")
			tt.end(p, cmd.Process, file)
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != tt.code {
				t.Errorf("%v, want exit code %d: %q", err, tt.code, p.output())
			}
			reports, err := filepath.Glob(races + ".*")
			if err != nil {
				t.Fatal(err)
			}
			for _, report := range reports {
				text, err := os.ReadFile(report)
				if err != nil {
					t.Fatal(err)
				}
				for one := range strings.SplitSeq(string(text), "WARNING: DATA RACE") {
					if strings.Contains(one, "Previous ") && !strings.Contains(one, "cancelreader.(*epollCancelReader).Close") {
						t.Errorf("race: %s", one)
					}
				}
			}
			p.restored()
			if tt.says != "" {
				p.await(tt.says)
			}
		})
	}
}

// TestHostileTerminal shows objects whose every text tries to take the terminal
// over: nothing of that reaches it.
func TestHostileTerminal(t *testing.T) {
	p := newTerminal(t)
	o, err := opened(hostile(t))
	if err != nil {
		t.Fatal(err)
	}
	o.Zone = time.UTC
	done := p.shown(o)
	p.await("does not exist")
	p.send("\x1b[F")          // End
	p.await(`\x1b[2J\x1b]0;`) // as text
	for _, keys := range []string{"e", "d", "y", "D", "\t", "\t", "/owned\r", "C", "S", "?"} {
		p.send(keys)
		time.Sleep(50 * time.Millisecond)
	}
	p.send("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"\x1b]0;owned", "owned\x07", "\u202e"} {
		if strings.Contains(p.output(), bad) {
			t.Errorf("the terminal got %q", bad)
		}
	}
}
