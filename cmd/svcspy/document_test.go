package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/kubectl"
	"github.com/svcspy/svcspy/replay/report"
)

// checker holds documents to the schemas, strictly: a field that no schema has
// is an error here, while others may meet fields that were added later.
type checker struct {
	dir      string
	compiled map[string]*jsonschema.Schema
}

func newChecker(dir string) *checker { return &checker{dir, map[string]*jsonschema.Schema{}} }

func (c *checker) schema(kind string) (*jsonschema.Schema, error) {
	if s := c.compiled[kind]; s != nil {
		return s, nil
	}
	data, err := os.ReadFile(filepath.Join(c.dir, kind+".json"))
	if err != nil {
		return nil, fmt.Errorf("documents of kind %q have no schema; add the kind to documents in schema_test.go: %w", kind, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	closeObjects(doc)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(kind+".json", doc); err != nil {
		return nil, err
	}
	s, err := compiler.Compile(kind + ".json")
	c.compiled[kind] = s
	return s, err
}

// closeObjects forbids what a schema does not name.
func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, is := node["properties"].(map[string]any); is && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// check checks what was printed: one document, or one on each line. What is no
// document of svcspy (Kubernetes objects, text) passes. It returns the kinds.
func (c *checker) check(output []byte, format string) (kinds []string, err error) {
	if format == "yaml" {
		if output, err = yaml.YAMLToJSON(output); err != nil {
			return nil, err
		}
	}
	dec := json.NewDecoder(bytes.NewReader(output))
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return kinds, nil
		} else if err != nil {
			return kinds, fmt.Errorf("not a document: %w", err)
		}
		var head struct{ APIVersion, Kind string }
		if json.Unmarshal(raw, &head) != nil || head.APIVersion != report.APIVersion {
			continue
		}
		s, err := c.schema(head.Kind)
		if err != nil {
			return kinds, err
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return kinds, err
		}
		if err := s.Validate(value); err != nil {
			return kinds, fmt.Errorf("%s: %w", head.Kind, err)
		}
		kinds = append(kinds, head.Kind)
	}
}

// The environment in which svcspy runs as a command of a script.
const (
	envSchemas    = "SVCSPY_TEST_SCHEMAS"    // where the schemas are
	envViolations = "SVCSPY_TEST_VIOLATIONS" // the file for what does not fit them
	envPeak       = "SVCSPY_TEST_PEAK"       // the file for the most memory taken, in bytes
)

// exit ends the process, and says how much memory it took at most. The kernel's
// own account of a child (rusage) begins with what its parent took.
func exit(code int) {
	if file := os.Getenv(envPeak); file != "" {
		if status, err := os.ReadFile("/proc/self/status"); err == nil {
			_, rest, _ := strings.Cut(string(status), "VmHWM:")
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				panic(err)
			}
			if err := os.WriteFile(file, strconv.AppendInt(nil, kib<<10, 10), 0o600); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(code)
}

// checkedMain is main for scripts: what it prints as data is held to the
// schemas, and what does not fit them fails the script.
func checkedMain() {
	format := cli.FormatOf(os.Args)
	// What other programs print, and completions, are no documents.
	if format == "" || os.Args[1] == "shell" || strings.HasPrefix(os.Args[1], "__") {
		exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	var printed bytes.Buffer
	code := run(os.Args, os.Stdin, io.MultiWriter(os.Stdout, &printed), os.Stderr)
	if _, err := newChecker(os.Getenv(envSchemas)).check(printed.Bytes(), format); err != nil {
		f, ferr := os.OpenFile(os.Getenv(envViolations), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if ferr == nil {
			_, ferr = fmt.Fprintf(f, "%s\n%v\n", strings.Join(os.Args, " "), err)
			ferr = errors.Join(ferr, f.Close())
		}
		if ferr != nil {
			panic(ferr)
		}
	}
	exit(code)
}

// expectations are about the demo that edits a selector: it is out for half a
// minute, from #281 on.
const expectations = `apiVersion: svcspy.dev/v1
kind: Expectations
namespace: shop
expectations:
- name: it is up
  expect: svc/web never NotServing for more than 5s after Ready
- expect: svc/web eventually NotServing because selector-edited after Ready
alerts:
- {name: ShopDown, when: svc/web NotServing, for: 10s}
- {when: svc/web NotServing, for: 5m}
`

// TestDocuments prints a document of every kind and compares it with its golden.
func TestDocuments(t *testing.T) {
	dump, err := os.ReadFile(filepath.Join("..", "..", "recorder", "importer", "testdata", "selector-edited.dump.json.zst"))
	if err != nil {
		t.Fatal(err)
	}
	program := inProcess(t)
	dir := t.TempDir()
	golden, err := filepath.Abs(filepath.Join("testdata", "json"))
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := filepath.Abs(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	checker := newChecker(schemas)
	program(dir, []string{"demo", "selector-edited", "-f", "demo.db"})
	cluster := asCluster(t, filepath.Join(dir, "demo.db"))
	if err := os.WriteFile(filepath.Join(dir, "expectations.yaml"), []byte(expectations), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dump.json"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	bucket, _ := fleet(t, newMatrix(t))
	shown := map[string]bool{}
	for name, line := range map[string]string{
		"report":      "replay demo.db svc/web --at incident+10s",
		"well":        "replay demo.db svc/web --at end",
		"reports":     "replay demo.db --at incident+10s",
		"outages":     "replay demo.db",
		"timeline":    "timeline demo.db svc/web",
		"timelines":   "timeline demo.db",
		"bisect":      "bisect demo.db svc/web --good incident-1s --bad incident+5s",
		"explanation": "explain demo.db svc/web",
		"diff":        "diff demo.db svc/web --since incident-1s --until incident",
		"events":      "events demo.db --since incident-1s --until incident --objects",
		"lines":       "events demo.db --since #1 --until #20 -o jsonl",
		"facts":       "events demo.db svc/web --reconstructed",
		"factlines":   "events demo.db deploy/web --reconstructed -o jsonl",
		"changes":     "changes svc/web -f demo.db",
		"changelines": "changes svc/web -f demo.db -o jsonl",
		"info":        "info demo.db",
		"verify":      "verify demo.db",
		"import":      "import --explain dump.json",
		"assert":      "assert demo.db -n shop -f expectations.yaml",
		"marks":       "mark demo.db",
		"scan":        "scan demo.db",
		"bucket":      "ls " + bucket + " --at 2026-11-24T00:00:11Z",
		"postmortem":  "report demo.db svc/web",
		"plan":        "record svc/web -n shop --profile minimal --dry-run --kubeconfig " + cluster,
		"error":       "replay demo.db svc/web --at garbage",
		"missing":     "replay nowhere.db svc/web",
	} {
		args := strings.Fields(line)
		if cli.FormatOf(args) == "" {
			args = append(args, "-o", "json")
		}
		got := program(dir, append(args, "-q"))
		if i := strings.Index(got, "{"); i > 0 {
			got = got[i:] // errors are also told on stderr
		}
		kinds, err := checker.check([]byte(got), "json")
		if err != nil || len(kinds) == 0 {
			t.Errorf("svcspy %s: %v, kinds %v\n%s", line, err, kinds, got)
			continue
		}
		for _, k := range kinds {
			shown[k] = true
		}
		path := filepath.Join(golden, name+".json")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: go test ./cmd/svcspy -run TestDocuments -update", err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("svcspy %s (-want +got)\n%s\nif this is right: go test ./cmd/svcspy -run TestDocuments -update", line, diff)
		}
	}
	for kind := range documents {
		if !shown[kind] {
			t.Errorf("no golden of kind %s: add a command that prints one", kind)
		}
	}
}

// asCluster serves the end of a recording as a cluster until the test ends, and
// returns the kubeconfig.
func asCluster(t *testing.T, file string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &kubectl.ServeOptions{App: &cli.App{Out: io.Discard, Err: io.Discard, Now: time.Now, Quiet: true}, Instants: []string{"end"}}
	kubeconfig, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- p.Serve(ctx, file, func(at *kubectl.Served) error {
			kubeconfig <- at.Kubeconfig
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case path := <-kubeconfig:
		return path
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

// TestGoldenDocuments holds every document that lies in the repository to its
// schema: what other packages print is compared with these.
func TestGoldenDocuments(t *testing.T) {
	checker := newChecker(schemaDir)
	found := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "schema"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, ".golden"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
			return nil
		}
		kinds, err := checker.check(data, "json")
		if err != nil && len(kinds) > 0 || err != nil && bytes.Contains(data, []byte(report.APIVersion)) {
			t.Errorf("%s: %v", path, err)
		}
		found += len(kinds)
		return nil
	})
	if err != nil || found < len(documents) {
		t.Errorf("%d documents in the repository: %v", found, err)
	}
}

// TestChecker checks that the checker finds what is wrong.
func TestChecker(t *testing.T) {
	checker := newChecker(schemaDir)
	const good = `{"apiVersion":"svcspy.dev/v1","kind":"Error","code":1,"message":"disk full"}`
	if _, err := checker.check([]byte(good+"\n"+good), "jsonl"); err != nil {
		t.Errorf("%s: %v", good, err)
	}
	for _, bad := range []string{
		`{"apiVersion":"svcspy.dev/v1","kind":"Error","code":1}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"Error","code":"1","message":"disk full"}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"Error","code":1,"message":"disk full","more":true}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"Error","code":1,"message":"disk full","hints":null}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"Mistake"}`,
		`{"apiVersion":"svcspy.dev/v1","kind":"Error"`,
	} {
		if _, err := checker.check([]byte(bad), "json"); err == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
