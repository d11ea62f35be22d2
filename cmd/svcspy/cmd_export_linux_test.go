package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestExportFullDisk exports to a disk without room, and by way of a folder for temporary
// files without any: the error says which, the hint what to do, and no file is left half.
func TestExportFullDisk(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("needs a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	recording := filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db")
	export := func(to string) string {
		t.Helper()
		var out, errs strings.Builder
		code := run([]string{"svcspy", "export", recording, "--to", to}, strings.NewReader(""), &out, &errs)
		if code != 1 || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("exit %d: %s", code, errs.String())
		}
		return errs.String()
	}
	if said := export(filepath.Join(small, "tables")); !strings.Contains(said, "make room or name another folder") {
		t.Errorf("no hint: %s", said)
	}
	if err := filepath.WalkDir(small, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".svcspy-part") {
			err = errors.New(path + " is left half")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(small, "all"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("there is room left")
	}
	t.Setenv("TMPDIR", small)
	if said := export(filepath.Join(t.TempDir(), "tables")); !strings.Contains(said, "TMPDIR") {
		t.Errorf("no hint: %s", said)
	}
	if left, err := filepath.Glob(filepath.Join(small, "svcspy-export-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
