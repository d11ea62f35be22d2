package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestREADME runs every session of the README: a block fenced as ```console in
// which "$ svcspy ..." is a command and the lines below are what it prints,
// stderr and stdout together. Sessions with a cluster are not fenced so; the
// end-to-end tests run those.
func TestREADME(t *testing.T) {
	path, err := filepath.Abs(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	program := inProcess(t)
	dir := t.TempDir()
	program(dir, []string{"demo", "selector-edited", "-f", "demo.db"})
	incident := filepath.Join(filepath.Dir(path), "fixtures", "incidents", "unready-after-full-rollout.db")
	if err := recordLate(incident, time.Minute, filepath.Join(dir, "late.db")); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	sessions := 0
	rest := string(text)
	for {
		before, block, ok := strings.Cut(rest, "```console\n")
		out.WriteString(before)
		if !ok {
			break
		}
		out.WriteString("```console\n")
		block, rest, ok = strings.Cut(block, "```\n")
		if !ok {
			t.Fatal("README.md: a session is not closed")
		}
		for _, line := range strings.SplitAfter(block, "\n") {
			command, ok := strings.CutPrefix(line, "$ svcspy ")
			if !ok {
				continue
			}
			sessions++
			out.WriteString(line)
			out.WriteString(program(dir, strings.Fields(command)))
		}
		out.WriteString("```\n")
	}
	if sessions == 0 {
		t.Error("README.md shows no session")
	}
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), out.String()); diff != "" {
		t.Errorf("README.md does not show what svcspy prints (-README +svcspy):\n%s\nif this is right: go test ./cmd/svcspy -run README -update", diff)
	}
}

// inProcess returns a function that runs svcspy in a folder, in UTC,
// and returns stderr and stdout.
func inProcess(t *testing.T) func(dir string, args []string) string {
	t.Setenv("TZ", "UTC")
	return func(dir string, args []string) string {
		t.Chdir(dir)
		var out, errs bytes.Buffer
		for i, a := range args {
			args[i] = strings.Trim(a, `'`)
		}
		run(append([]string{"svcspy"}, append(args, "--tz", "UTC")...), strings.NewReader(""), &out, &errs)
		return errs.String() + out.String()
	}
}
