//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// crafted are files that somebody made who knows the format, with the exit code
// of verify, and whether nothing may be written into them.
var crafted = []struct {
	file     string
	verify   int
	readOnly bool
}{
	{"bomb.db", cli.ExitTrue, false},
	{"deep.db", cli.ExitTrue, false},
	{"forged-sealed.db", cli.ExitOK, false},
	{"gap-not-backdated.db", cli.ExitOK, false},
	{"mark-hang.db", cli.ExitTrue, true},
	{"mark-panic.db", cli.ExitTrue, true},
	{"signed-forged-mark.db", cli.ExitOK, false},
}

// opening are the commands that open a file: FILE is it, OUT a new one.
var opening = []string{
	"info FILE", "verify FILE", "events FILE", "replay FILE --once", "replay FILE svc/web --once", "timeline FILE --all",
	"explain FILE svc/web", "trace svc/web -f FILE", "report FILE svc/web -o md", "get FILE pods -A -o json", "changes svc/web -f FILE",
	"scan FILE", "share FILE OUT --policy strict", "share FILE OUT", "compact FILE OUT", "cut FILE OUT", "join FILE -f OUT", "mark FILE text",
}

const (
	memoryLimit = 512 << 20
	cpuLimit    = 10 * time.Second
	wallLimit   = 2 * time.Minute // others may use the machine
)

// limitedRun runs svcspy in a process of its own, and fails if it takes more
// than it may.
func limitedRun(t *testing.T, svcspy string, args []string) (code int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wallLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, svcspy, args...)
	peak := filepath.Join(t.TempDir(), "peak")
	cmd.Env = append(os.Environ(), envPeak+"="+peak, "HOME="+t.TempDir(), "KUBECONFIG=/nowhere", envViolations+"="+filepath.Join(t.TempDir(), "violations"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	state := cmd.ProcessState
	memory := int64(0)
	if text, err := os.ReadFile(peak); err == nil {
		if memory, err = strconv.ParseInt(string(text), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if memory == 0 && runtime.GOOS == "linux" && ctx.Err() == nil {
		t.Errorf("svcspy %s did not say how much memory it took\n%.2000s", strings.Join(args, " "), out.String())
	}
	cpu := state.UserTime() + state.SystemTime()
	if ctx.Err() != nil || cpu > cpuLimit || memory > memoryLimit || strings.Contains(out.String(), "goroutine ") || state.ExitCode() > cli.ExitGap {
		t.Errorf("svcspy %s: exit code %d after %v, %d MiB\n%.2000s", strings.Join(args, " "), state.ExitCode(), cpu, memory>>20, out.String())
	}
	return state.ExitCode(), out.String()
}

// TestCraftedFiles gives every command that opens a file such as only somebody
// makes who means harm: it ends, soon, with an answer or an error, and takes no
// more memory than a small file may.
func TestCraftedFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, which runs with -short, takes memory of its own")
	}
	svcspy := filepath.Join(t.TempDir(), "svcspy")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, svcspy); err != nil {
		t.Fatal(err)
	}
	for _, c := range crafted {
		t.Run(c.file, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "hostile", "crafted", c.file))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range opening {
				dir := t.TempDir()
				file := filepath.Join(dir, c.file)
				if err := os.WriteFile(file, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				args := openingArgs(line, file, filepath.Join(dir, "out.db"))
				code, output := limitedRun(t, svcspy, args)
				switch {
				case args[0] == "verify" && code != c.verify:
					t.Errorf("verify: exit code %d, want %d\n%s", code, c.verify, output)
				case args[0] == "mark" && c.readOnly:
					after, err := os.ReadFile(file)
					if err != nil || code != cli.ExitGap || !bytes.Equal(after, raw) {
						t.Errorf("mark: exit code %d, %v; changed: %v\n%s", code, err, !bytes.Equal(after, raw), output)
					}
				}
			}
		})
	}
}

// TestSilenceIsNoCoverage: the API server fell silent at 19:28:01 and the recorder
// noticed it at 19:28:18; no instant in between is called covered.
func TestSilenceIsNoCoverage(t *testing.T) {
	file := filepath.Join("..", "..", "fixtures", "hostile", "crafted", "gap-not-backdated.db")
	for _, at := range []string{"19:28:02Z", "19:28:17Z"} {
		var out, errs bytes.Buffer
		code := run([]string{"svcspy", "replay", file, "svc/web", "-n", "shop", "--once", "--at", at}, strings.NewReader(""), &out, &errs)
		if all := out.String() + errs.String(); strings.Contains(all, "coverage complete") || !strings.Contains(all, "coverage none") {
			t.Errorf("at %s: exit code %d\n%s", at, code, all)
		}
	}
}
