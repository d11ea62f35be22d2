package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures"
	"github.com/svcspy/svcspy/fixtures/late"
	"github.com/svcspy/svcspy/store"
)

var update = flag.Bool("update", false, "rewrite what the scripts and the README expect")

// TestMain lets scripts run the real program as a command.
func TestMain(m *testing.M) {
	cli.Completing = time.Hour
	testscript.Main(m, map[string]func(){
		"svcspy":                  checkedMain,
		"kubectl-svcspy":          checkedMain,
		"kubectl_complete-svcspy": main,
	})
}

// TestScripts runs every session in testdata/script: what a user types, and
// exactly what they see. A script finds the recorded incidents in $INCIDENTS.
func TestScripts(t *testing.T) {
	incidents, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	violations := filepath.Join(t.TempDir(), "violations")
	t.Cleanup(func() {
		if text, err := os.ReadFile(violations); err == nil {
			t.Errorf("what scripts printed does not fit the schemas:\n%s", text)
		}
	})
	scripts := filepath.Join("testdata", "script")
	var only []string
	if testing.Short() { // the race detector: sessions in which something runs beside something else
		for _, name := range []string{"record", "serve", "signals", "terminal"} {
			only = append(only, filepath.Join(scripts, name+".txtar"))
		}
		scripts = ""
	}
	testscript.Run(t, testscript.Params{
		Dir:                 scripts,
		Files:               only,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("INCIDENTS", incidents)
			env.Setenv(envSchemas, schemas)
			env.Setenv(envViolations, violations)
			env.Setenv("TZ", "UTC")
			env.Setenv("LANG", "C.UTF-8")
			// No kubeconfig may ever be read by an offline command: this one fails.
			env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "there-is-no-kubeconfig"))
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "longrecording": longRecording, "late": startedLate},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "full":
				_, err := os.Stat("/dev/full")
				return err == nil, nil
			case "bash-completion":
				_, err := os.Stat("/usr/share/bash-completion/bash_completion")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// startedLate is `late INCIDENT AFTER FILE`: it writes the recording of the
// incident as it would be if the recorder had been started so much later.
func startedLate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: late INCIDENT AFTER FILE")
	}
	after, err := time.ParseDuration(args[1])
	ts.Check(err)
	ts.Check(recordLate(filepath.Join(ts.Getenv("INCIDENTS"), args[0]+".db"), after, ts.MkAbs(args[2])))
}

func recordLate(incident string, after time.Duration, path string) error {
	whole, err := store.Open(incident)
	if err != nil {
		return err
	}
	defer whole.Close()
	from, err := whole.SeqAt(whole.Info().Start.Add(after))
	if err != nil {
		return err
	}
	h, err := late.Header(whole, from)
	if err != nil {
		return err
	}
	w, err := store.Create(path, h)
	if err != nil {
		return err
	}
	return late.Write(w, whole, from)
}

// exits is `exits CODE [interrupted WORDS] PROGRAM ARG...`: it runs a program that
// must end with that code; its output can be looked at as after exec. One that is
// interrupted gets ctrl-C once it has printed what the pattern WORDS matches.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	interrupt := len(args) > 2 && args[1] == "interrupted"
	if neg || len(args) < 2 || interrupt && len(args) < 4 {
		ts.Fatalf("usage: exits CODE [interrupted WORDS] PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if interrupt {
		args = append([]string{"", "sh", "-c", interruption, "sh"}, args[2:]...)
	}
	err = ts.Exec(args[1], args[2:]...)
	if status := (*exec.ExitError)(nil); errors.As(err, &status) {
		got = status.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// interruption runs a program until it prints what $1 matches, and interrupts
// it. What a shell starts in the background ignores ctrl-C, unless that is
// undone.
const interruption = `words=$1; shift
rm -f code pid out err
{ env --default-signal=INT sh -c 'echo $$ >pid; exec "$@"' sh "$@" >out 2>err; echo $? >code; } &
until [ -s code ] || grep -qE -e "$words" out err 2>/dev/null; do sleep 0.02; done
kill -INT $(cat pid); wait
cat out; cat err >&2; exit $(cat code)`

// longRecording is `longrecording FILE`: it makes a recording of so many
// Services that evaluating all of them takes a while.
func longRecording(ts *testscript.TestScript, _ bool, args []string) {
	const copies = 600
	data, err := fixtures.Demos[0].Recording()
	ts.Check(err)
	source := ts.MkAbs("source.db")
	ts.Check(os.WriteFile(source, data, 0o600))
	r, err := store.Open(source)
	ts.Check(err)
	defer r.Close()
	info := r.Info()
	w, err := store.Create(ts.MkAbs(args[0]), info.Header)
	ts.Check(err)
	ledger, err := r.Ledger(0, info.Last)
	ts.Check(err)
	for _, c := range ledger {
		c.Time = info.Start
		if c.Reason != store.Stopped {
			_, err := w.Cover(c)
			ts.Check(err)
		}
	}
	for e, err := range r.Events(1, info.Last) {
		ts.Check(err)
		if !e.IsObject() || e.Namespace != "shop" {
			continue
		}
		object := e.Object
		for i := range copies {
			e.Namespace = fmt.Sprintf("shop-%d", i)
			e.Object = bytes.ReplaceAll(object, []byte(`"namespace":"shop"`), []byte(`"namespace":"`+e.Namespace+`"`))
			_, err := w.Append(e)
			ts.Check(err)
		}
	}
	_, err = w.Seal(info.End)
	ts.Check(err)
}
