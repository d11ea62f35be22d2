package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// TestCIExample runs the job of the page about expectations as it stands, against a
// cluster in which a Service serves, and then one in which it does not.
func TestCIExample(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program beside itself")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "replay", "expect", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\nIn CI,")
	var job strings.Builder
	for line := range strings.Lines(rest) {
		if code, is := strings.CutPrefix(line, "    "); is {
			job.WriteString(code)
		} else if job.Len() > 0 && strings.TrimSpace(line) != "" {
			break
		}
	}
	program := answering(t)
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	demo := filepath.Join(t.TempDir(), "demo.db")
	if code, _, errw := program(t.TempDir(), []string{"demo", "selector-edited", "-f", demo}); code != cli.ExitOK {
		t.Fatal(errw)
	}
	kubeconfig := asCluster(t, demo)
	for expect, want := range map[string]struct {
		code  int
		junit string
	}{
		"svc/web finally Serving": {cli.ExitOK, `failures="0"`},
		"svc/web never Serving":   {cli.ExitTrue, `failures="1"`},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"expectations.yaml": "apiVersion: svcspy.dev/v1\nkind: Expectations\nnamespace: shop\nexpectations:\n- expect: " + expect + "\n",
			"deploy.sh":         "#!/bin/sh\ngrep -q web services.txt\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", job.String())
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "TZ=UTC", envSchemas+"="+schemas, envViolations+"="+filepath.Join(dir, "violations"))
		out, err := cmd.CombinedOutput()
		result, _ := os.ReadFile(filepath.Join(dir, "result.xml"))
		if code := cmd.ProcessState.ExitCode(); code != want.code || !strings.Contains(string(result), want.junit) {
			t.Errorf("%s: exit code %d, want %d: %v\n%s\n%s", expect, code, want.code, err, out, result)
		}
	}
}
