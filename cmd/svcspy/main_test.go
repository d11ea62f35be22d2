package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts and the README expect")

// TestMain lets scripts run the real program as a command.
func TestMain(m *testing.M) {
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
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "bash-completion":
				_, err := os.Stat("/usr/share/bash-completion/bash_completion")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// exits is `exits CODE PROGRAM ARG...`: it runs a program that must end with
// that code; its output can be looked at as after exec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
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
