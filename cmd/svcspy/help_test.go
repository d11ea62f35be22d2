package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
)

// everyCommand returns the commands as they are, also those of the help, but not
// hidden ones.
func everyCommand() []*cobra.Command {
	a := &cli.App{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Now: time.Now, Name: cli.Program}
	root := newRoot(a)
	all := []*cobra.Command{root}
	for i := 0; i < len(all); i++ {
		for _, cmd := range all[i].Commands() {
			if !cmd.Hidden {
				all = append(all, cmd)
			}
		}
	}
	return all
}

// TestHelp compares the page of every command with testdata/help.
func TestHelp(t *testing.T) {
	wanted := map[string]bool{}
	for _, cmd := range everyCommand() {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		var out, errs bytes.Buffer
		words := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if code := run(append([]string{cli.Program}, words...), strings.NewReader(""), &out, &errs); code != 0 || errs.Len() > 0 {
			t.Errorf("%s --help: exit code %d, stderr %q", cmd.CommandPath(), code, errs.String())
		}
		golden := filepath.Join("testdata", "help", name+".golden")
		wanted[golden] = true
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatalf("%v: go test ./cmd/svcspy -run TestHelp -update", err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s --help (-want +got)\n%s\nif this is right: go test ./cmd/svcspy -run TestHelp -update", cmd.CommandPath(), diff)
		}
	}
	files, err := filepath.Glob("testdata/help/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[f] {
			t.Errorf("%s is the page of no command", f)
		}
	}
}

// TestPages holds every page to what a page must have.
func TestPages(t *testing.T) {
	topic := regexp.MustCompile(`(?m)^  (\d+) `)
	known := []string{}
	for _, m := range topic.FindAllStringSubmatch(cli.ExitCodesHelp, -1) {
		known = append(known, m[1])
	}
	grouped := []string{}
	for _, g := range cli.Groups {
		grouped = append(grouped, g.Commands...)
	}
	for _, cmd := range everyCommand() {
		path := cmd.CommandPath()
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if first := f.Usage[:1]; first != strings.ToLower(first) || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: %q is not in the words of the other flags", path, f.Name, f.Usage)
			}
		})
		if !cmd.Runnable() || !cmd.HasParent() {
			continue
		}
		if !slices.Contains(grouped, cmd.Name()) {
			t.Errorf("%s is in no group of the first page", path)
		}
		_, exit := cli.CutExit(cmd.Long)
		if exit == "" || cmd.Example == "" {
			t.Errorf("%s: its page lacks EXIT STATUS or an example", path)
		}
		for _, code := range regexp.MustCompile(`\b\d+ `).FindAllString(exit, -1) {
			if code = strings.TrimSpace(code); !slices.Contains(known, code) {
				t.Errorf("%s: exit code %s is not in svcspy help exit-codes", path, code)
			}
		}
		for _, line := range strings.Split(cmd.Long+"\n"+cmd.Example, "\n") {
			if len([]rune(line)) > cli.PageWidth {
				t.Errorf("%s: a line of its page is %d wide: %s", path, len([]rune(line)), line)
			}
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q ends with a full stop", path, cmd.Short)
		}
	}
}

// TestMan writes a man page for every command.
func TestMan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if code := run([]string{cli.Program, "man", dir}, strings.NewReader(""), io.Discard, io.Discard); code != cli.ExitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, cmd := range everyCommand() {
		if !cmd.IsAvailableCommand() {
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil || !bytes.Contains(page, []byte(".SH SYNOPSIS")) {
			t.Errorf("man page of %s: %v\n%.200s", cmd.CommandPath(), err, page)
		}
	}
}

// TestNoSchemasInProgram keeps the validator of documents out of the program.
func TestNoSchemasInProgram(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if strings.Contains(imp, "santhosh-tekuri/jsonschema") {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}
