package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/fixtures"
	"github.com/svcspy/svcspy/store"
)

// example is a command line that people are shown.
type example struct {
	where string // the page it stands on
	args  []string
}

// TestExamples carries out every command that the README and the pages of help
// show. What needs a cluster or a terminal, or waits, is only checked for words
// and flags that there are; the end-to-end tests run those.
func TestExamples(t *testing.T) {
	var examples []example
	for _, page := range pages {
		_, text := readPage(t, page)
		examples = append(examples, commandsIn(t, page, shellOf(text))...)
	}
	for _, cmd := range everyCommand() {
		examples = append(examples, commandsIn(t, cmd.CommandPath()+" --help", cmd.Example)...)
	}
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	checker := newChecker(schemas)
	incident, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "incidents", "unready-after-full-rollout.db"))
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := filepath.Abs(filepath.Join("..", "..", "recorder", "importer", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	m := newMatrix(t)
	for from, to := range map[string]string{"selector-edited.audit.jsonl.zst": "audit.log", "selector-edited.dump.json.zst": "dump.json", "selector-edited.db": "recorded.db"} {
		data, err := os.ReadFile(filepath.Join(evidence, from)) // an import unpacks what is packed
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := recordLate(incident, time.Minute, "late.db"); err != nil {
		t.Fatal(err)
	}
	m.outage("incident.db")
	m.outage("killed.db")
	m.key("recorder.pub", "oncall.key")
	if err := os.WriteFile("expectations.yaml", []byte(expectations), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, e := range examples {
		var out, errs bytes.Buffer
		if !alone(e.args) {
			if err := understood(e.args); err != nil {
				t.Errorf("%s: svcspy %s: %v", e.where, strings.Join(e.args, " "), err)
			}
			continue
		}
		ran++
		if i := slices.Index(e.args, "-f"); e.args[0] == "demo" && i > 0 {
			_ = os.Remove(e.args[i+1]) // several examples write one; it may not be there
		}
		code := run(append([]string{cli.Program}, e.args...), strings.NewReader(""), &out, &errs)
		if code > cli.ExitGap || strings.Contains(errs.String(), "error:") || out.Len() == 0 && !slices.Contains(e.args, "-f") {
			t.Errorf("%s: svcspy %s: exit code %d\n%s", e.where, strings.Join(e.args, " "), code, errs.String())
		}
		if format := cli.FormatOf(e.args); format != "" {
			if _, err := checker.check(out.Bytes(), format); err != nil {
				t.Errorf("%s: svcspy %s: %v", e.where, strings.Join(e.args, " "), err)
			}
		}
	}
	if ran < 25 || len(examples)-ran < 5 {
		t.Errorf("of %d examples %d were run", len(examples), ran)
	}
}

// TestREADMETargets checks that the make targets of the documents are there.
func TestREADMETargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range append([]string{"CONTRIBUTING.md"}, pages...) {
		_, text := readPage(t, name)
		for _, target := range regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z-]+)").FindAllStringSubmatch(text, -1) {
			found++
			if !regexp.MustCompile(`(?m)^` + target[1] + `:`).Match(makefile) {
				t.Errorf("%s: there is no make %s", name, target[1])
			}
		}
	}
	if found == 0 {
		t.Error("no make target was found")
	}
}

// shellOf returns what of a document is a shell's: the blocks fenced as sh, and
// commands within the text that are complete.
func shellOf(text string) string {
	var b strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		b.WriteString(block[1])
	}
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	for _, inline := range regexp.MustCompile("`(svcspy [^`|]+)`").FindAllStringSubmatch(prose, -1) {
		if !regexp.MustCompile(`[A-Z]{3}|\|`).MatchString(inline[1]) { // FILE, TYPE/NAME
			b.WriteString(strings.Join(strings.Fields(inline[1]), " ") + "\n")
		}
	}
	return b.String()
}

// commandsIn returns the commands of svcspy in lines of a shell.
func commandsIn(t *testing.T, where, shell string) []example {
	t.Helper()
	var all []example
	for _, line := range strings.Split(shell, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, found := range regexp.MustCompile(`(?:^|<\()(svcspy(?: +(?:'[^']*'|[^ |>)#']+|#\d+))*)`).FindAllStringSubmatch(line, -1) {
			var args []string
			for _, word := range regexp.MustCompile(`'[^']*'|[^ ']+`).FindAllString(found[1], -1)[1:] {
				args = append(args, strings.Trim(word, "'"))
			}
			if len(args) > 0 {
				all = append(all, example{where, args})
			}
		}
	}
	return all
}

// alone reports whether a command needs nobody and nothing, and ends.
func alone(args []string) bool {
	if slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "://") || a == "containerlogs" }) {
		return false // somebody else's storage, and what a recording has only if it was asked for
	}
	switch args[0] {
	case "record":
		return slices.Contains(args, "--print-rbac")
	case "trace", "changes":
		return slices.Contains(args, "-f")
	case "serve", "shell", "keep", "mcp", "agent", "ls", "fetch", "export":
		return false
	case "view":
		return slices.Contains(args, "--export")
	}
	return true
}

// understood checks a command line without carrying it out.
func understood(args []string) error {
	var out, errs bytes.Buffer
	a := &cli.App{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now, Name: cli.Program}
	root := newRoot(a)
	done := false
	for _, cmd := range root.Commands() {
		cmd.RunE = func(*cobra.Command, []string) error {
			done = true
			return nil
		}
	}
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		return err
	}
	if !done {
		return fmt.Errorf("no command ran")
	}
	return nil
}

// key writes both halves of a new key.
func (m *matrix) key(publicPath, privatePath string) {
	m.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	write := func(path, kind string, der []byte, err error) {
		if err == nil {
			err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	write(publicPath, "PUBLIC KEY", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(private)
	write(privatePath, "PRIVATE KEY", der, err)
}

// outage writes the recording of the documents: a real one, moved in time so
// that the selector is edited just before 14:02, a quarter of an hour after the
// Service was made, and long enough to have an event 812.
func (m *matrix) outage(path string) {
	t := m.t
	t.Helper()
	data, err := fixtures.Demos[0].Recording()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("source.db", data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open("source.db")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	start, err := fixtures.Demos[0].Start()
	if err != nil {
		t.Fatal(err)
	}
	info := r.Info()
	edited := start.Add(fixtures.Demos[0].Broken).Add(-10 * time.Second)
	late := time.Date(2026, 11, 23, 14, 1, 58, 0, time.UTC).Sub(edited)
	early := late - 15*time.Minute
	shift := early
	header := info.Header
	header.Start = info.Start.Add(shift)
	w, err := store.Create(path, header)
	if err != nil {
		t.Fatal(err)
	}
	stamps := regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	moved := func(stamp []byte) []byte {
		at, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(stamp))
		if err != nil {
			t.Fatal(err)
		}
		return at.Add(shift).AppendFormat(nil, `"`+time.RFC3339Nano+`"`)
	}
	ledger, err := r.Ledger(0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	cover := func(before store.Seq) {
		for len(ledger) > 0 && ledger[0].Seq < before {
			c := ledger[0]
			ledger = ledger[1:]
			if c.Reason == store.Stopped {
				continue
			}
			c.Time = c.Time.Add(shift)
			if _, err := w.Cover(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	for e, err := range r.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		cover(e.Seq)
		if e.Time.After(edited.Add(-time.Second)) {
			shift = late
		}
		e.Time, e.Object = e.Time.Add(shift), stamps.ReplaceAllFunc(e.Object, moved)
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	cover(info.Last + 1)
	for e, err := range r.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; e.Type == watch.Bookmark && n < 20; n++ {
			e.Time = info.End.Add(late).Add(time.Duration(n) * time.Minute)
			if _, err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Seal(info.End.Add(late).Add(30 * time.Minute)); err != nil {
		t.Fatal(err)
	}
}
