package tui

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
)

// walk is what somebody does who looks for the cause of an outage.
var walk = [][]string{{"n"}, {"n"}, {"n"}, {"e"}, {","}, {"D"}, {"g", "00:00:20", "enter"}, {"m", "broken", "enter"}}

// TestWalk takes the walk in a real terminal, tmux, and without one. What is
// seen is the same after every step.
func TestWalk(t *testing.T) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("needs tmux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := fmt.Sprintf("svcspy-test-%d", os.Getpid())
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(tmux, append([]string{"-u", "-L", server, "-f", os.DevNull}, args...)...)
		cmd.Env = append(os.Environ(), "SVCSPY_TUI_SHOW=1", "LANG=C.UTF-8", "TMUX=", "NO_COLOR=", "TERM=xterm-256color")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %s: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", `"$0"; echo ended with $?; read line`, self)
	t.Cleanup(func() { _ = exec.Command(tmux, "-L", server, "kill-server").Run() })

	s := newStage(t, filmed(t), nil)
	s.resize(80, 24)
	compare := func(after string) {
		t.Helper()
		var diff string
		for range 100 {
			got := strings.TrimRight(run("capture-pane", "-p"), "\n") + "\n"
			if diff = cmp.Diff(s.screen(), got); diff == "" {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("after %s (-model +terminal):\n%s", after, diff)
	}
	send := func(keys []string) {
		for _, k := range keys {
			switch {
			case k == "enter":
				run("send-keys", "Enter")
			default:
				run("send-keys", "-l", k)
			}
		}
	}
	compare("opening")
	for _, keys := range walk {
		send(keys)
		s.press(keys...)
		compare(fmt.Sprint(keys))
	}
	run("resize-window", "-x", "120", "-y", "40")
	s.resize(120, 40)
	compare("a resize")
	send([]string{"q"})
	var left string
	for range 100 {
		if left = run("capture-pane", "-p"); strings.Contains(left, "ended with 0") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("q does not end the program with code 0:\n%s", left)
}

// TestPty takes the walk on a pseudo terminal: the screen comes up, what the
// keys say arrives, and the terminal is left as it was found.
func TestPty(t *testing.T) {
	keyboard, screen, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer keyboard.Close()
	if err := pty.Setsize(screen, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen bytes.Buffer
	var reader sync.WaitGroup
	reader.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := keyboard.Read(buf)
			mu.Lock()
			seen.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	defer reader.Wait()
	defer screen.Close() // ends the reader: nobody has the terminal any more
	await := func(text string) {
		t.Helper()
		for range 200 {
			mu.Lock()
			found := strings.Contains(seen.String(), text)
			mu.Unlock()
			if found {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("the terminal never got %q, only %q", text, seen.String())
	}
	o, err := opened(filmed(t))
	if err != nil {
		t.Fatal(err)
	}
	o.In, o.Out, o.Environ = screen, screen, []string{"TERM=xterm-256color", "LANG=C.UTF-8"}
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { done <- Run(ctx, o) }()
	await("does not exist")
	for _, step := range []struct{ keys, text string }{
		{"nnn", "NotServing"}, {"e", "BECAUSE"}, {",", "#280"}, {"D", "DIFF"}, {"g00:00:20\r", "at 2026-11-24T00:00:20Z"}, {"mhere\r", "g @here"}, {"q", "\x1b[?1049l"},
	} {
		if _, err := keyboard.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		await(step.text)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
