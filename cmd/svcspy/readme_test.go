package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pages are the documents that show commands and what they print, relative to
// the root of the repository. The README comes first and links to the others.
var pages = []string{
	"README.md",
	"recorder/README.md",
	"recorder/agent/README.md",
	"replay/README.md",
	"replay/postmortem/README.md",
	"replay/mcp/README.md",
	"replay/expect/README.md",
}

// readPage returns the path and the text of one of the pages.
func readPage(t *testing.T, page string) (path, text string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(data)
}

// TestREADME runs every session of the pages: a block fenced as ```console in
// which "$ svcspy ..." is a command and the lines below are what it prints,
// stderr and stdout together. Sessions with a cluster are not fenced so; the
// end-to-end tests run those.
func TestREADME(t *testing.T) {
	texts := map[string]string{}
	paths := map[string]string{}
	for _, page := range pages {
		paths[page], texts[page] = readPage(t, page)
	}
	incident, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents", "unready-after-full-rollout.db"))
	if err != nil {
		t.Fatal(err)
	}
	program := inProcess(t)
	dir := t.TempDir()
	program(dir, []string{"demo", "selector-edited", "-f", "demo.db"})
	if err := recordLate(incident, time.Minute, filepath.Join(dir, "late.db")); err != nil {
		t.Fatal(err)
	}
	sessions := 0
	for _, page := range pages {
		var out strings.Builder
		for rest := texts[page]; ; {
			before, block, ok := strings.Cut(rest, "```console\n")
			out.WriteString(before)
			if !ok {
				break
			}
			out.WriteString("```console\n")
			block, rest, ok = strings.Cut(block, "```\n")
			if !ok {
				t.Fatalf("%s: a session is not closed", page)
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
		if *update {
			if err := os.WriteFile(paths[page], []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(texts[page], out.String()); diff != "" {
			t.Errorf("%s does not show what svcspy prints (-page +svcspy):\n%s\nif this is right: go test ./cmd/svcspy -run README -update", page, diff)
		}
	}
	if sessions < 3 {
		t.Errorf("the pages show %d sessions", sessions)
	}
}

// TestREADMELinks holds the README to its length, which a reader in an outage
// can take in, and every relative link of the pages to a file and a heading.
func TestREADMELinks(t *testing.T) {
	_, readme := readPage(t, "README.md")
	if lines := strings.Count(readme, "\n"); lines > 200 {
		t.Errorf("README.md has %d lines; reference material belongs on the pages that it links", lines)
	}
	link := regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]+))?\)`)
	for _, page := range pages {
		path, text := readPage(t, page)
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target, anchor := found[1], found[2]
			if strings.Contains(target, "://") {
				continue
			}
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), filepath.FromSlash(target))
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchorsOf(string(data)), anchor) {
				t.Errorf("%s links to %s#%s, which is no heading there", page, target, anchor)
			}
		}
	}
}

// anchorsOf returns the anchors of a document's headings, as GitHub makes them.
func anchorsOf(text string) []string {
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(words, " ", "-"))
	}
	return anchors
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
