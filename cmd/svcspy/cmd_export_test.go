package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/cmd/svcspy/files"
)

// TestExportShards exports the segments of a bucket in shares: together they write the
// files of one run, byte by byte, and none writes a file of another. What is missing is
// written again, and nothing else; a damaged segment is refused and stops no other.
func TestExportShards(t *testing.T) {
	m := newMatrix(t)
	folder, _ := fleet(t, m)
	export := func(to string, words ...string) (string, error) {
		t.Helper()
		var out, errs bytes.Buffer
		a := &cli.App{In: strings.NewReader(""), Out: &out, Err: &errs, Name: cli.Program, Color: "never", ZoneName: "UTC", Now: time.Now}
		cmd := files.ExportCommand(a)
		cmd.SetArgs(append([]string{folder, "--to", to}, words...))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	tree := func(dir string) map[string]string {
		t.Helper()
		all := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			all[name] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	whole, shares := t.TempDir(), t.TempDir()
	if _, err := export(whole); err != nil {
		t.Fatal(err)
	}
	want := tree(whole)
	if len(want) != 8 { // two segments, four tables
		t.Fatalf("%d files, want 8", len(want))
	}
	sum := 0
	const n = 3
	for i := range n {
		alone := t.TempDir()
		shard := fmt.Sprintf("%d/%d", i, n)
		if _, err := export(alone, "--shard", shard); err != nil {
			t.Fatal(err)
		}
		sum += len(tree(alone))
		if _, err := export(shares, "--shard", shard); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, tree(shares)); diff != "" || sum != len(want) {
		t.Errorf("%d files in all shares, want %d; the union differs:\n%s", sum, len(want), diff)
	}
	for name := range want {
		if err := os.Remove(filepath.Join(whole, name)); err != nil {
			t.Fatal(err)
		}
		break
	}
	out, err := export(whole)
	if err != nil || strings.Count(out, "exported already") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(want, tree(whole)); diff != "" {
		t.Error(diff)
	}
	// The first segment loses its end.
	segments, err := filepath.Glob(filepath.Join(folder, "prod", "*", "*.db"))
	if err != nil || len(segments) != 2 {
		t.Fatal(segments, err)
	}
	st, err := os.Stat(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segments[0], st.Size()-100); err != nil {
		t.Fatal(err)
	}
	rest := t.TempDir()
	if _, err = export(rest); err == nil || len(tree(rest)) != 4 {
		t.Errorf("%v; %d files, want 4", err, len(tree(rest)))
	}
	if code := cli.ExitCode(err); code != cli.ExitGap {
		t.Errorf("exit code %d, want %d: %v", code, cli.ExitGap, err)
	}
}
